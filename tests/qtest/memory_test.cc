// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory devices of the q35 as its guest finds them: DIMMs in the registers of ACPI memory
// hot-plug, at the start and as they come and go, and their memory, to accesses and to devices.
// Runs on QEMU, too.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "schema/runtime/json/json.h"
#include "tests/support/virtio/machine.h"
#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

constexpr uint16_t kPorts = 0xa00;
constexpr uint16_t kSelector = kPorts, kBaseLow = kPorts, kBaseHigh = kPorts + 4,
                   kSizeLow = kPorts + 8, kSizeHigh = kPorts + 12, kFlags = kPorts + 0x14,
                   kOstSource = kPorts + 4, kOstStatus = kPorts + 8;
constexpr uint64_t kWindow = uint64_t{4} << 30;
constexpr uint64_t kMib = 1 << 20;

struct Slot {
  uint64_t base = 0, size = 0;
  uint32_t flags = 0;
  friend bool operator==(const Slot&, const Slot&) = default;
};

Slot ReadSlot(Machine& m, uint32_t slot) {
  m.Out(kSelector, 4, slot);
  return {uint64_t{m.In(kBaseHigh, 4)} << 32 | m.In(kBaseLow, 4),
          uint64_t{m.In(kSizeHigh, 4)} << 32 | m.In(kSizeLow, 4), m.InB(kFlags)};
}

TEST(MemoryQtest, DimmsOfTheStartAreInTheirSlots) {
  Machine m({"-M", "q35", "-m", "256M,slots=3,maxmem=2G", "-object",
             "memory-backend-ram,id=m0,size=256M", "-device", "pc-dimm,memdev=m0", "-object",
             "memory-backend-ram,id=m1,size=64M", "-device",
             "pc-dimm,memdev=m1,slot=2,addr=0x140000000"});
  EXPECT_EQ(ReadSlot(m, 0), (Slot{kWindow, 256 * kMib, 1}));
  EXPECT_EQ(ReadSlot(m, 1), Slot());
  EXPECT_EQ(ReadSlot(m, 2), (Slot{0x140000000, 64 * kMib, 1}));
  EXPECT_EQ(ReadSlot(m, 3), Slot());
  m.Write(kWindow + 256 * kMib - 8, 8, 0x1122334455667788);
  m.Write(0x140000000, 8, 7);
  EXPECT_EQ(m.Read(kWindow + 256 * kMib - 8, 8), 0x1122334455667788U);
  EXPECT_EQ(m.Read(0x140000000, 8), 7U);
}

TEST(MemoryQtest, ReportsOfTheGuestAreToldAndKept) {
  Machine m({"-M", "q35", "-m", "256M,slots=2,maxmem=2G", "-object",
             "memory-backend-ram,id=m0,size=256M", "-device", "pc-dimm,memdev=m0,id=d0,slot=1"});
  m.Out(kSelector, 4, 1);
  m.Out(kOstSource, 4, 3);
  m.Out(kOstStatus, 4, 0x84);
  const auto event = m.qmp().WaitEvent("ACPI_DEVICE_OST");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(json::Write(event->data["info"]),
            R"({"device": "d0", "source": 3, "status": 132, "slot": "1", "slot-type": "DIMM"})");
  EXPECT_EQ(json::Write((*m.Qmp("query-acpi-ospm-status").AsArray())[1]),
            R"({"device": "d0", "source": 3, "status": 132, "slot": "1", "slot-type": "DIMM"})");
}

TEST(MemoryQtest, WithoutSlotsThereAreNoRegisters) {
  Machine m({"-M", "q35", "-m", "256M,maxmem=2G"});
  EXPECT_EQ(m.In(kPorts, 4), 0xffffffffU);
  EXPECT_EQ(m.InB(kFlags), 0xff);
}

TEST(MemoryQtest, DevicesReachADimm) {
  Machine m({"-M", "q35", "-m", "256M,slots=1,maxmem=2G", "-object",
             "memory-backend-ram,id=m0,size=64M", "-device", "pc-dimm,memdev=m0", "-device",
             "virtio-rng-pci"});
  auto rng = FindVirtio(m, virtio::kIdRng);
  ASSERT_TRUE(rng->Start());
  const auto used = rng->queue(0).Do(Request().At(kWindow + 64 * kMib - 32, 32, true));
  ASSERT_TRUE(used);
  EXPECT_EQ(used->length, 32U);
  EXPECT_NE(m.ReadBytes(kWindow + 64 * kMib - 32, 32), std::vector<uint8_t>(32));
}

