// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// MemoryHotplug: the registers as the guest's ACPI code uses them, and a guest that misuses them.
#include "vmm/devices/memory_hotplug.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "vmm/bus/testing/registers.h"

namespace davit::devices {
namespace {

class MemoryHotplugTest : public testing::Test {
 protected:
  uint32_t Get(uint64_t offset, size_t size = 4) {
    return static_cast<uint32_t>(bus::testing::Load(ports_, offset, size));
  }
  void Set(uint64_t offset, uint32_t value, size_t size = 4) {
    bus::testing::Store(ports_, offset, size, value);
  }
  std::string Take() { return std::exchange(log_, {}); }

  std::string log_;
  MemoryHotplug ports_{3,
                       {.raise = [this] { log_ += "raise "; },
                        .report =
                            [this](const MemoryHotplug::Report& report) {
                              log_ += fmt::format("report {} '{}' {:x} {:x} ", report.slot,
                                                  report.id, report.source, report.status);
                            }}};
  const MemoryHotplug::Dimm dimm_{"d",
                                  0x123400000000,
                                  0x1080000000,
                                  2,
                                  [this] { log_ += "ejected "; },
                                  [this] { log_ += "refused "; }};
};

TEST_F(MemoryHotplugTest, SelectedSlotSaysWhereItsDimmIs) {
  ports_.Plug(1, dimm_, false);
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(Get(0x14), 0U);
  Set(0, 1);
  EXPECT_EQ(Get(0x00), 0U);
  EXPECT_EQ(Get(0x04), 0x1234U);
  EXPECT_EQ(Get(0x08), 0x80000000U);
  EXPECT_EQ(Get(0x0c), 0x10U);
  EXPECT_EQ(Get(0x10), 2U);
  EXPECT_EQ(Get(0x14, 1), 1U);
  EXPECT_EQ(Get(0x15, 1), 0xffU);
}

TEST_F(MemoryHotplugTest, PluggedDimmIsAnnouncedUntilTheGuestSaysThatItHasSeenIt) {
  ports_.Plug(0, dimm_, true);
  EXPECT_EQ(Take(), "raise ");
  EXPECT_EQ(Get(0x14, 1), 3U);
  Set(0x14, 2, 1);
  EXPECT_EQ(Get(0x14, 1), 1U);
}

TEST_F(MemoryHotplugTest, EjectionIsAskedForAndDoneByTheGuest) {
  ports_.Plug(2, dimm_, false);
  Set(0, 2);
  ports_.RequestEject(2);
  EXPECT_EQ(Take(), "raise ");
  EXPECT_EQ(Get(0x14, 1), 5U);
  Set(0x14, 4, 1);
  EXPECT_EQ(Get(0x14, 1), 1U);
  Set(0x14, 8, 1);
  EXPECT_EQ(Take(), "ejected ");
  EXPECT_EQ(Get(0x14, 1), 0U) << "to the guest it is gone at once";
  EXPECT_EQ(Get(0x08), 0U);
  ports_.RequestEject(2);
  EXPECT_EQ(Take(), "") << "it is on its way out already";
  Set(0x14, 8, 1);
  EXPECT_EQ(Take(), "") << "ejected once";
  EXPECT_EQ(ports_.taken(), (std::vector<bool>{false, false, true}));
  ports_.Unplug(2);
  EXPECT_EQ(ports_.taken(), (std::vector<bool>{false, false, false}));
  ports_.Plug(2, dimm_, false);
  EXPECT_EQ(Get(0x14, 1), 1U);
}

TEST_F(MemoryHotplugTest, ReportsCarryTheDeviceAndStayWhenItIsGone) {
  ports_.Plug(1, dimm_, false);
  Set(0, 1);
  Set(4, 3);
  EXPECT_EQ(Take(), "");
  Set(8, 0x80);
  EXPECT_EQ(Take(), "report 1 'd' 3 80 ");
  ports_.Unplug(1);
  const auto reports = ports_.reports();
  ASSERT_EQ(reports.size(), 3U);
  EXPECT_EQ(reports[1].id, "");
  EXPECT_EQ(reports[1].source, 3U);
  EXPECT_EQ(reports[1].status, 0x80U);
  EXPECT_EQ(reports[2].status, 0U);
}

TEST_F(MemoryHotplugTest, RefusalIsToldOnceToWhoAsked) {
  ports_.Plug(1, dimm_, false);
  Set(0, 1);
  Set(4, 3);
  Set(8, 0x82);
  EXPECT_EQ(Take(), "report 1 'd' 3 82 ") << "nobody has asked";
  ports_.RequestEject(1);
  Take();
  Set(8, 0x84);
  EXPECT_EQ(Take(), "report 1 'd' 3 84 ") << "under way";
  Set(8, 0x82);
  EXPECT_EQ(Take(), "report 1 'd' 3 82 refused ");
  Set(8, 0x82);
  EXPECT_EQ(Take(), "report 1 'd' 3 82 ");
  ports_.RequestEject(1);
  Set(0x14, 8, 1);
  Take();
  Set(8, 1);
  EXPECT_EQ(Take(), "report 1 'd' 3 1 ") << "it was ejected";
}

TEST_F(MemoryHotplugTest, SelectorBeyondTheSlotsDoesNothing) {
  for (const uint32_t selector : {3U, 256U, ~0U}) {
    Set(0, selector);
    for (uint64_t offset = 0; offset < MemoryHotplug::kPorts; offset += 4) {
      EXPECT_EQ(Get(offset), 0U) << selector << " " << offset;
      if (offset != 0) Set(offset, ~0U);
    }
  }
  EXPECT_EQ(Take(), "");
}

TEST_F(MemoryHotplugTest, EmptySlotCannotBeEjected) {
  Set(0x14, 0xff, 1);
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(Get(0x14, 1), 0U);
}

TEST_F(MemoryHotplugTest, ResetLeavesTheDimmsAndNoEvents) {
  ports_.Plug(1, dimm_, true);
  Set(0, 1);
  ports_.Reset();
  EXPECT_EQ(Get(0x14, 1), 0U) << "slot 0 is selected";
  Set(0, 1);
  EXPECT_EQ(Get(0x14, 1), 1U);
  EXPECT_EQ(Take(), "raise ");
}

TEST_F(MemoryHotplugTest, ResetEjectsWhatTheGuestWasAskedFor) {
  ports_.Plug(0, dimm_, false);
  ports_.Plug(1, dimm_, false);
  ports_.RequestEject(0);
  ports_.RequestEject(1);
  Set(0, 0);
  Set(0x14, 4, 1);  // seen
  Set(4, 3);
  Set(8, 0x84);  // under way
  Set(0, 1);
  Set(4, 3);
  Set(8, 0x81);  // in use
  Take();
  ports_.Reset();
  EXPECT_EQ(Take(), "ejected ");
  EXPECT_EQ(Get(0x14, 1), 0U);
  Set(0, 1);
  EXPECT_EQ(Get(0x14, 1), 1U) << "the guest had refused";
  ports_.Reset();
  EXPECT_EQ(Take(), "");
}

}  // namespace
}  // namespace davit::devices
