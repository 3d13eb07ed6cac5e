// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// As much of a guest agent as the probe guest has: on a port called org.qemu.guest_agent.0 it
// answers guest-sync, guest-sync-delimited, guest-ping, guest-get-time and guest-shutdown, one JSON
// object a line, in the words of QEMU's agent (its qga/qapi-schema.json). Of the JSON it reads the
// members that it needs where they stand; a line without "execute" is answered with an error.
//
// This file is also compiled for the host (agent_test.cc), so it touches no machine.

#pragma once

#include <cstdint>

namespace probe {

constexpr uint32_t kAgentLine = 512;  // a longer one is not kept
constexpr uint32_t kAgentAnswer = 256;

enum class AgentAction : uint8_t { kNone, kPowerOff, kReset };

struct AgentReply {
  char name[32];  // the command, for the console; empty: there was none
  char text[kAgentAnswer];
  uint32_t size;  // 0: no answer, as QEMU's agent has none for a shutdown
  AgentAction action;
};

// line: without its end. seconds: of the clock, 0: there is none.
void AnswerAgent(const char* line, uint64_t seconds, AgentReply& reply);

// Bytes of the port in pieces, as they come, into lines.
struct AgentInput {
  char line[kAgentLine + 1];
  uint32_t size;
  bool too_long;
};
// True: `input.line` is one, and the next byte begins another.
bool AddToLine(AgentInput& input, char byte);

}  // namespace probe