// --- at run time ---------------------------------------------------------------------------------

class MemoryHotPlugQtest : public ::testing::Test {
 protected:
  MemoryHotPlugQtest()
      : m_({"-M", "q35", "-m", "256M,slots=2,maxmem=2G", "-device", "virtio-rng-pci", "-device",
            "virtio-balloon-pci"}),
        rng_(FindVirtio(m_, virtio::kIdRng)) {
    EXPECT_TRUE(rng_->Start());
    // The PM block at 0x600.
    for (const auto& [offset, value] : {std::pair(0x40U, 0x601U), {0x44U, 0x80U}}) {
      m_.Out(0xcf8, 4, 0x8000f800 | offset);
      m_.Out(0xcfc, 4, value);
    }
  }
  // Of the VMM's process: address space, and open files.
  uint64_t MappedMib() {
    std::ifstream statm(Proc() + "statm");
    uint64_t pages = 0;
    statm >> pages;
    return pages * 4096 / kMib;
  }
  size_t Files() {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(Proc() + "fd"),
                                             std::filesystem::directory_iterator()));
  }
  std::string Proc() { return "/proc/" + std::to_string(m_.process().pid()) + "/"; }

  void Plug(const std::string& id, int64_t mib) {
    m_.Qmp("object-add", {{"qom-type", "memory-backend-memfd"},
                          {"id", "mem-" + id},
                          {"size", mib * static_cast<int64_t>(kMib)}});
    m_.Qmp("device_add", {{"driver", "pc-dimm"}, {"id", id}, {"memdev", "mem-" + id}});
  }
  void AskBack(const std::string& id) { m_.Qmp("device_del", {{"id", id}}); }
  // As the guest's ACPI code does it.
  void Eject(uint32_t slot) {
    m_.Out(kSelector, 4, slot);
    m_.OutB(kFlags, 4);
    m_.OutB(kFlags, 8);
  }
  void ExpectDeleted(const std::string& id) {
    const auto event = m_.qmp().WaitEvent("DEVICE_DELETED");
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(event->data["device"], json::Value(id));
    EXPECT_EQ(event->data["path"], json::Value("/machine/peripheral/" + id));
  }
  // Whether the guest was told to look, since the last call.
  bool TakeGpe() {
    constexpr uint16_t kGpeStatus = 0x620;
    constexpr uint8_t kMemory = 8;
    const bool set = (m_.InB(kGpeStatus) & kMemory) != 0;
    m_.OutB(kGpeStatus, kMemory);
    return set;
  }

  Machine m_;
  std::unique_ptr<Virtio> rng_;
};

TEST_F(MemoryHotPlugQtest, ARunningDeviceReachesWhatComesAndNotWhatWent) {
  Plug("d0", 64);
  EXPECT_TRUE(TakeGpe());
  EXPECT_EQ(ReadSlot(m_, 0), (Slot{kWindow, 64 * kMib, 3}));
  m_.OutB(kFlags, 2);
  EXPECT_EQ(ReadSlot(m_, 0).flags, 1U);
  auto used = rng_->queue(0).Do(Request().At(kWindow, 32, true));
  ASSERT_TRUE(used);
  EXPECT_EQ(used->length, 32U);
  EXPECT_NE(m_.ReadBytes(kWindow, 32), std::vector<uint8_t>(32));

  AskBack("d0");
  EXPECT_TRUE(TakeGpe());
  EXPECT_EQ(ReadSlot(m_, 0).flags, 5U);
  Eject(0);
  ExpectDeleted("d0");
  EXPECT_EQ(ReadSlot(m_, 0), Slot());
  EXPECT_EQ(json::Write(m_.Qmp("query-memory-devices")), "[]");
  m_.Qmp("object-del", {{"id", "mem-d0"}});
  if (Machine::IsQemu()) return;  // its device writes to where nothing is
  rng_->queue(0).Add(Request().At(kWindow, 32, true));
  rng_->queue(0).Kick();
  EXPECT_TRUE(m_.WaitFor([&] { return rng_->NeedsReset(); }));
}

