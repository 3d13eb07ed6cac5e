// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Virtio devices driven by the probe guest's own drivers on real vCPUs, on virtio-mmio (microvm)
// and on PCI Express (q35).
#include <gtest/gtest.h>

#include <fstream>

#include "clients/lib/address.h"
#include "schema/runtime/json/json.h"
#include "tests/guest/guest_vm.h"

namespace davit::testing {
namespace {

constexpr uint64_t kMiB = 1 << 20;

struct Board {
  const char* name;
  const char* suffix;  // of the devices that go on its bus
};

class ProbeGuestDevices : public ::testing::TestWithParam<Board> {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    if (VmmIsQemu()) GTEST_SKIP() << "davit's own: QEMU's boards are booted by firmware";
  }
  // "virtio-rng" and the options -> an argument of -device.
  static std::string Device(const std::string& name, const std::string& options = "") {
    return name + GetParam().suffix + options;
  }
  static std::unique_ptr<Vm> Start(Args more) {
    VmOptions options;
    options.args = {"-machine", GetParam().name, "-nodefaults", "-display", "none"};
    options.args.insert(options.args.end(), more.begin(), more.end());
    auto vm = Vm::Start(std::move(options));
    if (!vm) {
      ADD_FAILURE() << vm.error();
      return nullptr;
    }
    if (auto ready = (*vm)->serial().WaitFor("ready, h for help", kReplyTime); !ready) {
      ADD_FAILURE() << ready.error() << (*vm)->process().Stderr();
      return nullptr;
    }
    return std::move(*vm);
  }
};

TEST_P(ProbeGuestDevices, BalloonFollowsItsTargetBothWays) {
  auto vm = Start({"-m", "256", "-device", Device("virtio-balloon", ",id=b0")});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(BalloonActual(*vm), 256 * kMiB);
  SetBalloon(*vm, 224 * kMiB);
  ASSERT_OK(vm->serial().WaitForLine("balloon: 8192 pages of 8192", kReplyTime));
  auto event = vm->qmp().WaitEvent("BALLOON_CHANGE", kReplyTime);
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["actual"], json::Value(int64_t{224 * kMiB}));
  EXPECT_EQ(BalloonActual(*vm), 224 * kMiB);
  SetBalloon(*vm, 256 * kMiB);
  ASSERT_OK(vm->serial().WaitForLine("balloon: 0 pages of 0", kReplyTime));
  EXPECT_EQ(BalloonActual(*vm), 256 * kMiB);
}

TEST_P(ProbeGuestDevices, InflatingGivesTheHostItsMemoryBack) {
  for (const char* share : {"off", "on"}) {
    auto vm =
        Start({"-m", "256", "-object",
               std::string("memory-backend-memfd,id=ram,size=256M,prealloc=on,share=") + share,
               "-machine", std::string(GetParam().name) + ",memory-backend=ram", "-device",
               Device("virtio-balloon")});
    ASSERT_NE(vm, nullptr);
    const uint64_t before = ResidentBytes(*vm);
    ASSERT_GT(before, 250 * kMiB);
    SetBalloon(*vm, 192 * kMiB);
    ASSERT_OK(vm->serial().WaitForLine("balloon: 16384 pages of 16384", kReplyTime));
    EXPECT_LT(ResidentBytes(*vm), before - 64 * kMiB * 9 / 10) << "share=" << share;
  }
}

TEST_P(ProbeGuestDevices, BalloonTargetSurvivesReset) {
  auto vm = Start({"-m", "256", "-device", Device("virtio-balloon")});
  ASSERT_NE(vm, nullptr);
  SetBalloon(*vm, 224 * kMiB);
  ASSERT_OK(vm->serial().WaitForLine("balloon: 8192 pages of 8192", kReplyTime));
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ASSERT_OK(vm->serial().WaitFor("ready, h for help", kReplyTime));
  ASSERT_OK(vm->serial().WaitForLine("balloon: 8192 pages of 8192", kReplyTime));
}

TEST_P(ProbeGuestDevices, TargetOfAPausedGuestIsReachedLater) {
  auto vm = Start({"-m", "256", "-device", Device("virtio-balloon")});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute("stop"));
  SetBalloon(*vm, 248 * kMiB);
  EXPECT_EQ(BalloonActual(*vm), 256 * kMiB);
  ASSERT_OK(vm->qmp().Execute("cont"));
  ASSERT_OK(vm->serial().WaitForLine("balloon: 2048 pages of 2048", kReplyTime));
}

TEST_P(ProbeGuestDevices, RandomNumbersArrive) {
  auto vm = Start({"-device", Device("virtio-rng")});
  ASSERT_NE(vm, nullptr);
  // Some values come twice; the guest wants half of them different.
  EXPECT_GT(std::stoi("0" + Ask(*vm, "g", "rng: 64 bytes, ")), 32);
  ASSERT_OK(vm->serial().WaitForLine("rng: ok", kReplyTime));
}

