// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-rng end to end on both transports, and with it what the transports and rings owe every
// device: interrupts by MSI-X, INTx and the mmio line, packed and split rings, indirect chains,
// reset. Runs on QEMU, too.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "tests/support/virtio/transports.h"
#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

enum class Way { kMmio, kPci, kPciIntx, kPciBehindPort };

std::string NameOf(const ::testing::TestParamInfo<Way>& info) {
  constexpr const char* kNames[] = {"Mmio", "Pci", "PciIntx", "PciBehindPort"};
  return kNames[static_cast<int>(info.param)];
}

class RngQtest : public ::testing::TestWithParam<Way> {
 protected:
  // `before`: options that come before the device's.
  std::unique_ptr<Machine> Make(const std::string& properties = "",
                                const std::vector<std::string>& before = {}) {
    std::vector<std::string> args;
    switch (GetParam()) {
      case Way::kMmio:
        args = {"-M", "microvm", "-device", "virtio-rng-device" + properties};
        break;
      case Way::kPciBehindPort:
        args = {"-M",      "q35",
                "-device", "pcie-root-port,id=rp0",
                "-device", "virtio-rng-pci,bus=rp0" + properties};
        break;
      default:
        args = {"-M", "q35", "-device", "virtio-rng-pci" + properties};
    }
    args.insert(args.begin(), before.begin(), before.end());
    return std::make_unique<Machine>(args);
  }
  std::unique_ptr<Virtio> Find(Machine& m) {
    return FindVirtio(m, virtio::kIdRng, 0, GetParam() != Way::kPciIntx);
  }
};

TEST_P(RngQtest, GivesBytesAndInterrupts) {
  auto m = Make();
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  EXPECT_TRUE(dev->Has(virtio::kFeatureVersion1));
  EXPECT_EQ(dev->queues(), 1);
  const auto used = dev->queue(0).Do(Request().Writable(64));
  ASSERT_TRUE(used);
  EXPECT_EQ(used->length, 64U);
  EXPECT_GT(std::set<uint8_t>(used->bytes.begin(), used->bytes.end()).size(), 16U);
  EXPECT_TRUE(m->WaitFor([&] { return dev->queue(0).TakeInterrupt(); }));
  EXPECT_FALSE(dev->queue(0).TakeInterrupt());
}

TEST_P(RngQtest, TwoRequestsDiffer) {
  auto m = Make();
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  const auto first = dev->queue(0).Do(Request().Writable(16));
  const auto second = dev->queue(0).Do(Request().Writable(16));
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->bytes, second->bytes);
}

TEST_P(RngQtest, RingGoesRoundAndRound) {
  auto m = Make();
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  for (int i = 0; i < 3 * dev->queue(0).ring().size(); ++i) {
    const auto used = dev->queue(0).Do(Request().Writable(1 + static_cast<uint32_t>(i) % 7));
    ASSERT_TRUE(used) << i;
    ASSERT_GE(used->length, 1U);
  }
}

TEST_P(RngQtest, IndirectAndScatteredBuffersAreFilledInOrder) {
  auto m = Make();
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  const uint64_t guard = m->Allocate(64);
  m->Fill(guard, 64, 0x5a);
  auto used =
      dev->queue(0).Do(Request().At(guard + 16, 8, true).At(guard + 32, 8, true).Indirect());
  ASSERT_TRUE(used);
  EXPECT_LE(used->length, 16U);
  const auto bytes = m->ReadBytes(guard, 64);
  for (size_t i : {0, 15, 24, 31, 40, 63}) EXPECT_EQ(bytes[i], 0x5a) << i;
}

TEST_P(RngQtest, WithoutEventIdxTheFlagHoldsInterruptsBack) {
  auto m = Make();
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start({.features = ~virtio::kFeatureEventIdx}));
  dev->queue(0).ring().SetInterrupts(false);
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
  EXPECT_FALSE(dev->queue(0).TakeInterrupt());
  dev->queue(0).ring().SetInterrupts(true);
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
  EXPECT_TRUE(m->WaitFor([&] { return dev->queue(0).TakeInterrupt(); }));
}

