// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See model_text.h. Wording of the errors: QEMU 7.2.
#include "vmm/cpu/model_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace davit::cpu {
namespace {

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (;;) {
    const size_t comma = text.find(',', start);
    parts.push_back(text.substr(start, comma - start));
    if (comma == std::string::npos) return parts;
    start = comma + 1;
  }
}

Result<bool> ParseBool(const std::string& name, const std::string& value) {
  if (value == "on" || value == "yes" || value == "true" || value == "y") return true;
  if (value == "off" || value == "no" || value == "false" || value == "n") return false;
  return Fail(fmt::format("Parameter '{}' expects 'on' or 'off'", name));
}

Result<uint32_t> ParseNumber(const std::string& name, const std::string& value) {
  char* end = nullptr;
  errno = 0;
  const unsigned long long number = std::strtoull(value.c_str(), &end, 0);
  if (errno != 0 || end == value.c_str() || *end != '\0' || value[0] == '-' ||
      number > UINT32_MAX) {
    return Fail(fmt::format("Parameter '{}' expects uint32", name));
  }
  return static_cast<uint32_t>(number);
}

struct Flag {
  const char* name;
  bool ModelText::*member;
};
constexpr Flag kFlags[] = {
    {"pmu", &ModelText::pmu},           {"migratable", &ModelText::migratable},
    {"enforce", &ModelText::enforce},   {"check", &ModelText::check},
    {"kvm", &ModelText::kvm_signature},
};
struct NumberProperty {
  const char* name;
  std::optional<uint32_t> ModelText::*member;
  uint32_t min, max;
};
constexpr NumberProperty kNumbers[] = {
    {"level", &ModelText::level, 0, UINT32_MAX}, {"xlevel", &ModelText::xlevel, 0, UINT32_MAX},
    {"family", &ModelText::family, 0, 255 + 15}, {"model", &ModelText::model, 0, 255},
    {"stepping", &ModelText::stepping, 0, 15},   {"phys-bits", &ModelText::phys_bits, 32, 52},
};

// Properties that QEMU has and that have one value here.
struct FixedProperty {
  const char* name;
  bool value;
};
constexpr FixedProperty kFixed[] = {
    {"host-phys-bits", true},   // KVM's table has the host's
    {"host-cache-info", true},  // likewise
    {"l3-cache", true},           {"hv-passthrough", false},
    {"hv-enforce-cpuid", false},  {"full-cpuid-auto-level", true},
    {"tcg-cpuid", false},         {"cpuid-0xb", true},
    {"vmware-cpuid-freq", false}, {"kvm-no-smi-migration", false},
    {"fill-mtrr-mask", true},
};

Status CheckFixed(const ModelText& out, const FixedProperty& property, bool on) {
  if (on == property.value) return {};
  return Fail(fmt::format("Property '{}.{}' cannot be '{}': not supported", out.type_name(),
                          property.name, on ? "on" : "off"));
}

// Enlightenments and tunables of QEMU that davit has nothing for.
bool KnownButUnsupported(const std::string& name) {
  static constexpr const char* kNames[] = {
      "tsc-frequency", "lbr-fmt",   "ucode-rev",  "host-phys-bits-limit", "level-func7",
      "xlevel2",       "min-level", "min-xlevel", "min-xlevel2"};
  return name.starts_with("hv-") || name.starts_with("vmx-") ||
         std::any_of(std::begin(kNames), std::end(kNames),
                     [&name](const char* known) { return name == known; });
}

Status SetNumber(ModelText& out, const NumberProperty& property, const std::string& value) {
  DAVIT_ASSIGN(const uint32_t number, ParseNumber(property.name, value));
  if (property.member == &ModelText::phys_bits && number == 0) return {};  // the default
  if (number < property.min || number > property.max) {
    return Fail(fmt::format("Property {}.{} doesn't take value {} (minimum: {}, maximum: {})",
                            out.type_name(), property.name, number, property.min, property.max));
  }
  out.*property.member = number;
  return {};
}

std::string Dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

enum class ValueType : uint8_t { kBoolean, kInteger, kString };

// nullopt: there is no such property, or none that has a value here.
std::optional<ValueType> TypeOf(const std::string& name) {
  const auto named = [&name](const auto& row) { return name == row.name; };
  if (std::any_of(std::begin(kFlags), std::end(kFlags), named) ||
      std::any_of(std::begin(kFixed), std::end(kFixed), named) || FindFeature(name)) {
    return ValueType::kBoolean;
  }
  if (std::any_of(std::begin(kNumbers), std::end(kNumbers), named)) return ValueType::kInteger;
  if (name == "vendor" || name == "model-id") return ValueType::kString;
  return std::nullopt;
}

