// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What -global may say of the boards' devices.
#include "vmm/machine/globals.h"

#include <gtest/gtest.h>

#include <utility>

namespace davit::machine {
namespace {

std::string Check(std::string driver, std::string property, std::string value) {
  const Status status =
      CheckGlobal({"-global x", std::move(driver), std::move(property), std::move(value)});
  return status ? "taken" : status.error().message;
}

TEST(Globals, TheValueThatHoldsAnywayIsTaken) {
  EXPECT_EQ(Check("virtio-mmio", "force-legacy", "false"), "taken");
  EXPECT_EQ(Check("ICH9-LPC", "disable_s3", "1"), "taken");
}

TEST(Globals, LostTicksOfTheClockAreChosen) {
  MachineConfig config;
  config.globals = {{"-global x", "mc146818rtc", "lost_tick_policy", "slew"}};
  ASSERT_TRUE(ApplyGlobals(config));
  EXPECT_TRUE(config.rtc.slew);
  config.globals.push_back({"-global y", "mc146818rtc", "lost_tick_policy", "discard"});
  ASSERT_TRUE(ApplyGlobals(config));
  EXPECT_FALSE(config.rtc.slew);
  config.globals = {{"-global x", "mc146818rtc", "lost_tick_policy", "merge"}};
  EXPECT_FALSE(ApplyGlobals(config));
}

TEST(Globals, WhoServesSlotsIsChosen) {
  for (const auto& [value, acpi] : {std::pair("on", true),
                                    {"yes", true},
                                    {"true", true},
                                    {"y", true},
                                    {"off", false},
                                    {"no", false},
                                    {"n", false},
                                    {"false", false}}) {
    MachineConfig config;
    config.globals = {{"-global x", "ICH9-LPC", "acpi-pci-hotplug-with-bridge-support", value}};
    ASSERT_TRUE(ApplyGlobals(config)) << value;
    EXPECT_EQ(config.acpi_pci_hotplug, acpi) << value;
  }
}

TEST(Globals, TheStrapOfTheTcoWatchdogIsChosen) {
  EXPECT_TRUE(MachineConfig().tco_no_reboot);
  for (const auto& [value, strap] : {std::pair("off", false), {"no", false}, {"on", true}}) {
    MachineConfig config;
    config.globals = {{"-global x", "ICH9-LPC", "noreboot", value}};
    ASSERT_TRUE(ApplyGlobals(config)) << value;
    EXPECT_EQ(config.tco_no_reboot, strap) << value;
  }
}

TEST(Globals, AllElseIsRefusedByName) {
  EXPECT_EQ(Check("virtio-mmio", "force-legacy", "true"),
            "-global x: can't apply global virtio-mmio.force-legacy=true: Property "
            "'virtio-mmio.force-legacy' doesn't take value 'true'");
  EXPECT_EQ(Check("virtio-mmio", "force-legacy", ""),
            "-global x: can't apply global virtio-mmio.force-legacy=: Property "
            "'virtio-mmio.force-legacy' doesn't take value ''");
  EXPECT_EQ(Check("virtio-mmio", "foo", "1"),
            "-global x: can't apply global virtio-mmio.foo=1: Property 'virtio-mmio.foo' not "
            "found");
  EXPECT_EQ(Check("xyz", "foo", "1"), "-global x: 'xyz' is not a valid device model name");
}

}  // namespace
}  // namespace davit::machine
