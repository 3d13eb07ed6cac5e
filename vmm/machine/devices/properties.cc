// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See properties.h.
#include "vmm/machine/devices/properties.h"

#include "vmm/base/check.h"

namespace davit::machine {

const control::PropertyValue* DeviceProperties::Find(std::string_view name) const {
  for (const auto& [key, value] : spec_.properties) {
    if (key == name) return &value;
  }
  return nullptr;
}

template <typename T>
const T& DeviceProperties::Get(std::string_view name) const {
  const control::PropertyValue* value = Find(name);
  DAVIT_CHECK(value != nullptr);
  const T* typed = std::get_if<T>(&value->value);
  DAVIT_CHECK(typed != nullptr);
  return *typed;
}

bool DeviceProperties::Bool(std::string_view name) const { return Get<bool>(name); }
uint64_t DeviceProperties::Uint(std::string_view name) const { return Get<uint64_t>(name); }
int64_t DeviceProperties::Int(std::string_view name) const { return Get<int64_t>(name); }

std::string DeviceProperties::Text(std::string_view name) const {
  return Has(name) ? Get<std::string>(name) : std::string();
}

bool DeviceProperties::OnOff(std::string_view name, bool automatic) const {
  const std::string& text = Get<std::string>(name);
  return text == "auto" ? automatic : text == "on";
}

}  // namespace davit::machine
