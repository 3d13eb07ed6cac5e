// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the generated client functions (client.h of a schema) send their commands through.
#pragma once

#include <string_view>
#include <utility>

#include "schema/runtime/codec.h"

namespace davit::qapi {

class Caller {
 public:
  virtual ~Caller() = default;
  // Sends the command, waits for its reply and gives the "return" member. Error: the server's class
  // and description, or a broken connection (kGeneric).
  virtual Result<json::Value> Call(std::string_view command, json::Object arguments) = 0;
};

// The reply as a T. Members that this schema does not know are skipped: a newer server may send
// them.
template <typename T>
Result<T> CallAndDecode(Caller& caller, std::string_view command, json::Object arguments) {
  Result<json::Value> reply = caller.Call(command, std::move(arguments));
  if (!reply) return Fail(std::move(reply).error());
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return Decode<T>(*reply, "return", DecodeMode::kLenient);
  }
}

}  // namespace davit::qapi
