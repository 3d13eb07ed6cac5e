// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices from texts and JSON by the schema's table. Messages were recorded from QEMU 7.2.
#include "qmp/handlers/device_spec.h"

#include <gtest/gtest.h>

#include <set>

#include "schema/qapi/devices.h"
#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

using control::DeviceSpec;
using control::PropertyValue;

const PropertyValue* Find(const DeviceSpec& spec, std::string_view name) {
  for (const auto& [key, value] : spec.properties) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string ErrorOf(const DeviceTexts& texts) {
  const Result<DeviceSpec> spec = DeviceSpecFromTexts(texts, {});
  return spec ? "accepted" : spec.error().message;
}

std::string ErrorOfJson(std::string_view text) {
  const json::Value value = json::Parse(text).value();
  const Result<DeviceSpec> spec = DeviceSpecFromJson(*value.AsObject(), {});
  return spec ? "accepted" : spec.error().message;
}

TEST(DeviceSpec, FillsInDefaultsByType) {
  const DeviceSpec spec = DeviceSpecFromTexts({{"driver", "virtio-rng-pci"}}, {}).value();
  EXPECT_EQ(spec.driver, "virtio-rng-pci");
  EXPECT_EQ(spec.id, "");
  EXPECT_EQ(spec.bus, "");
  EXPECT_EQ(std::get<uint64_t>(Find(spec, "period")->value), 65536U);
  EXPECT_EQ(std::get<int64_t>(Find(spec, "addr")->value), -1);
  EXPECT_EQ(std::get<bool>(Find(spec, "packed")->value), false);
  EXPECT_EQ(std::get<std::string>(Find(spec, "disable-legacy")->value), "auto");
  EXPECT_EQ(Find(spec, "rng"), nullptr);
}

TEST(DeviceSpec, AliasBecomesTheDriver) {
  EXPECT_EQ(DeviceSpecFromTexts({{"driver", "virtio-rng"}}, {})->driver, "virtio-rng-pci");
}

TEST(DeviceSpec, LastPropertyCountsButFirstId) {
  const DeviceSpec spec = DeviceSpecFromTexts({{"driver", "virtio-balloon-pci"},
                                               {"driver", "virtio-rng-pci"},
                                               {"period", "1"},
                                               {"bus", "a"},
                                               {"bus", "b"},
                                               {"id", "a"},
                                               {"period", "2"},
                                               {"id", "b"},
                                               {"rng", "r"}},
                                              {})
                              .value();
  EXPECT_EQ(spec.driver, "virtio-rng-pci");
  EXPECT_EQ(spec.id, "a");
  EXPECT_EQ(spec.bus, "b");
  EXPECT_EQ(std::get<uint64_t>(Find(spec, "period")->value), 2U);
  EXPECT_EQ(std::get<std::string>(Find(spec, "rng")->value), "r");
}

TEST(DeviceSpec, GlobalsComeBeforeTheDevicesOwn) {
  const DeviceGlobal globals[] = {{"virtio-rng-pci", "period", "5"},
                                  {"virtio-rng-device", "period", "6"},
                                  {"virtio-rng-pci", "max-bytes", "9"}};
  const DeviceSpec spec =
      DeviceSpecFromTexts({{"driver", "virtio-rng-pci"}, {"max-bytes", "10"}}, globals).value();
  EXPECT_EQ(std::get<uint64_t>(Find(spec, "period")->value), 5U);
  EXPECT_EQ(std::get<uint64_t>(Find(spec, "max-bytes")->value), 10U);
}

TEST(DeviceSpec, TextErrors) {
  const std::pair<const char*, const char*> kDriver = {"driver", "virtio-rng-pci"};
  const auto error = [&](const char* key, const char* value) {
    return ErrorOf({kDriver, {key, value}});
  };
  EXPECT_EQ(ErrorOf({}), "Parameter 'driver' is missing");
  EXPECT_EQ(ErrorOf({{"driver", "x"}}), "'x' is not a valid device model name");
  EXPECT_EQ(error("foo", "1"), "Property 'virtio-rng-pci.foo' not found");
  EXPECT_EQ(error("period.a", "1"), "Property 'virtio-rng-pci.period.a' not found");
  EXPECT_EQ(error("max-bytes", "x"), "Parameter 'max-bytes' expects integer");
  EXPECT_EQ(error("vectors", "-1"), "Parameter 'vectors' expects uint32_t");
  EXPECT_EQ(error("addr", "40"), "Property 'virtio-rng-pci.addr' doesn't take value '40'");
  EXPECT_EQ(error("disable-legacy", "maybe"),
            "Parameter 'disable-legacy' does not accept value 'maybe'");
  EXPECT_EQ(error("packed", ""), "Parameter 'packed' expects 'on' or 'off'");
  EXPECT_EQ(error("bus", ""), "Bus '' not found");
  for (const char* id : {"1a", "", "a b"}) {
    EXPECT_EQ(error("id", id),
              "Parameter 'id' expects an identifier\n"
              "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
}

TEST(DeviceSpec, JsonErrors) {
  const auto error = [](const std::string& member) {
    return ErrorOfJson("{\"driver\":\"virtio-rng-pci\"," + member + "}");
  };
  EXPECT_EQ(ErrorOfJson("{}"), "Parameter 'driver' is missing");
  EXPECT_EQ(ErrorOfJson("{\"driver\":5}"), "Parameter 'driver' is missing");
  EXPECT_EQ(ErrorOfJson("{\"driver\":\"x\"}"), "'x' is not a valid device model name");
  EXPECT_EQ(error("\"foo\":1"), "Property 'virtio-rng-pci.foo' not found");
  EXPECT_EQ(error("\"packed\":1"), "Invalid parameter type for 'packed', expected: boolean");
  EXPECT_EQ(error("\"max-bytes\":\"10\""), "Parameter 'max-bytes' expects uint64");
  EXPECT_EQ(error("\"vectors\":4294967296"), "Parameter 'vectors' expects uint32_t");
  EXPECT_EQ(error("\"rng\":5"), "Invalid parameter type for 'rng', expected: string");
  // QEMU takes these two as if they were not there.
  EXPECT_EQ(error("\"id\":1"), "Invalid parameter type for 'id', expected: string");
  EXPECT_EQ(error("\"bus\":1"), "Invalid parameter type for 'bus', expected: string");
}

TEST(DeviceSpec, AWrongGlobalNamesItself) {
  const DeviceGlobal globals[] = {{"virtio-rng-pci", "packed", "maybe"}};
  const Result<DeviceSpec> spec = DeviceSpecFromTexts({{"driver", "virtio-rng-pci"}}, globals);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().message,
            "can't apply global virtio-rng-pci.packed=maybe: Parameter 'packed' expects 'on' or "
            "'off'");
}

TEST(DevicesText, ListsEachDriverOnceInItsCategory) {
  const std::string text = DevicesText();
  EXPECT_NE(text.find("Misc devices:\n"), std::string::npos);
  EXPECT_NE(text.find("name \"virtio-rng-pci\", bus PCI, alias \"virtio-rng\"\n"),
            std::string::npos);
  for (const qapi::DeviceType& type : qapi::DeviceTypes()) {
    const std::string name = "name \"" + std::string(type.name) + "\"";
    const size_t at = text.find(name);
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_EQ(text.find(name, at + 1), std::string::npos) << name;
  }
}

TEST(DevicePropertiesText, HasTypesTextsAndDefaults) {
  const std::string text = DevicePropertiesText("virtio-rng").value();
  EXPECT_TRUE(text.starts_with("virtio-rng-pci options:\n  addr=<int32>           - ")) << text;
  EXPECT_NE(text.find("  disable-legacy=<OnOffAuto> - "), std::string::npos);
  EXPECT_NE(text.find(" (default: \"auto\")\n"), std::string::npos);
  EXPECT_NE(text.find("  rng=<link<rng-backend>> - "), std::string::npos);
  EXPECT_NE(text.find("  packed=<bool>          - whether packed rings are offered (default: "
                      "false)\n"),
            std::string::npos)
      << text;
}

TEST(DevicePropertiesText, UnknownDevice) {
  EXPECT_EQ(DevicePropertiesText("xyz").error().message, "Device 'xyz' not found");
}

TEST(DeviceTypes, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (const qapi::DeviceType& type : qapi::DeviceTypes()) {
    EXPECT_TRUE(names.insert(type.name).second) << type.name;
    if (type.alias.empty()) continue;
    EXPECT_TRUE(names.insert(type.alias).second) << type.alias;
  }
}

}  // namespace
}  // namespace davit::qmp
