// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Paths of objects: whole, partial, ambiguous, through links; reading and writing of what is there.
#include "vmm/machine/qom/qom_node.h"

#include <gtest/gtest.h>

namespace davit::machine {
namespace {

using control::PropertyValue;

class QomNodeTest : public testing::Test {
 protected:
  QomNodeTest() {
    QomNode& machine = root_.Add({.name = "machine", .type = "m"});
    QomNode& bus = machine.Add(BusNode("bus0", "PCIE"));
    QomNode& device = machine.At("peripheral", "container")
                          .Add(DeviceNode("dev0", "dev", {.parent_bus = "/machine/bus0"}));
    device.live = {{"level", "int"}};
    device.get = [this](std::string_view name) -> std::optional<Result<PropertyValue>> {
      if (name == "broken") return Fail("it is broken");
      if (name != "level") return std::nullopt;
      return PropertyValue{level_};
    };
    device.set = [this](std::string_view name,
                        const PropertyValue& value) -> std::optional<Status> {
      if (name != "level") return std::nullopt;
      level_ = std::get<int64_t>(value.value);
      return Status();
    };
    device.Add({.name = "twin", .type = "t"});
    bus.Add({.name = "twin", .type = "t"});
  }
  std::string TypeAt(const std::string& path) const {
    const auto object = FindObject(root_, path);
    return object ? object->type : object.error().message;
  }
  std::string Text(const std::string& path, const std::string& property) const {
    const auto value = ReadProperty(root_, path, property);
    if (!value) return value.error().message;
    if (!*value) return "none";
    const auto* text = std::get_if<std::string>(&(*value)->value);
    return text != nullptr ? *text : "not a text";
  }

  QomNode root_{.name = "", .type = "container"};
  int64_t level_ = 7;
};

TEST_F(QomNodeTest, PathsLeadThroughChildrenAndLinks) {
  EXPECT_EQ(TypeAt("/"), "container");
  EXPECT_EQ(TypeAt("/machine/peripheral/dev0"), "dev");
  EXPECT_EQ(TypeAt("//machine//peripheral/dev0/"), "dev");
  EXPECT_EQ(TypeAt("/machine/peripheral/dev0/parent_bus"), "PCIE");
  EXPECT_EQ(TypeAt("/machine/peripheral/dev0/parent_bus/twin"), "t");
  EXPECT_EQ(TypeAt("/machine/peripheral/dev0/level"),
            "Device '/machine/peripheral/dev0/level' not found");
  EXPECT_EQ(TypeAt("/peripheral"), "Device '/peripheral' not found");
}

TEST_F(QomNodeTest, TheEndOfAPathWillDoUnlessItIsAmbiguous) {
  EXPECT_EQ(TypeAt("dev0"), "dev");
  EXPECT_EQ(TypeAt("peripheral/dev0"), "dev");
  EXPECT_EQ(TypeAt("dev0/parent_bus"), "PCIE");
  EXPECT_EQ(TypeAt("twin"), "Path 'twin' is ambiguous");
  EXPECT_EQ(TypeAt("bus0/twin"), "t");
  EXPECT_EQ(TypeAt(""), "Path '' is ambiguous");
  EXPECT_EQ(TypeAt("nope"), "Device 'nope' not found");
  EXPECT_EQ(Text("twin", "type"), "Device 'twin' not found");  // as QEMU
}

TEST_F(QomNodeTest, LinksThatLeadInACircleLeadNowhere) {
  QomNode& device = root_.children.front().children.back().children.front();
  device.fixed.push_back({"self", "link<dev>", {std::string("/machine/peripheral/dev0/self")}});
  EXPECT_EQ(TypeAt("/machine/peripheral/dev0/self"),
            "Device '/machine/peripheral/dev0/self' not found");
}

TEST_F(QomNodeTest, ChildrenReadAsTheirPath) {
  EXPECT_EQ(Text("/", "machine"), "/machine");
  EXPECT_EQ(Text("peripheral", "dev0"), "/machine/peripheral/dev0");
  EXPECT_EQ(Text("dev0/parent_bus", "twin"), "/machine/bus0/twin");
  EXPECT_EQ(Text("dev0", "parent_bus"), "/machine/bus0");
  EXPECT_EQ(Text("dev0", "nope"), "none");
  EXPECT_EQ(Text("dev0", "broken"), "it is broken");
}

TEST_F(QomNodeTest, OnlyWhatIsLiveCanBeWritten) {
  ASSERT_TRUE(WriteProperty(root_, "dev0", "level", {int64_t{9}}));
  EXPECT_EQ(level_, 9);
  for (const char* name : {"type", "parent_bus", "realized", "twin"}) {
    const Status status = WriteProperty(root_, "dev0", name, {int64_t{1}});
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message, "Property 'dev." + std::string(name) + "' is not writable");
  }
  const Status nope = WriteProperty(root_, "dev0", "nope", {int64_t{1}});
  ASSERT_FALSE(nope);
  EXPECT_EQ(nope.error().message, "Property 'dev.nope' not found");
}

TEST_F(QomNodeTest, AnObjectListsWhatItHas) {
  const auto object = FindObject(root_, "dev0");
  ASSERT_TRUE(object);
  std::string all;
  for (const auto& property : object->properties) all += property.name + ":" + property.type + " ";
  EXPECT_EQ(all,
            "type:string parent_bus:link<bus> realized:bool hotplugged:bool hotpluggable:bool "
            "level:int twin:child<t> ");
}

}  // namespace
}  // namespace davit::machine
