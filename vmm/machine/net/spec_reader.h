// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The members of a control::NetdevSpec by name. The schema has typed them: one that is there has
// the type that is asked for. Immutable view; the spec outlives it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/control/net_control.h"

namespace davit::machine {

class NetdevSpecReader {
 public:
  explicit NetdevSpecReader(const control::NetdevSpec& spec) : spec_(spec) {}

  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  std::optional<std::string> Text(std::string_view name) const { return Get<std::string>(name); }
  std::optional<bool> Bool(std::string_view name) const { return Get<bool>(name); }
  std::optional<uint64_t> Uint(std::string_view name) const { return Get<uint64_t>(name); }
  std::vector<std::string> List(std::string_view name) const;

 private:
  const control::PropertyValue* Find(std::string_view name) const;
  template <typename T>
  std::optional<T> Get(std::string_view name) const {
    const control::PropertyValue* const value = Find(name);
    const T* const typed = value != nullptr ? std::get_if<T>(&value->value) : nullptr;
    return typed != nullptr ? std::optional<T>(*typed) : std::nullopt;
  }

  const control::NetdevSpec& spec_;
};

}  // namespace davit::machine
