// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A row of a schema's command table, and what its generated invoke functions share. Handlers is the
// generated struct of pointers to the abstract command classes; the same names without "Basic" are
// in the schema's namespace.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "schema/runtime/codec.h"
#include "schema/runtime/command_context.h"
#include "schema/runtime/completion.h"

namespace davit::qapi {

template <typename Handlers>
struct BasicCommandEntry {
  std::string_view name;
  bool allow_oob = false;
  bool allow_preconfig = false;
  bool success_response = true;  // false: a successful command is not answered
  bool coroutine = false;        // may complete after invoke has returned
  // Bit n: legal in the n-th value of enum RunState. 0: in any.
  uint32_t run_states = 0;
  // Decodes, calls the handler, encodes. `done` is called once: inside invoke unless `coroutine`.
  void (*invoke)(const Handlers& handlers, CommandContext& context, json::Object arguments,
                 Completion<json::Value> done) = nullptr;

  bool LegalIn(unsigned run_state) const {
    return run_states == 0 || (run_states >> run_state & 1) != 0;
  }
};

// The reply of a command that returns nothing: an empty object.
template <typename T>
Result<json::Value> EncodeResult(Result<T> result) {
  if (!result) return Fail(std::move(result).error());
  if constexpr (std::is_void_v<T>) {
    return json::Value(json::Object());
  } else {
    return Encode(*result);
  }
}

template <typename T>
Completion<T> EncodeThen(Completion<json::Value> done) {
  return
      [done = std::move(done)](Result<T> result) mutable { done(EncodeResult(std::move(result))); };
}

// No component of this process provides the command.
inline Result<json::Value> NoHandler(std::string_view command) {
  return Fail(ErrorCode::kCommandNotFound,
              "The command " + std::string(command) + " has not been found");
}

}  // namespace davit::qapi
