// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See qom.h.
#include "qmp/handlers/hmp/qom.h"

#include <fmt/format.h>

#include <optional>

#include "qmp/handlers/qom_view.h"
#include "qmp/protocol/message_parser.h"
#include "schema/runtime/json/json.h"

namespace davit::qmp::hmp {
namespace {

// One value of a client's JSON.
Result<json::Value> ParseJson(const std::string& text) {
  MessageParser parser;
  const std::string line = text + '\n';  // ends a number
  std::optional<Result<json::Value>> value;
  const size_t used = parser.Feed(line, value);
  if (!value) return tl::unexpected(ParseError("premature EOI"));
  if (*value && line.find_first_not_of(" \t\r\n", used) != std::string::npos) {
    return Fail("Expecting at most one JSON value");
  }
  return *std::move(value);
}

}  // namespace

Status ListQom(Call& call) {
  if (!call.maybe) {
    call.out += "/\n";
    return {};
  }
  DAVIT_ASSIGN(const auto properties, ListObject(call.vm, *call.maybe));
  for (const qapi::ObjectPropertyInfo& property : properties) {
    call.out += fmt::format("{} ({})\n", property.name, property.type);
  }
  return {};
}

Status GetQom(Call& call) {
  DAVIT_ASSIGN(const json::Value value, GetProperty(call.vm, call.text, call.more));
  call.out += json::WritePretty(value) + '\n';
  return {};
}

Status SetQom(Call& call) {
  if (!call.flag) return SetPropertyText(call.vm, call.text, call.more, call.rest);
  DAVIT_ASSIGN(const json::Value value, ParseJson(call.rest));
  return SetProperty(call.vm, call.text, call.more, value);
}

}  // namespace davit::qmp::hmp
