// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A recorded QMP session:
//
//   # comment
//   args: -name vm1            command line of both servers (davit-args:, qemu-args: of one)
//   > {"execute": "stop"}      sent with a newline; ">>" without; \xNN is a byte
//   < {"return": {}}           the next line of the server, byte for byte
//   < {"return": [<<rows>>]}   the same with rows, which follow one a line: "= " is a row of both,
//   = {"name": "x"}            "+ " of davit alone, "- " of QEMU alone (see rows.h)
//   !eof                       the server closes the connection
//
// In an expected line <<int>>, <<str>>, <<any>> and <<timestamp>> stand for what differs by run;
// $DIR, everywhere, for a new folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/conformance/rows.h"
#include "vmm/base/error.h"

namespace davit::testing {

struct TranscriptStep {
  enum class Kind { kSend, kExpect, kEndOfFile };
  Kind kind;
  std::string text;
  int line;
  std::vector<Row> rows = {};  // of an expected line with <<rows>> or <<sequence>>
};

struct Transcript {
  std::vector<std::string> davit_args;
  std::vector<std::string> qemu_args;
  std::vector<TranscriptStep> steps;
};

// The Error names the line.
Result<Transcript> ParseTranscript(std::string_view text);

// With `dir` for each $DIR.
Transcript InFolder(Transcript transcript, const std::string& dir);

}  // namespace davit::testing
