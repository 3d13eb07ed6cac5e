// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Properties from text and from JSON; the words are those that QEMU 7.2 was seen to use.
#include "schema/runtime/device_type.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "schema/runtime/json/json.h"

namespace davit::qapi {
namespace {

constexpr std::array<std::string_view, 3> kValues = {"auto", "on", "off"};

DeviceProperty Of(PropertyKind kind) {
  DeviceProperty property{"p", kind, "t", "", std::nullopt, "dev", {}};
  if (kind == PropertyKind::kEnum) property.values = kValues;
  return property;
}

std::string Text(PropertyKind kind, std::string_view text) {
  const Result<json::Value> value = ParseProperty(Of(kind), text);
  return value ? json::Write(*value) : value.error().message;
}

std::string Json(PropertyKind kind, std::string_view text) {
  const Result<json::Value> value = CheckProperty(Of(kind), json::Parse(text).value());
  return value ? json::Write(*value) : value.error().message;
}

using enum PropertyKind;

TEST(PropertyText, BooleansAreWords) {
  EXPECT_EQ(Text(kBool, "on"), "true");
  EXPECT_EQ(Text(kBool, "no"), "false");
  EXPECT_EQ(Text(kBool, "maybe"), "Parameter 'p' expects 'on' or 'off'");
  EXPECT_EQ(Text(kBool, ""), "Parameter 'p' expects 'on' or 'off'");
}

TEST(PropertyText, IntegersAreThoseOfC) {
  EXPECT_EQ(Text(kUint64, "0x10"), "16");
  EXPECT_EQ(Text(kUint64, "010"), "8");
  EXPECT_EQ(Text(kUint64, "+5"), "5");
  EXPECT_EQ(Text(kUint64, "-1"), "18446744073709551615");
  for (const char* text : {"", "x", "1k", "1.5", "99999999999999999999", "1 "}) {
    EXPECT_EQ(Text(kUint64, text), "Parameter 'p' expects integer") << text;
  }
}

TEST(PropertyText, NarrowIntegersNameTheirType) {
  EXPECT_EQ(Text(kUint32, "4294967295"), "4294967295");
  EXPECT_EQ(Text(kUint32, "4294967296"), "Parameter 'p' expects uint32_t");
  EXPECT_EQ(Text(kUint32, "-1"), "Parameter 'p' expects uint32_t");
  EXPECT_EQ(Text(kUint16, "65536"), "Parameter 'p' expects uint16_t");
  EXPECT_EQ(Text(kUint8, "256"), "Parameter 'p' expects uint8_t");
  EXPECT_EQ(Text(kInt32, "-5"), "-5");
  EXPECT_EQ(Text(kInt32, "-2147483649"), "Parameter 'p' expects int32_t");
  EXPECT_EQ(Text(kInt32, "x"), "Parameter 'p' expects integer");
}

TEST(PropertyText, SizesHaveSuffixes) {
  EXPECT_EQ(Text(kSize, "1.5k"), "1536");
  for (const char* text : {"x", "-1", "99999999999999999999", ""}) {
    EXPECT_EQ(Text(kSize, text), "Parameter 'p' expects size") << text;
  }
}

TEST(PropertyText, EnumerationsAreHeldToTheirValues) {
  EXPECT_EQ(Text(kEnum, "auto"), "\"auto\"");
  EXPECT_EQ(Text(kEnum, "maybe"), "Parameter 'p' does not accept value 'maybe'");
}

TEST(PropertyText, PciAddressesAreHexadecimal) {
  EXPECT_EQ(Text(kPciAddress, "06.0"), "48");
  EXPECT_EQ(Text(kPciAddress, "1f.7"), "255");
  EXPECT_EQ(Text(kPciAddress, "0x1.0x1"), "9");
  EXPECT_EQ(Text(kPciAddress, "10"), "128");
  for (const std::string text :
       {"20", "1.8", "1.9", "zz", "-1", "1.", ".1", "", "1.0.0", "1x", "ffffffffffffffffff"}) {
    EXPECT_EQ(Text(kPciAddress, text), "Property 'dev.p' doesn't take value '" + text + "'");
  }
}

TEST(PropertyText, MacAddressesHaveSixBytes) {
  EXPECT_EQ(Text(kMac, "52:54:00:AB:34:56"), "\"52:54:00:ab:34:56\"");
  EXPECT_EQ(Text(kMac, "52-54-00-12-34-56"), "\"52:54:00:12:34:56\"");
  for (const std::string text : {"x", "52:54:00:12:34", "525400123456", "52:54:00:12:34:56:78",
                                 "zz:54:00:12:34:56", "1:2:3:4:5:6", "52:54:00:12:34:5 "}) {
    EXPECT_EQ(Text(kMac, text), "Property 'dev.p' doesn't take value '" + text + "'");
  }
}

TEST(PropertyJson, IsHeldToTheType) {
  EXPECT_EQ(Json(kBool, "true"), "true");
  EXPECT_EQ(Json(kBool, "\"on\""), "Invalid parameter type for 'p', expected: boolean");
  EXPECT_EQ(Json(kBool, "1"), "Invalid parameter type for 'p', expected: boolean");
  EXPECT_EQ(Json(kUint32, "7"), "7");
  for (const char* text : {"\"7\"", "null", "[1]", "{}", "1.5"}) {
    EXPECT_EQ(Json(kUint32, text), "Parameter 'p' expects uint64") << text;
    EXPECT_EQ(Json(kSize, text), "Parameter 'p' expects uint64") << text;
  }
  EXPECT_EQ(Json(kUint32, "-1"), "Parameter 'p' expects uint32_t");
  EXPECT_EQ(Json(kUint64, "18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(Json(kInt32, "\"x\""), "Invalid parameter type for 'p', expected: integer");
  EXPECT_EQ(Json(kInt32, "1.5"), "Invalid parameter type for 'p', expected: integer");
  EXPECT_EQ(Json(kEnum, "true"), "Invalid parameter type for 'p', expected: string");
  EXPECT_EQ(Json(kEnum, "\"x\""), "Parameter 'p' does not accept value 'x'");
  EXPECT_EQ(Json(kLink, "5"), "Invalid parameter type for 'p', expected: string");
  EXPECT_EQ(Json(kMac, "5"), "Invalid parameter type for 'p', expected: string");
}

TEST(PropertyJson, PciAddressIsTextOrNumber) {
  EXPECT_EQ(Json(kPciAddress, "\"1.1\""), "9");
  EXPECT_EQ(Json(kPciAddress, "9"), "9");
  EXPECT_EQ(Json(kPciAddress, "-1"), "-1");
  EXPECT_EQ(Json(kPciAddress, "256"), "Parameter 'p' expects a value between -1 and 255");
  EXPECT_EQ(Json(kPciAddress, "true"), "Invalid parameter type for 'p', expected int or str");
  EXPECT_EQ(Json(kPciAddress, "null"), "Invalid parameter type for 'p', expected int or str");
}

TEST(PropertyDefault, IsOfTheType) {
  DeviceProperty property = Of(kPciAddress);
  property.initial = "-1";
  EXPECT_EQ(DefaultOf(property), json::Value(int64_t{-1}));
  property = Of(kBool);
  EXPECT_EQ(DefaultOf(property), std::nullopt);
  property.initial = "on";
  EXPECT_EQ(DefaultOf(property), json::Value(true));
}

TEST(DeviceTypes, AreFoundByNameAndAlias) {
  const DeviceType types[] = {{"a-pci", "a", "PCI", "misc", "", {}},
                              {"b", "", "ISA", "misc", "", {}}};
  EXPECT_EQ(FindDeviceType(types, "a-pci"), &types[0]);
  EXPECT_EQ(FindDeviceType(types, "a"), &types[0]);
  EXPECT_EQ(FindDeviceType(types, "b"), &types[1]);
  EXPECT_EQ(FindDeviceType(types, "c"), nullptr);
  EXPECT_EQ(FindDeviceType(types, ""), nullptr);
}

}  // namespace
}  // namespace davit::qapi
