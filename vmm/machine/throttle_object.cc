// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See throttle_object.h.
#include "vmm/machine/throttle_object.h"

#include <fmt/format.h>

#include <string>

namespace davit::machine {
namespace {

using backend::ThrottleConfig;
using backend::ThrottleLimit;
using control::PropertyValue;

constexpr std::string_view kLimits = "limits";
constexpr std::string_view kSize = "iops-size";

struct Kind {
  std::string_view name;
  ThrottleLimit ThrottleConfig::*limit;
};
// In the order of QAPI, which decides on the order of members that are read.
constexpr Kind kKinds[] = {
    {"iops-total", &ThrottleConfig::iops},       {"iops-read", &ThrottleConfig::iops_read},
    {"iops-write", &ThrottleConfig::iops_write}, {"bps-total", &ThrottleConfig::bps},
    {"bps-read", &ThrottleConfig::bps_read},     {"bps-write", &ThrottleConfig::bps_write},
};
struct Part {
  std::string_view suffix;
  uint64_t ThrottleLimit::*member;
};
constexpr std::string_view kLength = "-max-length";
constexpr Part kParts[] = {{"", &ThrottleLimit::average},
                           {"-max", &ThrottleLimit::max},
                           {kLength, &ThrottleLimit::length}};

// "iops-total-max" and the like; null: there is none of this name.
uint64_t* Find(ThrottleConfig& config, std::string_view name) {
  if (name == kSize) return &config.iops_size;
  for (const Kind& kind : kKinds) {
    if (!name.starts_with(kind.name)) continue;
    for (const Part& part : kParts) {
      if (name.substr(kind.name.size()) == part.suffix) return &(config.*kind.limit.*part.member);
    }
  }
  return nullptr;
}

Result<int64_t> AsInteger(std::string_view name, const PropertyValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value.value)) return *number;
  const auto* number = std::get_if<uint64_t>(&value.value);
  if (number != nullptr && *number <= INT64_MAX) return static_cast<int64_t>(*number);
  return Fail(fmt::format("Invalid parameter type for '{}', expected: integer", name));
}

// The members that are given. Negative numbers become large ones, which the check refuses.
Status TakeLimits(ThrottleConfig& config, const PropertyValue& value) {
  const auto* members = std::get_if<control::PropertyMap>(&value.value);
  if (members == nullptr) return Fail("Invalid parameter type for 'limits', expected: object");
  for (const control::PropertyMember& member : *members) {
    uint64_t* const limit = Find(config, member.name);
    if (limit == nullptr) {
      return Fail(fmt::format("Parameter 'limits.{}' is unexpected", member.name));
    }
    DAVIT_ASSIGN(const int64_t number, AsInteger("limits." + member.name, member.value));
    if (member.name.ends_with(kLength) && (number < 0 || number > UINT32_MAX)) {
      return Fail(fmt::format("{} value must be in the range [0, {}]", member.name, UINT32_MAX));
    }
    *limit = static_cast<uint64_t>(number);
  }
  return {};
}

Status TakeOne(ThrottleConfig& config, const std::string& name, const PropertyValue& value) {
  uint64_t* const limit = Find(config, std::string_view(name).substr(2));
  if (limit == nullptr) return Fail(fmt::format("Parameter '{}' is unexpected", name));
  DAVIT_ASSIGN(const int64_t number, AsInteger(name, value));
  if (number < 0) return Fail("Property values cannot be negative");
  if (name.ends_with(kLength) && number > UINT32_MAX) {
    // As QEMU spells it.
    return Fail(fmt::format("{} value must be in therange [0, {}]", name, UINT32_MAX));
  }
  *limit = static_cast<uint64_t>(number);
  return {};
}

}  // namespace

Result<ThrottleConfig> ParseThrottleGroup(const control::ObjectSpec& spec) {
  ThrottleConfig config;
  for (const auto& [name, value] : spec.properties) {
    if (name != kLimits) DAVIT_TRY(TakeOne(config, name, value));
  }
  // Last, so that they win.
  for (const auto& [name, value] : spec.properties) {
    if (name == kLimits) DAVIT_TRY(TakeLimits(config, value));
  }
  return config;
}

std::optional<PropertyValue> ReadThrottleGroup(const ThrottleConfig& config,
                                               std::string_view name) {
  ThrottleConfig copy = config;
  if (name != kLimits) {
    const uint64_t* const limit = name.starts_with("x-") ? Find(copy, name.substr(2)) : nullptr;
    if (limit == nullptr) return std::nullopt;
    return PropertyValue{static_cast<int64_t>(*limit)};
  }
  control::PropertyMap map;
  const auto add = [&](const std::string& member) {
    map.push_back({member, PropertyValue{static_cast<int64_t>(*Find(copy, member))}});
  };
  for (const Kind& kind : kKinds) {
    for (const Part& part : kParts) add(std::string(kind.name) + std::string(part.suffix));
  }
  add(std::string(kSize));
  return PropertyValue{std::move(map)};
}

std::optional<Status> WriteThrottleGroup(ThrottleConfig& config, std::string_view name,
                                         const PropertyValue& value) {
  if (!ReadThrottleGroup(config, name)) return std::nullopt;
  if (name != kLimits) return Fail("Property cannot be set after initialization");
  return TakeLimits(config, value);
}

}  // namespace davit::machine
