// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See spec_reader.h.
#include "vmm/machine/net/spec_reader.h"

#include <algorithm>

namespace davit::machine {

const control::PropertyValue* NetdevSpecReader::Find(std::string_view name) const {
  const auto it = std::find_if(spec_.properties.begin(), spec_.properties.end(),
                               [&](const auto& entry) { return entry.first == name; });
  return it == spec_.properties.end() ? nullptr : &it->second;
}

std::vector<std::string> NetdevSpecReader::List(std::string_view name) const {
  std::vector<std::string> texts;
  const auto list = Get<control::PropertyList>(name);
  if (!list) return texts;
  for (const control::PropertyValue& element : *list) {
    if (const auto* text = std::get_if<std::string>(&element.value)) texts.push_back(*text);
  }
  return texts;
}

}  // namespace davit::machine
