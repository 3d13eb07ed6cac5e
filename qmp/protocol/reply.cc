// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The compact forms are put together around the values, which are written where they stand; the
// pretty ones are built as a whole.
#include "qmp/protocol/reply.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

void AppendPretty(std::string& out, const json::Value& message) {
  const std::string text = json::WritePretty(message);
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  out += kLineEnd;
}

json::Object ErrorObject(const Error& error) {
  json::Object object;
  object.Append("class", std::string(ErrorClassName(error.code)));
  object.Append("desc", error.message);
  return object;
}

}  // namespace

void AppendGreeting(std::string& out, const Version& version, bool pretty) {
  json::Object numbers;
  numbers.Append("micro", version.micro);
  numbers.Append("minor", version.minor);
  numbers.Append("major", version.major);
  json::Object full;
  full.Append("qemu", std::move(numbers));
  full.Append("package", version.package);
  json::Object greeting;
  greeting.Append("version", std::move(full));
  greeting.Append("capabilities", json::Array{json::Value("oob")});
  json::Object message;
  message.Append("QMP", std::move(greeting));
  if (pretty) return AppendPretty(out, message);
  json::WriteTo(out, message);
  out += kLineEnd;
}

void AppendReturn(std::string& out, json::Value value, std::optional<json::Value> id, bool pretty) {
  if (pretty) {
    json::Object message;
    message.Append("return", std::move(value));
    if (id) message.Append("id", std::move(*id));
    return AppendPretty(out, message);
  }
  out += "{\"return\": ";
  json::WriteTo(out, value);
  if (id) {
    out += ", \"id\": ";
    json::WriteTo(out, *id);
  }
  out += '}';
  out += kLineEnd;
}

void AppendError(std::string& out, const Error& error, std::optional<json::Value> id, bool pretty) {
  if (pretty) {
    json::Object message;
    if (id) message.Append("id", std::move(*id));
    message.Append("error", ErrorObject(error));
    return AppendPretty(out, message);
  }
  out += '{';
  if (id) {
    out += "\"id\": ";
    json::WriteTo(out, *id);
    out += ", ";
  }
  out += "\"error\": ";
  json::WriteTo(out, ErrorObject(error));
  out += '}';
  out += kLineEnd;
}

void AppendEvent(std::string& out, std::string_view name, const json::Value* data,
                 std::chrono::system_clock::time_point when, bool pretty) {
  using std::chrono::duration_cast;
  const auto total = duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count();
  const int64_t seconds = total / 1'000'000;
  const int64_t microseconds = total % 1'000'000;
  if (pretty) {
    json::Object time;
    time.Append("seconds", seconds);
    time.Append("microseconds", microseconds);
    json::Object message;
    message.Append("timestamp", std::move(time));
    message.Append("event", name);
    if (data != nullptr) message.Append("data", *data);
    return AppendPretty(out, message);
  }
  fmt::format_to(std::back_inserter(out),
                 "{{\"timestamp\": {{\"seconds\": {}, \"microseconds\": {}}}, \"event\": \"{}\"",
                 seconds, microseconds, name);
  if (data != nullptr) {
    out += ", \"data\": ";
    json::WriteTo(out, *data);
  }
  out += '}';
  out += kLineEnd;
}

}  // namespace davit::qmp
