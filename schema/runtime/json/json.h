// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON text <-> json::Value by RapidJSON (strict RFC 8259). The stream of a QMP client, with QEMU's
// extensions and recovery, is qmp/protocol's business; this parses whole texts: schema files'
// values, -object '{...}' arguments, what a server sends to our client library.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::json {

struct ParseLimits {
  size_t max_depth = 1024;  // nesting of arrays and objects
  size_t max_bytes = 64 * 1024 * 1024;
};

// One value and white space, nothing after it. Duplicate keys are an Error. The Error names the
// offset.
Result<Value> Parse(std::string_view text, const ParseLimits& limits = {});

// Compact as QEMU prints: {"return": {}, "id": 1} has a blank after ':' and ','. ASCII only (\uXXXX
// for the rest).
std::string Write(const Value& value);
void WriteTo(std::string& out, const Value& value);  // appends
// Four blanks an indent level, as QEMU's pretty=on.
std::string WritePretty(const Value& value);

}  // namespace davit::json
