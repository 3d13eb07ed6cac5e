// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// "key=value", "a.b=value", "list.0=value" and '{...}' words -> the arguments object of a command.
// Types come from the server's schema, so that id=1 is a string where the command wants one and an
// integer where it wants that; without a schema a value is JSON if it reads as such, else a string.
#pragma once

#include <span>
#include <string_view>

#include "clients/qmp-shell/schema_model.h"
#include "clients/qmp-shell/words.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::client {

// words: those behind the command's name. The Error names the word.
Result<json::Object> ParseArguments(const SchemaModel& schema, std::string_view command,
                                    std::span<const Word> words);

// Type at the end of a dotted path below an object type, given the arguments so far; empty:
// unknown.
std::string TypeAt(const SchemaModel& schema, std::string_view type, std::string_view path,
                   const json::Object& so_far);

}  // namespace davit::client
