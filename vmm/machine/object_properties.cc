// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See object_properties.h.
#include "vmm/machine/object_properties.h"

#include <fmt/format.h>

#include <climits>
#include <functional>
#include <optional>
#include <string_view>

namespace davit::machine {
namespace {

using control::ObjectSpec;
using control::PropertyValue;
using memory::RamBlockOptions;
using Kind = RamBlockOptions::Kind;

tl::unexpected<Error> WrongType(const std::string& name, const char* expected) {
  return Fail(fmt::format("Invalid parameter type for '{}', expected: {}", name, expected));
}

tl::unexpected<Error> WrongValue(const ObjectSpec& spec, const std::string& name, uint64_t value) {
  return Fail(
      fmt::format("property '{}' of {} doesn't take value '{}'", name, spec.qom_type, value));
}

Result<bool> AsBool(const std::string& name, const PropertyValue& value) {
  if (const bool* flag = std::get_if<bool>(&value.value)) return *flag;
  return WrongType(name, "boolean");
}

Result<uint64_t> AsNumber(const std::string& name, const PropertyValue& value) {
  if (const uint64_t* number = std::get_if<uint64_t>(&value.value)) return *number;
  const int64_t* number = std::get_if<int64_t>(&value.value);
  if (number != nullptr && *number >= 0) return static_cast<uint64_t>(*number);
  return WrongType(name, "integer");
}

Result<int64_t> AsSigned(const std::string& name, const PropertyValue& value) {
  if (const int64_t* number = std::get_if<int64_t>(&value.value)) return *number;
  const uint64_t* number = std::get_if<uint64_t>(&value.value);
  if (number != nullptr && *number <= INT64_MAX) return static_cast<int64_t>(*number);
  return WrongType(name, "integer");
}

Result<std::string> AsString(const std::string& name, const PropertyValue& value) {
  if (const std::string* text = std::get_if<std::string>(&value.value)) return *text;
  return WrongType(name, "string");
}

Result<std::vector<uint16_t>> AsNodes(const std::string& name, const PropertyValue& value) {
  const auto* list = std::get_if<control::PropertyList>(&value.value);
  if (list == nullptr) return WrongType(name, "array");
  std::vector<uint16_t> nodes;
  for (const PropertyValue& item : *list) {
    DAVIT_ASSIGN(const uint64_t node, AsNumber(name, item));
    if (node > UINT16_MAX) return Fail(fmt::format("Invalid host-nodes value: {}", node));
    nodes.push_back(static_cast<uint16_t>(node));
  }
  return nodes;
}

Result<memory::NumaPolicy> AsPolicy(const std::string& name, const PropertyValue& value) {
  DAVIT_ASSIGN(const std::string text, AsString(name, value));
  for (const auto policy : {memory::NumaPolicy::kDefault, memory::NumaPolicy::kPreferred,
                            memory::NumaPolicy::kBind, memory::NumaPolicy::kInterleave}) {
    if (text == PolicyName(policy)) return policy;
  }
  return Fail(fmt::format("Parameter 'policy' does not accept value '{}'", text));
}

constexpr unsigned Bit(Kind kind) { return 1U << static_cast<unsigned>(kind); }
constexpr unsigned kAll = Bit(Kind::kAnonymous) | Bit(Kind::kMemfd) | Bit(Kind::kFile);

struct BoolProperty {
  std::string_view name;
  bool RamBlockOptions::*member;
  unsigned kinds;
};
constexpr BoolProperty kBools[] = {
    {"share", &RamBlockOptions::share, kAll},
    {"prealloc", &RamBlockOptions::prealloc, kAll},
    {"merge", &RamBlockOptions::merge, kAll},
    {"dump", &RamBlockOptions::dump, kAll},
    {"reserve", &RamBlockOptions::reserve, kAll},
    {"hugetlb", &RamBlockOptions::hugetlb, Bit(Kind::kMemfd)},
    {"seal", &RamBlockOptions::seal, Bit(Kind::kMemfd)},
    {"readonly", &RamBlockOptions::readonly, Bit(Kind::kFile)},
    {"discard-data", &RamBlockOptions::discard_data, Bit(Kind::kFile)},
};
struct SizeProperty {
  std::string_view name;
  uint64_t RamBlockOptions::*member;
  unsigned kinds;
};
constexpr SizeProperty kSizes[] = {
    {"size", &RamBlockOptions::size, kAll},
    {"hugetlbsize", &RamBlockOptions::hugetlbsize, Bit(Kind::kMemfd)},
    {"offset", &RamBlockOptions::offset, Bit(Kind::kFile)},
    {"align", &RamBlockOptions::align, Bit(Kind::kFile)},
};

// Those that are not of a table. False: there is no such property.
Result<bool> SetOther(RamBlockOptions& out, const ObjectSpec& spec, const std::string& name,
                      const PropertyValue& value) {
  if (name == "prealloc-threads") {
    DAVIT_ASSIGN(const uint64_t threads, AsNumber(name, value));
    if (threads == 0 || threads > UINT32_MAX) return WrongValue(spec, name, threads);
    out.prealloc_threads = static_cast<uint32_t>(threads);
    return true;
  }
  if (name == "policy") {
    DAVIT_ASSIGN(out.policy, AsPolicy(name, value));
    return true;
  }
  if (name == "host-nodes") {
    DAVIT_ASSIGN(out.host_nodes, AsNodes(name, value));
    return true;
  }
  if (out.kind == Kind::kFile && name == "mem-path") {
    DAVIT_ASSIGN(out.path, AsString(name, value));
    return true;
  }
  if (out.kind == Kind::kFile && name == "pmem") {
    DAVIT_ASSIGN(const bool pmem, AsBool(name, value));
    if (pmem) return Fail("property 'pmem' of memory-backend-file is not supported");
    return true;
  }
  if (name == "prealloc-context") {
    // Empty: none. Whether it names an object that will do, only the tree of objects knows.
    DAVIT_TRY(AsString(name, value));
    return true;
  }
  if (name == "x-use-canonical-path-for-ramblock-id") {
    DAVIT_ASSIGN(const bool canonical, AsBool(name, value));
    if (canonical) {
      return Fail(fmt::format("property '{}' of {} is not supported", name, spec.qom_type));
    }
    return true;
  }
  return false;
}

Result<bool> SetProperty(RamBlockOptions& out, const ObjectSpec& spec, const std::string& name,
                         const PropertyValue& value) {
  for (const BoolProperty& property : kBools) {
    if (name != property.name || (property.kinds & Bit(out.kind)) == 0) continue;
    DAVIT_ASSIGN(out.*property.member, AsBool(name, value));
    return true;
  }
  for (const SizeProperty& property : kSizes) {
    if (name != property.name || (property.kinds & Bit(out.kind)) == 0) continue;
    DAVIT_ASSIGN(out.*property.member, AsNumber(name, value));
    const bool zero_ok = name != "size" && name != "hugetlbsize";
    if (out.*property.member == 0 && !zero_ok) return WrongValue(spec, name, 0);
    return true;
  }
  return SetOther(out, spec, name, value);
}

}  // namespace

const char* PolicyName(memory::NumaPolicy policy) {
  static constexpr const char* kNames[] = {"default", "preferred", "bind", "interleave"};
  return kNames[static_cast<unsigned>(policy)];
}

Result<RamBlockOptions> ParseMemoryBackend(const ObjectSpec& spec, const RamBlockOptions& base) {
  RamBlockOptions out = base;
  out.id = spec.id;
  if (spec.qom_type == "memory-backend-memfd") {
    out.kind = Kind::kMemfd;
    out.share = true;
  } else if (spec.qom_type == "memory-backend-file") {
    out.kind = Kind::kFile;
  } else if (spec.qom_type != "memory-backend-ram") {
    return Fail(fmt::format("Parameter 'qom-type' does not accept value '{}'", spec.qom_type));
  }
  for (const auto& [name, value] : spec.properties) {
    DAVIT_ASSIGN(const bool known, SetProperty(out, spec, name, value));
    if (!known) return Fail(fmt::format("Parameter '{}' is unexpected", name));
  }
  if (out.size == 0) return Fail("Parameter 'size' is missing");
  if (out.kind == Kind::kFile && out.path.empty()) return Fail("Parameter 'mem-path' is missing");
  return out;
}

namespace {

// No device hands work to a pool of threads: any upper bound holds, a lower one does not.
Status CheckThreadPool(const ObjectSpec& spec, int64_t min, int64_t max) {
  if (min > max || max < 1 || max > INT_MAX) {
    return Fail("bad thread-pool-min/thread-pool-max values");
  }
  if (min == 0) return {};
  return Fail(
      fmt::format("property 'thread-pool-min' of {} doesn't take value '{}': it has no pool",
                  spec.qom_type, min));
}

}  // namespace

Result<RngOptions> ParseRng(const ObjectSpec& spec) {
  RngOptions options;
  for (const auto& [name, value] : spec.properties) {
    if (name == "opened") {
      return Fail(fmt::format("Property '{}.opened' is not writable", spec.qom_type));
    }
    if (name == "filename" && spec.qom_type == "rng-random") {
      DAVIT_ASSIGN(options.filename, AsString(name, value));
    } else if (name == "chardev" && spec.qom_type == "rng-egd") {
      DAVIT_ASSIGN(options.chardev, AsString(name, value));
    } else {
      return Fail(fmt::format("Parameter '{}' is unexpected", name));
    }
  }
  return options;
}

namespace {

struct IoThreadProperty {
  std::string_view name;
  int64_t control::IoThreadInfo::*member;
};
constexpr IoThreadProperty kIoThread[] = {
    {"poll-max-ns", &control::IoThreadInfo::poll_max_ns},
    {"poll-grow", &control::IoThreadInfo::poll_grow},
    {"poll-shrink", &control::IoThreadInfo::poll_shrink},
    {"aio-max-batch", &control::IoThreadInfo::aio_max_batch},
};
constexpr std::string_view kPoolMin = "thread-pool-min";
constexpr std::string_view kPoolMax = "thread-pool-max";
constexpr int64_t kDefaultPoolMax = 64;

Result<int64_t> AsCount(const std::string& name, const PropertyValue& value) {
  DAVIT_ASSIGN(const int64_t count, AsSigned(name, value));
  if (count >= 0) return count;
  return Fail(fmt::format("{} value must be in range [0, {}]", name, INT64_MAX));
}

}  // namespace

Result<control::IoThreadInfo> ParseIoThread(const ObjectSpec& spec) {
  control::IoThreadInfo info;
  info.id = spec.id;
  int64_t pool_min = 0;
  int64_t pool_max = kDefaultPoolMax;
  for (const auto& [name, value] : spec.properties) {
    int64_t* target = name == kPoolMin ? &pool_min : name == kPoolMax ? &pool_max : nullptr;
    for (const IoThreadProperty& property : kIoThread) {
      if (name == property.name) target = &(info.*property.member);
    }
    if (target == nullptr) return Fail(fmt::format("Parameter '{}' is unexpected", name));
    DAVIT_ASSIGN(*target, AsCount(name, value));
  }
  DAVIT_TRY(CheckThreadPool(spec, pool_min, pool_max));
  return info;
}

// --- values --------------------------------------------------------------------------------

std::optional<PropertyValue> ReadMemoryBackend(const RamBlockOptions& options,
                                               std::string_view name) {
  for (const BoolProperty& property : kBools) {
    if (name != property.name || (property.kinds & Bit(options.kind)) == 0) continue;
    return PropertyValue{options.*property.member};
  }
  for (const SizeProperty& property : kSizes) {
    if (name != property.name || (property.kinds & Bit(options.kind)) == 0) continue;
    return PropertyValue{options.*property.member};
  }
  if (name == "prealloc-threads") return PropertyValue{uint64_t{options.prealloc_threads}};
  if (name == "policy") return PropertyValue{std::string(PolicyName(options.policy))};
  if (name == "host-nodes") {
    control::PropertyList nodes(options.host_nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) nodes[i].value = uint64_t{options.host_nodes[i]};
    return PropertyValue{std::move(nodes)};
  }
  if (name == "mem-path" && options.kind == Kind::kFile) return PropertyValue{options.path};
  // Those that have one value alone here.
  if (name == "pmem" && options.kind == Kind::kFile) return PropertyValue{false};
  if (name == "prealloc-context") return PropertyValue{std::string()};
  if (name == "x-use-canonical-path-for-ramblock-id") return PropertyValue{false};
  return std::nullopt;
}

std::optional<PropertyValue> ReadIoThread(const ObjectSpec& spec, const control::IoThreadInfo& info,
                                          std::string_view name) {
  for (const IoThreadProperty& property : kIoThread) {
    if (name == property.name) return PropertyValue{info.*property.member};
  }
  if (name != kPoolMin && name != kPoolMax) return std::nullopt;
  for (const auto& [given, value] : spec.properties) {
    if (given == name) return value;
  }
  return PropertyValue{name == kPoolMin ? int64_t{0} : kDefaultPoolMax};
}

std::optional<Status> WriteIoThread(control::IoThreadInfo& info, std::string_view name,
                                    const PropertyValue& value) {
  for (const IoThreadProperty& property : kIoThread) {
    if (name != property.name) continue;
    const auto count = AsCount(std::string(name), value);
    if (!count) return Fail(count.error());
    info.*property.member = *count;
    return Status();
  }
  if (name != kPoolMin && name != kPoolMax) return std::nullopt;
  return Fail(fmt::format("Property 'iothread.{}' is not writable", name));
}

std::optional<PropertyValue> ReadRng(std::string_view type, const RngOptions& options,
                                     std::string_view name) {
  if (name == "opened") return PropertyValue{true};
  if (name == "filename" && type == "rng-random") return PropertyValue{options.filename};
  if (name == "chardev" && type == "rng-egd") return PropertyValue{options.chardev};
  return std::nullopt;
}

}  // namespace davit::machine
