// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -smbios type=N,...: which fields a structure has and what they hold. Several of one type are
// merged, the last of a field wins.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "daemon/options/table.h"
#include "daemon/options/values.h"

namespace davit::daemon {
namespace {

using enum ParamType;

constexpr ParamSpec kBios[] = {{"type", kNumber}, {"vendor", kString},  {"version", kString},
                               {"date", kString}, {"release", kString}, {"uefi", kBoolean}};
constexpr ParamSpec kSystem[] = {
    {"type", kNumber},   {"manufacturer", kString}, {"product", kString}, {"version", kString},
    {"serial", kString}, {"uuid", kString},         {"sku", kString},     {"family", kString}};
constexpr ParamSpec kBoard[] = {
    {"type", kNumber},   {"manufacturer", kString}, {"product", kString}, {"version", kString},
    {"serial", kString}, {"asset", kString},        {"location", kString}};
constexpr ParamSpec kChassis[] = {{"type", kNumber},    {"manufacturer", kString},
                                  {"version", kString}, {"serial", kString},
                                  {"asset", kString},   {"sku", kString}};
constexpr ParamSpec kProcessor[] = {{"type", kNumber},          {"sock_pfx", kString},
                                    {"manufacturer", kString},  {"version", kString},
                                    {"serial", kString},        {"asset", kString},
                                    {"part", kString},          {"max-speed", kNumber},
                                    {"current-speed", kNumber}, {"processor-id", kNumber}};
constexpr ParamSpec kPort[] = {{"type", kNumber},
                               {"internal_reference", kString},
                               {"external_reference", kString},
                               {"connector_type", kNumber},
                               {"port_type", kNumber}};
constexpr ParamSpec kOemStrings[] = {{"type", kNumber}, {"value", kString}, {"path", kString}};
constexpr ParamSpec kMemoryDevice[] = {
    {"type", kNumber},   {"loc_pfx", kString}, {"bank", kString}, {"manufacturer", kString},
    {"serial", kString}, {"asset", kString},   {"part", kString}, {"speed", kNumber}};

struct Structure {
  uint64_t type;
  std::span<const ParamSpec> fields;
};
constexpr Structure kStructures[] = {{0, kBios},        {1, kSystem},       {2, kBoard},
                                     {3, kChassis},     {4, kProcessor},    {8, kPort},
                                     {11, kOemStrings}, {17, kMemoryDevice}};
constexpr uint64_t kPortType = 8, kOemType = 11;

// "MAJOR.MINOR", a byte each.
bool IsRelease(std::string_view text) {
  uint8_t part = 0;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, part);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return false;
  const auto minor = std::from_chars(major.ptr + 1, end, part);
  return minor.ec == std::errc() && minor.ptr == end;
}

Status CheckSpeed(const ParamList& list, const char* key, const char* what) {
  if (list.GetNumber(key).value_or(0) <= UINT16_MAX) return {};
  return Fail(fmt::format("SMBIOS {} speed is too large (> 65535)", what));
}

Status CheckValues(ParseContext& context, const ParamList& list) {
  if (list.Has("release") && !IsRelease(list.Get("release"))) return Fail("Invalid release");
  if (list.Has("uuid") && !ParseUuid(context, list.Get("uuid"))) return Fail("Invalid UUID");
  DAVIT_TRY(CheckSpeed(list, "max-speed", "CPU"));
  DAVIT_TRY(CheckSpeed(list, "current-speed", "CPU"));
  return CheckSpeed(list, "speed", "memory");
}

Status AddPort(const ParamList& list, machine::SmbiosFields& smbios) {
  machine::SmbiosFields::Port port{list.Get("internal_reference"), list.Get("external_reference"),
                                   0, 0};
  for (const auto& [key, field] :
       {std::pair("connector_type", &port.connector), {"port_type", &port.type}}) {
    const uint64_t value = list.GetNumber(key).value_or(0);
    if (value > UINT8_MAX) {
      return Fail(fmt::format("Value '{}' is out of range for parameter '{}'", value, key));
    }
    *field = static_cast<uint8_t>(value);
  }
  smbios.ports.push_back(std::move(port));
  return {};
}

Status AddOemStrings(const ParamList& list, machine::SmbiosFields& smbios) {
  for (const auto& [key, value] : list.entries()) {
    if (key == "type") continue;
    if (value.empty()) return Fail(fmt::format("{}= is empty", key));
    smbios.oem_strings.push_back({value, key == "path"});
  }
  return {};
}

}  // namespace

Status ApplySmbios(ParseContext& context, ParamList& list) {
  if (list.Has("file")) return Fail("file= is not supported, only the fields of structures");
  if (!list.Has("type")) return Fail("Must specify type= or file=");
  const Number type = ParseNumber(list.Get("type"));
  if (type.fault != NumberFault::kNone) return Fail("Parameter 'type' expects a number");
  const auto structure = std::find_if(std::begin(kStructures), std::end(kStructures),
                                      [&](const Structure& s) { return s.type == type.value; });
  if (structure == std::end(kStructures)) {
    return Fail(fmt::format("Don't know how to build fields for SMBIOS type {}", type.value));
  }
  DAVIT_TRY(CheckParams(list, {.group = "smbios", .params = structure->fields}));
  DAVIT_TRY(CheckValues(context, list));
  machine::SmbiosFields& smbios = context.options.machine.smbios;
  if (smbios.where.empty()) smbios.where = context.where;
  if (type.value == kPortType) return AddPort(list, smbios);
  if (type.value == kOemType) return AddOemStrings(list, smbios);
  auto& values = smbios.values[static_cast<unsigned>(type.value)];
  for (const auto& [key, value] : list.entries()) {
    if (const Number number = ParseNumber(value); key.ends_with("speed") || key == "processor-id") {
      values[key] = std::to_string(number.value);
    } else if (key == "uefi") {
      values[key] = ParseBool(value).value_or(false) ? "on" : "off";
    } else if (key != "type") {
      values[key] = value;
    }
  }
  return {};
}

}  // namespace davit::daemon
