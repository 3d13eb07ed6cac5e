// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Types of objects: from what each comes, and what it has.
#include "qmp/handlers/qom_types.h"

#include <gtest/gtest.h>

#include <set>

#include "qmp/handlers/testing/fake_vm_control.h"

namespace davit::qmp {
namespace {

class QomTypesTest : public testing::Test {
 protected:
  QomTypesTest() {
    vm_.machine_types = {{.name = "pc-q35-7.2", .properties = {{"acpi", "OnOffAuto"}}},
                         {.name = "none"}};
    vm_.cpu_definitions = {{.name = "host", .type_name = "host-x86_64-cpu"},
                           {.name = "max", .type_name = "max-x86_64-cpu"}};
  }
  std::set<std::string> Names(const std::string& implements, bool abstract = false) {
    std::set<std::string> names;
    for (const auto& info : QomTypes(vm_, chardevs_).List(implements, abstract)) {
      names.insert(info.name);
    }
    return names;
  }
  static std::string Text(const Result<std::vector<qapi::ObjectPropertyInfo>>& properties) {
    if (!properties) return properties.error().message;
    std::string text;
    for (const auto& property : *properties) text += property.name + ":" + property.type + " ";
    return text;
  }
  std::string Properties(const std::string& name) {
    return Text(QomTypes(vm_, chardevs_).Properties(name));
  }
  std::string DeviceProperties(const std::string& name) {
    return Text(QomTypes(vm_, chardevs_).DeviceProperties(name));
  }
  control::FakeVmControl vm_;
  control::FakeChardevs chardevs_;
};

TEST_F(QomTypesTest, EveryTypeComesFromObject) {
  const auto all = QomTypes(vm_, chardevs_).List("object", true);
  std::set<std::string> names{""};
  for (const auto& info : all) EXPECT_TRUE(names.insert(info.name).second) << info.name;
  for (const auto& info : all) {
    EXPECT_TRUE(names.contains(info.parent.value_or(""))) << info.name;
    EXPECT_EQ(info.parent.has_value(), info.name != "object") << info.name;
  }
}

TEST_F(QomTypesTest, ListsWhatComesFromAType) {
  EXPECT_EQ(Names("rng-backend"), (std::set<std::string>{"rng-builtin", "rng-egd", "rng-random"}));
  EXPECT_EQ(Names("rng-backend", true).size(), 4U);
  EXPECT_EQ(Names("machine"), (std::set<std::string>{"none-machine", "pc-q35-7.2-machine"}));
  EXPECT_EQ(Names("max-x86_64-cpu"), (std::set<std::string>{"host-x86_64-cpu", "max-x86_64-cpu"}));
  EXPECT_TRUE(Names("pci-device").contains("virtio-rng-pci-non-transitional"));
  EXPECT_FALSE(Names("pci-device").contains("virtio-pci"));
  EXPECT_TRUE(Names("user-creatable").contains("iothread"));
  EXPECT_FALSE(Names("user-creatable").contains("virtio-rng-pci"));
  EXPECT_TRUE(Names("nope").empty());
}

TEST_F(QomTypesTest, PropertiesAreThoseOfTheKindAndOfTheSchema) {
  EXPECT_EQ(Properties("container"), "type:string ");
  EXPECT_EQ(Properties("System"), "type:string realized:bool ");
  EXPECT_EQ(Properties("vmcoreinfo"),
            "type:string parent_bus:link<bus> realized:bool hotplugged:bool hotpluggable:bool ");
  EXPECT_EQ(Properties("rng-random"), "type:string opened:bool filename:string ");
  EXPECT_EQ(Properties("pc-q35-7.2-machine"), "type:string acpi:OnOffAuto ");
  EXPECT_EQ(Properties("generic-pc-machine"), "type:string ");
  EXPECT_EQ(Properties("virtio-rng"), "Class 'virtio-rng' not found");
}

TEST_F(QomTypesTest, PropertiesOfDevicesAreThoseOfTheirOption) {
  EXPECT_EQ(DeviceProperties("virtserialport"), "chardev:str name:str nr:uint32 ");
  EXPECT_EQ(DeviceProperties("virtio-mmio"), "");
  EXPECT_EQ(DeviceProperties("ICH9-LPC"),
            "acpi-pci-hotplug-with-bridge-support:bool disable_s3:uint8 disable_s4:uint8 "
            "noreboot:bool ");
  EXPECT_EQ(DeviceProperties("virtio-rng"), "Device 'virtio-rng' not found");
  for (const char* name : {"pci-device", "iothread", "container", "none-machine"}) {
    EXPECT_EQ(DeviceProperties(name), "Parameter 'typename' expects a non-abstract device type")
        << name;
  }
}

}  // namespace
}  // namespace davit::qmp
