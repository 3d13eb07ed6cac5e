// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One QMP event as the generated builders (namespace events) make it; the event hub adds the
// timestamp.
#pragma once

#include <string_view>

#include "schema/runtime/json/value.h"

namespace davit::qapi {

struct Event {
  std::string_view name;  // static storage
  json::Value data;       // an object
  bool has_data = false;  // false: the event has no "data" member
};

}  // namespace davit::qapi