// False: there is no such property.
Result<bool> SetProperty(ModelText& out, const std::string& given, const std::string& value) {
  const std::string name = Dashed(given);
  for (const Flag& flag : kFlags) {
    if (name != flag.name) continue;
    DAVIT_ASSIGN(out.*flag.member, ParseBool(name, value));
    return true;
  }
  for (const NumberProperty& property : kNumbers) {
    if (name != property.name) continue;
    DAVIT_TRY(SetNumber(out, property, value));
    return true;
  }
  for (const FixedProperty& property : kFixed) {
    if (name != property.name) continue;
    DAVIT_ASSIGN(const bool on, ParseBool(name, value));
    DAVIT_TRY(CheckFixed(out, property, on));
    return true;
  }
  if (KnownButUnsupported(name)) {
    return Fail(fmt::format("Property '{}.{}' is not supported", out.type_name(), name));
  }
  if (name == "vendor") {
    if (value.size() != 12) return Fail("Property '.vendor' doesn't take value '" + value + "'");
    out.vendor = value;
    return true;
  }
  if (name == "model-id") {
    out.model_id = value.substr(0, 48);
    return true;
  }
  const auto feature = FindFeature(name);
  if (!feature) return false;
  DAVIT_ASSIGN(const bool on, ParseBool(given, value));
  out.features.emplace_back(*feature, on);
  return true;
}

}  // namespace

const std::vector<ModelName>& ModelNames() {
  static const std::vector<ModelName> kNames = {
      {"host", "processor with all supported host features"},
      {"max", "Enables all features supported by the accelerator in the current host"},
  };
  return kNames;
}

Result<ModelText> ModelNamed(const std::string& name) {
  const auto& names = ModelNames();
  if (std::none_of(names.begin(), names.end(),
                   [&](const ModelName& known) { return name == known.name; })) {
    return Fail(fmt::format("CPU model '{}' not found", name));
  }
  ModelText out;
  out.name = name;
  out.pmu = name == "host";
  return out;
}

Status SetTyped(ModelText& out, const std::string& name,
                const std::variant<bool, uint64_t, std::string>& value) {
  static constexpr const char* kTypes[] = {"boolean", "integer", "string"};
  std::string text;
  if (const bool* on = std::get_if<bool>(&value)) text = *on ? "on" : "off";
  if (const uint64_t* number = std::get_if<uint64_t>(&value)) text = std::to_string(*number);
  if (const std::string* string = std::get_if<std::string>(&value)) text = *string;
  const std::optional<ValueType> type = TypeOf(Dashed(name));
  if (type && static_cast<size_t>(*type) != value.index()) {
    return Fail(fmt::format("Invalid parameter type for '{}', expected: {}", name,
                            kTypes[static_cast<size_t>(*type)]));
  }
  DAVIT_ASSIGN(const bool known, SetProperty(out, name, text));
  if (!known) return Fail(fmt::format("Property '{}.{}' not found", out.type_name(), name));
  return {};
}

std::vector<std::pair<std::string, bool>> Switches(const ModelText& text) {
  std::vector<std::pair<std::string, bool>> switches;
  for (const Flag& flag : kFlags) switches.emplace_back(flag.name, text.*flag.member);
  for (const FixedProperty& fixed : kFixed) switches.emplace_back(fixed.name, fixed.value);
  return switches;
}

Result<ModelText> ParseModelText(const std::string& text) {
  const std::vector<std::string> parts = Split(text);
  auto model = ModelNamed(parts[0]);
  if (!model) return Fail(fmt::format("unable to find CPU model '{}'", parts[0]));
  ModelText out = *std::move(model);
  std::vector<std::pair<FeatureBit, bool>> plus_minus;
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.empty()) continue;
    if (part[0] == '+' || part[0] == '-') {
      const auto feature = FindFeature(part.substr(1));
      if (!feature) {
        return Fail(fmt::format("Property '{}.{}' not found", out.type_name(), part.substr(1)));
      }
      plus_minus.emplace_back(*feature, part[0] == '+');
      continue;
    }
    const size_t equals = part.find('=');
    const std::string name = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "on" : part.substr(equals + 1);
    auto known = SetProperty(out, name, value);
    const std::string prefix =
        fmt::format("can't apply global {}.{}={}: ", out.type_name(), name, value);
    if (!known) return Fail(prefix + known.error().message);
    if (!*known) {
      return Fail(fmt::format("{}Property '{}.{}' not found", prefix, out.type_name(), name));
    }
  }
  // QEMU applies + first and then -.
  std::stable_sort(plus_minus.begin(), plus_minus.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  out.features.insert(out.features.end(), plus_minus.begin(), plus_minus.end());
  return out;
}

std::string TypeNameOf(const std::string& text) {
  return text.substr(0, text.find(',')) + "-x86_64-cpu";
}

Status CheckModelText(const std::string& text) {
  auto parsed = ParseModelText(text);
  if (!parsed) return Fail(parsed.error());
  return {};
}

}  // namespace davit::cpu