TEST_P(RngQtest, ResetForgetsTheRingAndStartsAgain) {
  auto m = Make();
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
  dev->Reset();
  EXPECT_FALSE(dev->QueueReady(0));
  ASSERT_TRUE(dev->Start({.queue_size = 4}));
  EXPECT_EQ(dev->queue(0).ring().size(), 4);
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
}

// One queue is given back and taken anew while the device goes on (virtio 1.2, 2.6.1).
TEST_P(RngQtest, AQueueIsResetAloneAndServesAgain) {
  auto m = Make();
  auto dev = Find(*m);
  if (Machine::IsQemu() && GetParam() == Way::kMmio) {
    GTEST_SKIP() << "QEMU's virtio-mmio offers it and has no register for it";
  }
  ASSERT_NE(dev->OfferedFeatures() & virtio::kFeatureRingReset, 0U);
  ASSERT_TRUE(dev->Start());
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
  dev->ResetQueue(0);
  EXPECT_FALSE(dev->QueueReady(0));
  EXPECT_EQ(dev->Status() & virtio::kStatusDriverOk, virtio::kStatusDriverOk);
  dev->SetUpQueue(0, 4);
  EXPECT_TRUE(dev->QueueReady(0));
  for (int i = 0; i < 6; ++i) {
    const auto used = dev->queue(0).Do(Request().Writable(8));
    ASSERT_TRUE(used) << i;
    EXPECT_EQ(used->length, 8U);
  }
}

TEST_P(RngQtest, PackedRing) {
  auto m = Make(",packed=on");
  auto dev = Find(*m);
  if ((dev->OfferedFeatures() & virtio::kFeatureRingPacked) == 0) GTEST_SKIP() << "not offered";
  ASSERT_TRUE(dev->Start());
  for (int i = 0; i < 2 * dev->queue(0).ring().size() + 3; ++i) {
    const auto used = dev->queue(0).Do(Request().Writable(8).Writable(8));
    ASSERT_TRUE(used) << i;
    ASSERT_GE(used->length, 1U);
  }
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(4).Writable(4).Indirect()));
}

TEST_P(RngQtest, RequestsComeBackInTheirOrder) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU 7.2 has no in_order=";
  auto m = Make(",in_order=on");
  auto dev = Find(*m);
  ASSERT_NE(dev->OfferedFeatures() & virtio::kFeatureInOrder, 0U);
  ASSERT_TRUE(dev->Start());
  for (uint32_t length = 1; length <= 8; ++length) dev->queue(0).Add(Request().Writable(length));
  dev->queue(0).Kick();
  for (uint32_t length = 1; length <= 8; ++length) {
    const auto used = dev->queue(0).Wait();
    ASSERT_TRUE(used) << length;
    EXPECT_EQ(used->length, length);
  }
}

// max-bytes= and period= are in the guest's time, which the test alone moves.
TEST_P(RngQtest, QuotaIsFilledUpWhenItsPeriodEnds) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  auto m = Make(",max-bytes=32,period=1000");
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  Queue& queue = dev->queue(0);
  const auto first = queue.Do(Request().Writable(64));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->length, 32U);
  queue.Add(Request().Writable(64));
  queue.Kick(true);
  EXPECT_FALSE(queue.Wait(milliseconds(20)));
  m->ClockStep(999'999'999);
  EXPECT_FALSE(queue.Wait(milliseconds(20)));
  m->ClockStep(1);
  const auto second = queue.Wait();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->length, 32U);
}

TEST_P(RngQtest, BytesAreThoseOfAFile) {
  const testing::TempDir dir;
  std::ofstream(dir.File("bytes")) << "not very random";
  auto m = Make(",rng=r0", {"-object", "rng-random,id=r0,filename=" + dir.File("bytes")});
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  const auto used = dev->queue(0).Do(Request().Writable(8));
  ASSERT_TRUE(used);
  EXPECT_EQ(used->text(), "not very");
}