// The first and the last eight sectors, as the guest's program fills them.
TEST_P(ProbeGuestDevices, DiskKeepsWhatIsWrittenAndRefusesWhatIsBeyond) {
  constexpr uint64_t kSectors = 2048, kTested = 8;
  TempDir dir;
  std::ofstream(dir.File("disk")) << std::string(kSectors * 512, 'x');
  auto vm = Start({"-blockdev", "driver=file,node-name=disk,filename=" + dir.File("disk"),
                   "-device", Device("virtio-blk", ",drive=disk")});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->serial().Send("d"));
  ASSERT_OK(vm->serial().WaitForLine("block: disk 1 has 2048 sectors", kReplyTime));
  ASSERT_OK(vm->serial().WaitForLine("block: beyond the end 1, flush 0", kReplyTime));
  ASSERT_OK(vm->serial().WaitForLine("block: disk 1 ok", kReplyTime));

  const std::string image = ReadFile(dir.File("disk"));
  ASSERT_EQ(image.size(), kSectors * 512);
  for (uint64_t sector = 0; sector < kSectors; ++sector) {
    const bool written = sector < kTested || sector >= kSectors - kTested;
    for (uint64_t i = 0; i < 512; ++i) {
      const char expected = written ? static_cast<char>(sector * 37 + i * 11 + 5) : 'x';
      ASSERT_EQ(image[sector * 512 + i], expected) << "sector " << sector << ", byte " << i;
    }
  }
}

TEST_P(ProbeGuestDevices, ConsoleSpeaksAndSendsBackWhatItHears) {
  TempDir dir;
  auto vm = Start({"-chardev", "socket,id=c,server=on,wait=off,path=" + dir.File("c"), "-device",
                   Device("virtio-serial"), "-device", "virtconsole,chardev=c"});
  ASSERT_NE(vm, nullptr);
  auto socket = client::Connect(client::Address{true, dir.File("c"), "", ""});
  ASSERT_OK(socket);
  Console console(socket->get());
  EXPECT_EQ(Ask(*vm, "o", "console: "), "ok");
  ASSERT_OK(console.WaitForLine("probe: console", kReplyTime));
  // More than one buffer of the guest's.
  const std::string line = std::string(700, 'a') + "b";
  ASSERT_OK(console.Send(line + "\n"));
  EXPECT_EQ(console.WaitForLine("", kReplyTime), line);
}

TEST_P(ProbeGuestDevices, AgentAnswersOnItsPortAndLosesItAtAReset) {
  TempDir dir;
  auto vm = Start({"-chardev", "socket,id=c,server=on,wait=off,path=" + dir.File("c"), "-device",
                   Device("virtio-serial"), "-device",
                   "virtserialport,id=p,chardev=c,name=org.qemu.guest_agent.0"});
  ASSERT_NE(vm, nullptr);
  const auto opened = [&] {
    auto event = vm->qmp().WaitEvent("VSERPORT_CHANGE", kReplyTime);
    return event ? json::Write(json::Value(event->data)) : event.error().message;
  };
  EXPECT_EQ(opened(), R"({"open": true, "id": "p"})");
  ASSERT_OK(vm->serial().WaitFor("port: 1 is the agent's", kReplyTime));
  auto socket = client::Connect(client::Address{true, dir.File("c"), "", ""});
  ASSERT_OK(socket);
  Console agent(socket->get());
  ASSERT_OK(agent.Send("{\"execute\":\"guest-sync\",\"arguments\":{\"id\":4711}}\n"));
  EXPECT_EQ(agent.WaitForLine("", kReplyTime), R"({"return": 4711})");
  // Of a guest that stands still, lest the driver's opening is the one event of that second.
  ASSERT_TRUE(vm->qmp().Execute("stop"));
  ASSERT_TRUE(vm->qmp().Execute("system_reset"));
  EXPECT_EQ(opened(), R"({"open": false, "id": "p"})");
  ASSERT_TRUE(vm->qmp().Execute("cont"));
  ASSERT_OK(vm->serial().WaitFor("port: 1 is the agent's", kReplyTime));
  EXPECT_EQ(opened(), R"({"open": true, "id": "p"})");
  ASSERT_OK(agent.Send("{\"execute\":\"guest-ping\"}\n"));
  EXPECT_EQ(agent.WaitForLine("", kReplyTime), R"({"return": {}})");
}

INSTANTIATE_TEST_SUITE_P(Boards, ProbeGuestDevices,
                         ::testing::Values(Board{"microvm", "-device"}, Board{"q35", "-pci"}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace davit::testing
