// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The envelope of a command: {"execute" or "exec-oob", "arguments", "id"} (qmp-spec, "Issuing
// commands"), checked before the command is looked up. No thread rules.
#pragma once

#include <optional>
#include <string>

#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::qmp {

struct Request {
  std::string command;
  bool oob = false;
  json::Object arguments;
};

// Runs out of band even when other commands wait: has "exec-oob" and no "execute".
bool IsOutOfBand(const json::Value& input);

// Takes the "id" out of a message; empty when it has none or is no object.
std::optional<json::Value> TakeId(json::Value& input);

// `input` without its id. Of several faults the one that QEMU would meet first is reported; QEMU
// looks at the members in the order of its hash table.
Result<Request> CheckRequest(json::Value input, bool oob_enabled);

}  // namespace davit::qmp
