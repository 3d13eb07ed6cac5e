// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The test's side of a guest's serial port over a stream socket: sends keys, waits for text. What
// was matched is consumed, so that the next wait looks behind it. Owner: the thread of the test.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "vmm/base/error.h"

namespace davit::testing {

using std::chrono::milliseconds;

class Console {
 public:
  explicit Console(int fd) : fd_(fd) {}

  // Reads until `text` has come; returns the lines up to the end of the one that holds it, waiting
  // for that end too. Error: deadline or end of file, with the last lines seen.
  Result<std::string> WaitFor(std::string_view text, milliseconds timeout);

  // As WaitFor(), up to the end of `text` alone: a prompt ends no line.
  Result<std::string> WaitForPrompt(std::string_view text, milliseconds timeout);

  // The rest of the line behind `prefix`, without CR and LF.
  Result<std::string> WaitForLine(std::string_view prefix, milliseconds timeout);

  // Whether anything more arrives within the time.
  bool Quiet(milliseconds timeout);

  Status Send(std::string_view text);

  // What must not come any more, as the banner of a guest that has started: a wait that meets it
  // ends with an error at once, and each one after it.
  void Forbid(std::string text) {
    forbidden_ = std::move(text);
    forbidden_from_ = consumed_;
  }

  // Everything received so far, consumed or not.
  const std::string& transcript() const { return transcript_; }
  void DropPending() { consumed_ = transcript_.size(); }

 private:
  // What ends with `text` and then, if that is not empty, with `end` behind it; consumed.
  Result<std::string> Take(std::string_view text, std::string_view end, milliseconds timeout);
  // One read; Error at end of file or deadline.
  Status Fill(std::chrono::steady_clock::time_point deadline);
  // "waiting for TEXT: WHY", with the last lines seen.
  std::string Missing(std::string_view text, const std::string& why) const;

  int fd_;
  std::string transcript_;
  size_t consumed_ = 0;
  std::string forbidden_;  // empty: nothing
  size_t forbidden_from_ = 0;
};

}  // namespace davit::testing