TEST_F(MemoryHotPlugQtest, TheBalloonCountsAndTakesPluggedPages) {
  auto balloon = FindVirtio(m_, virtio::kIdBalloon);
  ASSERT_TRUE(balloon->Start());
  const auto actual = [this] { return m_.Qmp("query-balloon")["actual"]; };
  EXPECT_EQ(actual(), json::Value(static_cast<int64_t>(256 * kMib)));
  Plug("d0", 64);
  EXPECT_EQ(actual(), json::Value(static_cast<int64_t>(320 * kMib)));
  m_.Fill(kWindow, 8192, 0xa5);
  const uint32_t page = kWindow >> 12;
  ASSERT_TRUE(balloon->queue(0).Do(Request().Struct(page)));
  EXPECT_EQ(m_.Read(kWindow, 8), 0U);
  EXPECT_EQ(m_.Read(kWindow + 4096, 8), 0xa5a5a5a5a5a5a5a5U);
  m_.Qmp("balloon", {{"value", static_cast<int64_t>(256 * kMib)}});
  EXPECT_EQ(balloon->Config<uint32_t>(0), 64 * kMib / 4096);
}

TEST_F(MemoryHotPlugQtest, NothingIsLeftOfWhatCameAndWent) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU lets memory go later, on a thread of its own";
  const uint64_t mapped = MappedMib();
  const size_t files = Files();
  for (int cycle = 0; cycle < 20; ++cycle) {
    Plug("a", 64);
    Plug("b", 128);
    EXPECT_EQ(ReadSlot(m_, 0).base, kWindow);
    EXPECT_EQ(ReadSlot(m_, 1), (Slot{kWindow + 64 * kMib, 128 * kMib, 3}));
    EXPECT_EQ(m_.Qmp("query-memory-size-summary")["plugged-memory"],
              json::Value(static_cast<int64_t>(192 * kMib)));
    for (const uint32_t slot : {1U, 0U}) {
      const std::string id = slot == 0 ? "a" : "b";
      AskBack(id);
      Eject(slot);
      ExpectDeleted(id);
      m_.Qmp("object-del", {{"id", "mem-" + id}});
    }
  }
  EXPECT_EQ(json::Write(m_.Qmp("query-memory-devices")), "[]");
  EXPECT_EQ(Files(), files);
  // 3840 MiB have come and gone; a heap may have grown beside.
  EXPECT_LT(MappedMib(), mapped + 1024);
}

TEST_F(MemoryHotPlugQtest, AGuestThatKeepsItSaysSoAndMayBeAskedAgain) {
  Plug("d0", 64);
  const auto answer = [this](uint32_t status) {
    m_.Out(kSelector, 4, 0);
    m_.Out(kOstSource, 4, 3);
    m_.Out(kOstStatus, 4, status);
    return m_.qmp().WaitEvent("ACPI_DEVICE_OST").has_value();
  };
  AskBack("d0");
  ASSERT_TRUE(answer(0x84));  // under way
  ASSERT_TRUE(answer(0x82));  // busy
  if (!Machine::IsQemu()) {
    const auto event = m_.qmp().WaitEvent("DEVICE_UNPLUG_GUEST_ERROR");
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(json::Write(event->data), R"({"device": "d0", "path": "/machine/peripheral/d0"})");
  }
  EXPECT_EQ(ReadSlot(m_, 0).base, kWindow);
  EXPECT_NE(json::Write(m_.Qmp("query-memory-devices")), "[]");
  AskBack("d0");
  Eject(0);
  ExpectDeleted("d0");
}

TEST_F(MemoryHotPlugQtest, AGuestThatDoesNotAnswerLosesItAtTheReset) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU keeps the DIMM";
  Plug("d0", 64);
  Plug("d1", 64);
  AskBack("d0");
  AskBack("d1");
  m_.Out(kSelector, 4, 1);
  m_.Out(kOstSource, 4, 3);
  m_.Out(kOstStatus, 4, 0x81);  // in use
  m_.Qmp("system_reset");
  ExpectDeleted("d0");
  EXPECT_EQ(ReadSlot(m_, 0), Slot());
  EXPECT_EQ(ReadSlot(m_, 1), (Slot{kWindow + 64 * kMib, 64 * kMib, 1}));
}

}  // namespace
}  // namespace davit::qtest
