// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See option_object.h.
#include "daemon/options/option_object.h"

#include <fmt/format.h>

#include <string_view>

namespace davit::daemon {

json::Object ToObject(const ParamList& list) {
  json::Object object;
  for (const auto& [key, text] : list.entries()) {
    json::Value* have = object.Find(key);
    if (have == nullptr) {
      object.Set(key, text);
      continue;
    }
    if (!have->is_array()) *have = json::Value(json::Array{*have});
    have->AsArray()->push_back(text);
  }
  return object;
}

Error AsOptionError(Error error) {
  constexpr std::string_view kHead = "Parameter '";
  constexpr std::string_view kTail = "' is unexpected";
  if (error.message.starts_with(kHead) && error.message.ends_with(kTail)) {
    error.message =
        fmt::format("Invalid parameter '{}'",
                    std::string_view(error.message)
                        .substr(kHead.size(), error.message.size() - kHead.size() - kTail.size()));
  }
  return error;
}

}  // namespace davit::daemon
