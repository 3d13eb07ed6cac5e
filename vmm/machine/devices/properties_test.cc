// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Properties as factory rows read them.
#include "vmm/machine/devices/properties.h"

#include <gtest/gtest.h>

namespace davit::machine {
namespace {

control::DeviceSpec Spec() {
  return {"virtio-x-pci",
          "x0",
          "",
          {{"flag", {true}},
           {"size", {uint64_t{7}}},
           {"addr", {int64_t{-1}}},
           {"mode", {std::string("auto")}}}};
}

TEST(DeviceProperties, AreReadByTheirTypes) {
  const control::DeviceSpec spec = Spec();
  const DeviceProperties props(spec);
  EXPECT_EQ(props.driver(), "virtio-x-pci");
  EXPECT_TRUE(props.Bool("flag"));
  EXPECT_EQ(props.Uint("size"), 7U);
  EXPECT_EQ(props.Int("addr"), -1);
  EXPECT_EQ(props.Text("mode"), "auto");
}

TEST(DeviceProperties, TextThatWasNotGivenIsEmpty) {
  const control::DeviceSpec spec = Spec();
  EXPECT_FALSE(DeviceProperties(spec).Has("rng"));
  EXPECT_EQ(DeviceProperties(spec).Text("rng"), "");
}

TEST(DeviceProperties, AutoIsWhatTheCallerSays) {
  const control::DeviceSpec spec = Spec();
  EXPECT_TRUE(DeviceProperties(spec).OnOff("mode", true));
  EXPECT_FALSE(DeviceProperties(spec).OnOff("mode", false));
}

TEST(DevicePropertiesDeathTest, APropertyOfAnotherTypeIsOurMistake) {
  const control::DeviceSpec spec = Spec();
  EXPECT_DEATH(DeviceProperties(spec).Uint("flag"), "typed != nullptr");
  EXPECT_DEATH(DeviceProperties(spec).Bool("nope"), "value != nullptr");
}

}  // namespace
}  // namespace davit::machine