// A daemon that gathers entropy: 0x02 and a count ask it for that many bytes.
TEST_P(RngQtest, BytesAreThoseOfADaemon) {
  const testing::TempDir dir;
  const std::string path = dir.File("egd");
  auto m = Make(",rng=r0", {"-chardev", "socket,id=c,path=" + path + ",server=on,wait=off",
                            "-object", "rng-egd,id=r0,chardev=c"});
  const UniqueFd daemon = ConnectTo(path);
  auto dev = Find(*m);
  ASSERT_TRUE(dev->Start());
  dev->queue(0).Add(Request().Writable(5));
  dev->queue(0).Kick();
  char asked[2];
  ASSERT_EQ(recv(daemon.get(), asked, sizeof(asked), MSG_WAITALL), 2);
  EXPECT_EQ(asked[0], 2);
  EXPECT_EQ(asked[1], 5);
  EXPECT_FALSE(dev->queue(0).Take());
  ASSERT_EQ(send(daemon.get(), "chaos", 5, 0), 5);
  const auto used = dev->queue(0).Wait();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->text(), "chaos");
}

INSTANTIATE_TEST_SUITE_P(Transports, RngQtest,
                         ::testing::Values(Way::kMmio, Way::kPci, Way::kPciIntx,
                                           Way::kPciBehindPort),
                         NameOf);

TEST(RngPciQtest, MaskedVectorPendsAndComesWhenUnmasked) {
  Machine m({"-M", "q35", "-device", "virtio-rng-pci"});
  auto dev = FindVirtio(m, virtio::kIdRng);
  auto& pci = dynamic_cast<VirtioPci&>(*dev);
  ASSERT_TRUE(dev->Start());
  pci.function().MaskVector(1, true);
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
  EXPECT_TRUE(m.WaitFor([&] { return pci.function().Pending(1); }));
  EXPECT_FALSE(dev->queue(0).TakeInterrupt());
  pci.function().MaskVector(1, false);
  EXPECT_TRUE(dev->queue(0).TakeInterrupt());
  EXPECT_FALSE(pci.function().Pending(1));
}

TEST(RngPciQtest, IntxRaisesItsPinUntilTheIsrIsRead) {
  Machine m({"-M", "q35", "-device", "virtio-rng-pci,addr=5"});
  m.InterceptIoapic();
  auto dev = FindVirtio(m, virtio::kIdRng, 0, false);
  auto& pci = dynamic_cast<VirtioPci&>(*dev);
  ASSERT_TRUE(dev->Start());
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
  const unsigned gsi = pci.function().IntxGsi();
  EXPECT_TRUE(m.WaitFor([&] { return m.Line(gsi); })) << gsi;
  EXPECT_TRUE(dev->queue(0).TakeInterrupt());
  EXPECT_FALSE(m.Line(gsi));
}

TEST(RngMmioQtest, LineIsUpUntilTheInterruptIsAcknowledged) {
  Machine m({"-M", "microvm,ioapic2=off", "-device", "virtio-rng-device"});
  m.InterceptIoapic();
  auto dev = FindVirtio(m, virtio::kIdRng);
  ASSERT_TRUE(dev->Start());
  ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
  unsigned up = 0, gsi = 0;
  EXPECT_TRUE(m.WaitFor([&] {
    up = 0;
    for (unsigned pin = 5; pin < 24; ++pin) {
      if (m.Line(pin)) ++up, gsi = pin;
    }
    return up != 0;
  }));
  EXPECT_EQ(up, 1U);
  EXPECT_TRUE(dev->queue(0).TakeInterrupt());
  EXPECT_FALSE(m.Line(gsi));
}

}  // namespace
}  // namespace davit::qtest
