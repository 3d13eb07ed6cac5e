// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -device and -global.
#include <gtest/gtest.h>

#include "daemon/options/test_support.h"

namespace davit::daemon {
namespace {

const control::PropertyValue* Find(const control::DeviceSpec& spec, std::string_view name) {
  for (const auto& [key, value] : spec.properties) {
    if (key == name) return &value;
  }
  return nullptr;
}

uint64_t Period(const Options& options, size_t device) {
  return std::get<uint64_t>(Find(options.machine.devices.at(device).spec, "period")->value);
}

TEST(DeviceOption, KeepsTheOrderInBothForms) {
  const Options options = Parse({"-device", "virtio-rng-pci,id=a", "-device",
                                 R"({"driver":"virtio-rng-pci","id":"b","addr":"3.1"})", "-device",
                                 "virtio-rng,bus=pcie.0"})
                              .value();
  const auto& devices = options.machine.devices;
  ASSERT_EQ(devices.size(), 3U);
  EXPECT_EQ(devices[0].spec.id, "a");
  EXPECT_EQ(devices[0].where, "-device virtio-rng-pci,id=a");
  EXPECT_EQ(devices[1].spec.id, "b");
  EXPECT_EQ(std::get<int64_t>(Find(devices[1].spec, "addr")->value), 25);
  EXPECT_EQ(devices[2].spec.driver, "virtio-rng-pci");
  EXPECT_EQ(devices[2].spec.bus, "pcie.0");
}

TEST(DeviceOption, HelpNamesItsDevice) {
  EXPECT_EQ(Parse({"-device", "help"})->show, Show::kDevices);
  const Options options = Parse({"-device", "virtio-rng-pci,help"}).value();
  EXPECT_EQ(options.show, Show::kDeviceProperties);
  EXPECT_EQ(options.show_option, "virtio-rng-pci");
}

TEST(GlobalOption, CountsForAllDevicesOfTheDriver) {
  const Options options =
      Parse({"-device", "virtio-rng-pci", "-global", "virtio-rng-pci.period=7", "-device",
             "virtio-rng-pci,period=8", "-device", "virtio-rng-device", "-global",
             "driver=virtio-rng-device,property=period,value=9"})
          .value();
  EXPECT_EQ(Period(options, 0), 7U);
  EXPECT_EQ(Period(options, 1), 8U);
  EXPECT_EQ(Period(options, 2), 9U);
  EXPECT_TRUE(options.machine.globals.empty());
}

TEST(GlobalOption, OfTheBoardIsTheMachinesBusiness) {
  const Options options = Parse({"-global", "ICH9-LPC.disable_s3=1"}).value();
  ASSERT_EQ(options.machine.globals.size(), 1U);
  EXPECT_EQ(options.machine.globals[0].driver, "ICH9-LPC");
  EXPECT_EQ(options.machine.globals[0].property, "disable_s3");
  EXPECT_EQ(options.machine.globals[0].value, "1");
  EXPECT_EQ(options.machine.globals[0].where, "-global ICH9-LPC.disable_s3=1");
}

struct Case {
  std::vector<const char*> words;
  const char* error;
};

TEST(DeviceOption, ErrorsAreThoseOfQemu) {
  const Case cases[] = {
      {{"-device", "xyz"}, "-device xyz: 'xyz' is not a valid device model name"},
      {{"-device", "xyz,help"}, "-device xyz,help: Device 'xyz' not found"},
      {{"-device", "id=a"}, "-device id=a: Parameter 'driver' is missing"},
      {{"-device", ""}, "-device : Parameter 'driver' is missing"},
      {{"-device", R"({"driver":"xyz"})"},
       R"(-device {"driver":"xyz"}: 'xyz' is not a valid device model name)"},
      {{"-device", "virtio-rng-pci,foo=1"},
       "-device virtio-rng-pci,foo=1: Property 'virtio-rng-pci.foo' not found"},
      {{"-device", "virtio-rng-pci,id=a", "-device", "virtio-rng-pci,id=a"},
       "-device virtio-rng-pci,id=a: Duplicate ID 'a' for device"},
      {{"-global", "xyz"}, "-global xyz: Invalid parameter 'xyz'"},
      {{"-global", "=1"}, "-global =1: Invalid parameter ''"},
      {{"-global", "driver=a,property=b"},
       "-global driver=a,property=b: options 'driver', 'property', and 'value' are required"},
      {{"-global", "virtio-rng-pci.foo=1", "-device", "virtio-rng-pci"},
       "-device virtio-rng-pci: can't apply global virtio-rng-pci.foo=1: Property "
       "'virtio-rng-pci.foo' not found"},
  };
  for (const Case& test : cases) EXPECT_EQ(ErrorOf(test.words), test.error);
}

}  // namespace
}  // namespace davit::daemon
