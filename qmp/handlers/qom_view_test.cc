// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// An object's own properties joined with those that the schema gives its type.
#include "qmp/handlers/qom_view.h"

#include <gtest/gtest.h>

#include "qmp/handlers/testing/fake_vm_control.h"
#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

class QomViewTest : public testing::Test {
 protected:
  std::string Get(const std::string& property) {
    const auto value = GetProperty(vm_, "dev0", property);
    return value ? json::Write(*value) : value.error().message;
  }
  std::string Set(const std::string& property, const json::Value& value) {
    const Status status = SetProperty(vm_, "dev0", property, value);
    return status ? "" : status.error().message;
  }
  std::string SetText(const std::string& property, const std::string& text) {
    const Status status = SetPropertyText(vm_, "dev0", property, text);
    return status ? "" : status.error().message;
  }
  // "type:string ..."
  std::string List() {
    const auto properties = ListObject(vm_, "dev0");
    if (!properties) return properties.error().message;
    std::string all;
    for (const auto& property : *properties) all += property.name + ":" + property.type + " ";
    return all;
  }
  control::FakeVmControl vm_;
};

TEST_F(QomViewTest, ListsWhatTheObjectHasThenWhatItsTypeHas) {
  vm_.qom_type = "virtconsole";
  vm_.properties = {{"level", {int64_t{1}}}};
  EXPECT_EQ(List(), "type:string level:int chardev:str name:str nr:uint32 ");
  vm_.qom_type = "rng-random";
  EXPECT_EQ(List(), "type:string level:int opened:bool filename:string ");
  vm_.qom_type = "container";
  EXPECT_EQ(List(), "type:string level:int ");
}

TEST_F(QomViewTest, APropertyThatIsOfBothIsListedOnce) {
  vm_.qom_type = "virtconsole";
  vm_.properties = {{"nr", {int64_t{1}}}};
  EXPECT_EQ(List(), "type:string nr:int chardev:str name:str ");
}

TEST_F(QomViewTest, ATextThatWasNotGivenIsEmptyAndALinkIsAPath) {
  vm_.qom_type = "virtio-rng-pci";
  EXPECT_EQ(Get("rng"), R"("")");
  vm_.unlisted = {{"rng", {std::string("r0")}}, {"period", {uint64_t{5}}}};
  EXPECT_EQ(Get("rng"), R"("/objects/r0")");
  EXPECT_EQ(Get("period"), "5");
  EXPECT_EQ(Get("nope"), "Property 'virtio-rng-pci.nope' not found");
}

TEST_F(QomViewTest, AnIndexThatWasNotGivenIsANumber) {
  for (const char* type : {"virtio-blk-pci", "virtio-blk-device", "scsi-hd", "scsi-cd"}) {
    vm_.qom_type = type;
    EXPECT_EQ(Get("bootindex"), "-1") << type;
  }
  vm_.unlisted = {{"bootindex", {int64_t{3}}}};
  EXPECT_EQ(Get("bootindex"), "3");
}

TEST_F(QomViewTest, AValueThatNoListHasIsNoProperty) {
  vm_.unlisted = {{"hidden", {int64_t{1}}}};
  EXPECT_EQ(Get("hidden"), "Property 'fake.hidden' not found");
}

TEST_F(QomViewTest, WhatDeviceHasSetStays) {
  vm_.qom_type = "virtio-rng-pci";
  EXPECT_EQ(Set("addr", 8),
            "Attempt to set property 'addr' on device 'dev0' (type 'virtio-rng-pci') after it was "
            "realized");
  EXPECT_EQ(Set("period", 8),
            "Attempt to set property 'period' on anonymous device (type 'virtio-rng-device') "
            "after it was realized");
  EXPECT_EQ(SetText("period", "x"), Set("period", 8));
  EXPECT_TRUE(vm_.calls.empty());
}

TEST_F(QomViewTest, TextsAreReadByTheType) {
  vm_.properties = {{"level", {int64_t{1}}}};
  EXPECT_EQ(SetText("level", "-7"), "");
  EXPECT_EQ(std::get<int64_t>(vm_.properties["level"].value), -7);
  EXPECT_EQ(SetText("level", "x"), "Parameter 'level' expects int64");
  EXPECT_EQ(SetText("nope", "x"), "Property 'fake.nope' not found");
  vm_.qom_type = "memory-backend-ram";
  EXPECT_EQ(SetText("share", "maybe"), "Parameter 'share' expects 'on' or 'off'");
  EXPECT_EQ(SetText("share", "on"), "");
  EXPECT_TRUE(std::get<bool>(vm_.properties["share"].value));
  const Status status = SetPropertyText(vm_, "other", "x", "y");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "Device 'other' not found");
}

}  // namespace
}  // namespace davit::qmp
