// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A recorded QMP session:
//
//   # comment
//   args: -name vm1            command line of both servers (davit-args:, qemu-args: of one)
//   only: davit                not for QEMU, with the reason in a comment
//   > {"execute": "stop"}      sent with a newline; ">>" without; \xNN is a byte
//   < {"return": {}}           the next line of the server, byte for byte
//   !eof                       the server closes the connection
//
// In an expected line <<int>>, <<str>>, <<any>> and <<timestamp>> stand for what differs by run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vmm/base/error.h"

namespace davit::testing {

struct TranscriptStep {
  enum class Kind { kSend, kExpect, kEndOfFile };
  Kind kind;
  std::string text;
  int line;
};

struct Transcript {
  std::vector<std::string> davit_args;
  std::vector<std::string> qemu_args;
  bool davit_only = false;
  std::vector<TranscriptStep> steps;
};

// The Error names the line.
Result<Transcript> ParseTranscript(std::string_view text);

bool LineMatches(std::string_view expected, std::string_view line);

}  // namespace davit::testing
