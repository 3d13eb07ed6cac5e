// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "agent.h"

#include "io.h"

namespace probe {
namespace {

constexpr char kSentinel = char(0xff);  // before what answers guest-sync-delimited

void Add(AgentReply& reply, const char* text) {
  while (*text != 0 && reply.size < kAgentAnswer) reply.text[reply.size++] = *text++;
}

void Add(AgentReply& reply, uint64_t value) {
  char digits[21];
  uint32_t n = sizeof digits - 1;
  digits[n] = 0;
  do {
    digits[--n] = char('0' + value % 10);
    value /= 10;
  } while (value != 0);
  Add(reply, digits + n);
}

void AddError(AgentReply& reply, const char* text) {
  Add(reply, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"");
  Add(reply, text);
  Add(reply, "\"}}\n");
}

void AddNumber(AgentReply& reply, uint64_t value) {
  Add(reply, "{\"return\": ");
  Add(reply, value);
  Add(reply, "}\n");
}

const char* SkipSpaces(const char* p) {
  while (*p == ' ' || *p == '\t') ++p;
  return p;
}

uint32_t Length(const char* text) {
  uint32_t n = 0;
  while (text[n] != 0) ++n;
  return n;
}

// Where the value of member `name` (with its quotes) begins; null: there is no such member.
const char* Member(const char* line, const char* name) {
  const uint32_t size = Length(name);
  for (const char* p = line; *p != 0; ++p) {
    uint32_t same = 0;
    while (same < size && p[same] == name[same]) ++same;
    if (same < size) continue;
    const char* const colon = SkipSpaces(p + size);
    if (*colon == ':') return SkipSpaces(colon + 1);
  }
  return nullptr;
}

bool IsOfName(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

// A string of letters, digits and hyphens.
template <uint32_t kSize>
bool Word(const char* value, char (&out)[kSize]) {
  if (value == nullptr || *value++ != '"') return false;
  uint32_t n = 0;
  while (n + 1 < kSize && IsOfName(value[n])) {
    out[n] = value[n];
    ++n;
  }
  out[n] = 0;
  return n != 0 && value[n] == '"';
}

bool Number(const char* value, uint64_t& out) {
  if (value == nullptr || *value < '0' || *value > '9') return false;
  for (out = 0; *value >= '0' && *value <= '9'; ++value) out = out * 10 + uint64_t(*value - '0');
  return true;
}

void ShutDown(const char* line, AgentReply& reply) {
  char mode[16];
  const char* const value = Member(line, "\"mode\"");
  if (value == nullptr || (Word(value, mode) && Equal(mode, "powerdown"))) {
    reply.action = AgentAction::kPowerOff;
  } else if (Word(value, mode) && Equal(mode, "reboot")) {
    reply.action = AgentAction::kReset;
  } else {
    AddError(reply, "Invalid parameter 'mode'");
  }
}

}  // namespace

void AnswerAgent(const char* line, uint64_t seconds, AgentReply& reply) {
  constexpr uint64_t kNanoseconds = 1'000'000'000;
  reply.size = 0;
  reply.action = AgentAction::kNone;
  if (!Word(Member(line, "\"execute\""), reply.name)) {
    reply.name[0] = 0;
    return AddError(reply, "Invalid JSON syntax");
  }
  if (Equal(reply.name, "guest-ping")) return Add(reply, "{\"return\": {}}\n");
  if (Equal(reply.name, "guest-get-time")) {
    if (seconds == 0) return AddError(reply, "There is no clock");
    return AddNumber(reply, seconds * kNanoseconds);
  }
  if (Equal(reply.name, "guest-shutdown")) return ShutDown(line, reply);
  const bool delimited = Equal(reply.name, "guest-sync-delimited");
  if (delimited || Equal(reply.name, "guest-sync")) {
    uint64_t id;
    if (!Number(Member(line, "\"id\""), id)) {
      return AddError(reply, "Parameter 'id' is missing");
    }
    if (delimited) reply.text[reply.size++] = kSentinel;
    return AddNumber(reply, id);
  }
  Add(reply, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command ");
  Add(reply, reply.name);
  Add(reply, " has not been found\"}}\n");
}

bool AddToLine(AgentInput& input, char byte) {
  if (byte != '\n') {
    if (byte == kSentinel) {
      input.size = 0;  // what came before was another's
    } else if (input.size < kAgentLine) {
      input.line[input.size++] = byte;
    } else {
      input.too_long = true;
    }
    return false;
  }
  if (input.too_long) input.size = 0;
  input.line[input.size] = 0;
  input.size = 0;
  input.too_long = false;
  return true;
}

}  // namespace probe
