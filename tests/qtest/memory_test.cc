// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory devices of the q35 as its guest finds them: DIMMs in the registers of ACPI memory
// hot-plug, and their memory, to accesses and to devices. Runs on QEMU, too.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace davit::qtest
