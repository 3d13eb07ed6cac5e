// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See object_types.h.
#include "daemon/options/object_types.h"

#include <algorithm>

namespace davit::daemon {
namespace {

using enum PropertyKind;

constexpr std::string_view kPolicies[] = {"default", "preferred", "bind", "interleave"};

constexpr ObjectProperty kRam[] = {
    {"size", kSize, true, {}, "bytes"},
    {"share", kBool, false, {}, "map it shared"},
    {"merge", kBool, false, {}, "let the kernel merge equal pages"},
    {"dump", kBool, false, {}, "part of core dumps"},
    {"prealloc", kBool, false, {}, "touch every page at the start"},
    {"prealloc-threads", kUint, false, {}, "threads that do it"},
    {"reserve", kBool, false, {}, "reserve swap space"},
    {"host-nodes", kNodes, false, {}, "NUMA nodes of the host"},
    {"policy", kEnum, false, kPolicies, "NUMA policy"},
};
constexpr ObjectProperty kMemfd[] = {
    {"size", kSize, true, {}, "bytes"},
    {"share", kBool, false, {}, "map it shared"},
    {"merge", kBool, false, {}, "let the kernel merge equal pages"},
    {"dump", kBool, false, {}, "part of core dumps"},
    {"prealloc", kBool, false, {}, "touch every page at the start"},
    {"prealloc-threads", kUint, false, {}, "threads that do it"},
    {"reserve", kBool, false, {}, "reserve swap space"},
    {"host-nodes", kNodes, false, {}, "NUMA nodes of the host"},
    {"policy", kEnum, false, kPolicies, "NUMA policy"},
    {"hugetlb", kBool, false, {}, "use huge pages"},
    {"hugetlbsize", kSize, false, {}, "size of a huge page"},
    {"seal", kBool, false, {}, "seal the size"},
};
constexpr ObjectProperty kFile[] = {
    {"mem-path", kString, true, {}, "file, directory of a hugetlbfs, or device"},
    {"size", kSize, true, {}, "bytes"},
    {"offset", kSize, false, {}, "first byte of the file to map"},
    {"share", kBool, false, {}, "map it shared"},
    {"merge", kBool, false, {}, "let the kernel merge equal pages"},
    {"dump", kBool, false, {}, "part of core dumps"},
    {"prealloc", kBool, false, {}, "touch every page at the start"},
    {"prealloc-threads", kUint, false, {}, "threads that do it"},
    {"reserve", kBool, false, {}, "reserve swap space"},
    {"host-nodes", kNodes, false, {}, "NUMA nodes of the host"},
    {"policy", kEnum, false, kPolicies, "NUMA policy"},
    {"align", kSize, false, {}, "alignment of the mapping"},
    {"discard-data", kBool, false, {}, "the content may be lost at exit"},
    {"pmem", kBool, false, {}, "the file is persistent memory"},
    {"readonly", kBool, false, {}, "open the file read-only"},
};
constexpr ObjectProperty kIoThread[] = {
    {"poll-max-ns", kInt, false, {}, "longest busy wait"},
    {"poll-grow", kInt, false, {}, "growth of the busy wait"},
    {"poll-shrink", kInt, false, {}, "shrinking of the busy wait"},
    {"aio-max-batch", kInt, false, {}, "requests in a batch"},
};

constexpr ObjectType kTypes[] = {
    {"iothread", kIoThread},
    {"memory-backend-file", kFile},
    {"memory-backend-memfd", kMemfd},
    {"memory-backend-ram", kRam},
};

}  // namespace

std::span<const ObjectType> ObjectTypes() { return kTypes; }

const ObjectType* FindObjectType(std::string_view name) {
  const auto it = std::find_if(std::begin(kTypes), std::end(kTypes),
                               [&](const ObjectType& type) { return type.name == name; });
  return it == std::end(kTypes) ? nullptr : &*it;
}

const ObjectProperty* FindProperty(const ObjectType& type, std::string_view name) {
  const auto it =
      std::find_if(type.properties.begin(), type.properties.end(),
                   [&](const ObjectProperty& property) { return property.name == name; });
  return it == type.properties.end() ? nullptr : &*it;
}

}  // namespace davit::daemon
