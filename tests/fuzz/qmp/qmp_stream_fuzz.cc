// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A client that sends anything. The first byte chooses out-of-band and the size of the pieces; the
// rest is the stream. Whatever comes: the replies are the same in pieces and in one, each is a
// line of JSON that ends in CR LF, and the session still works afterwards.
#include <cstdint>
#include <string>
#include <string_view>

#include "qmp/session/testing/fake_host.h"
#include "schema/runtime/json/json.h"
#include "vmm/base/check.h"

namespace {

using davit::qmp::testing::FakeHost;

void CompleteHeld(FakeHost& host, std::string& out) {
  while (!host.handlers.held.empty()) {
    auto done = std::move(host.handlers.held.front());
    host.handlers.held.pop_front();
    done(davit::json::Value(davit::json::Object()));
    out += host.Ask("");
  }
}

std::string Run(std::string_view stream, bool oob, size_t piece) {
  FakeHost host;
  host.Negotiate(oob);
  std::string out;
  for (size_t at = 0; at < stream.size(); at += piece) {
    out += host.Ask(stream.substr(at, piece));
    if (!host.rest.empty()) CompleteHeld(host, out);
  }
  CompleteHeld(host, out);
  // Two resets end whatever was begun.
  host.Ask("\xff\xff");
  CompleteHeld(host, out);
  const std::string last = host.Ask("{\"execute\":\"query-name\",\"id\":\"last\"}");
  DAVIT_CHECK(last.ends_with("{\"return\": {}, \"id\": \"last\"}\r\n"));
  return out;
}

// Whether the stream runs "hold"; escapes can hide the name.
bool WasHeld(std::string_view stream, bool oob) {
  FakeHost host;
  host.Negotiate(oob);
  host.Ask(stream);
  for (const std::string& call : host.handlers.calls) {
    if (call == "hold") return true;
  }
  return false;
}

void CheckLines(std::string_view out) {
  while (!out.empty()) {
    const size_t end = out.find("\r\n");
    DAVIT_CHECK(end != std::string_view::npos);
    const std::string_view line = out.substr(0, end);
    // Numbers beyond a double are echoed as QEMU does it, which is no JSON.
    const bool infinite = line.find("inf") != std::string_view::npos;
    DAVIT_CHECK(infinite || davit::json::Parse(line, {.max_depth = 2000}).has_value());
    out.remove_prefix(end + 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool oob = (data[0] & 1) != 0;
  const size_t piece = static_cast<size_t>(data[0] >> 1) % 32 + 1;
  const std::string whole = Run(stream, oob, stream.size() + 1);
  CheckLines(whole);
  // With deferred commands the pieces decide what out-of-band commands overtake.
  const bool deferred = WasHeld(stream, oob);
  // Events carry the time, which differs from run to run.
  if (!deferred && whole.find("timestamp") == std::string::npos) {
    DAVIT_CHECK(whole == Run(stream, oob, piece));
  }
  return 0;
}
