// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See sandbox.h.
#include "tests/support/sandbox.h"

#include <filesystem>
#include <string>

#include "tests/support/expect.h"
#include "tests/support/process.h"

namespace davit::testing {

void ExpectFiltered(pid_t pid) {
  int threads = 0;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    const std::string status = ReadFile(task.path().string() + "/status");
    // A worker may end meanwhile.
    if (status.empty()) continue;
    ++threads;
    EXPECT_CONTAINS(status, "Seccomp:\t2") << task.path();
  }
  EXPECT_GT(threads, 0) << pid;
}

}  // namespace davit::testing
