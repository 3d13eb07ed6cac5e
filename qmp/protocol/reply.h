// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the server sends: greeting, replies, errors, events. One message is one line of ASCII JSON
// that ends in CR LF; with pretty=on it is spread over several. Members stand in QEMU's order. The
// functions append to the session's output buffer. No thread rules.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::qmp {

struct Version {
  int major = 0, minor = 0, micro = 0;
  std::string package;
};

void AppendGreeting(std::string& out, const Version& version, bool pretty);

void AppendReturn(std::string& out, json::Value value, std::optional<json::Value> id, bool pretty);

void AppendError(std::string& out, const Error& error, std::optional<json::Value> id, bool pretty);

// No data: the event has no "data" member.
void AppendEvent(std::string& out, std::string_view name, const json::Value* data,
                 std::chrono::system_clock::time_point when, bool pretty);

}  // namespace davit::qmp
