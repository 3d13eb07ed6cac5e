// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A program on a pseudo-terminal of its own, as an interactive user has it: sends keys, waits for
// what the screen shows. It waits with a deadline, never by sleeping, and kills the program when it
// goes out of scope. Owner: the thread of the test.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/process.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {

class Terminal {
 public:
  // Starts argv[0] with `environment` ("NAME=value") alone, on 200 columns.
  static Result<std::unique_ptr<Terminal>> Start(const std::vector<std::string>& argv,
                                                 const std::vector<std::string>& environment);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  Status Type(std::string_view keys);

  // Reads until `text` has come, and returns all up to its end, which is then consumed. Error:
  // deadline or end of the program, with what is there.
  Result<std::string> Expect(std::string_view text);

  // What comes until the program has closed its terminal, and its status (128+N after signal N).
  struct End {
    std::string text;
    int status;
  };
  Result<End> ExpectEnd();

 private:
  Terminal() = default;
  Result<bool> Fill();  // one read; false at the end of the program

  pid_t pid_ = -1;
  UniqueFd fd_;
  std::string pending_;
};

}  // namespace davit::testing
