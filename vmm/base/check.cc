// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See check.h. Writes with write(2): usable with any lock held.
#include "vmm/base/check.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace davit {

void CheckFailed(const char* file, int line, const char* condition) {
  char text[512];
  int n =
      std::snprintf(text, sizeof text, "davitd: %s:%d: check failed: %s\n", file, line, condition);
  if (n > static_cast<int>(sizeof text)) n = sizeof text;
  if (n > 0 && write(STDERR_FILENO, text, static_cast<size_t>(n)) < 0) {
    // Nothing is left to tell it to.
  }
  std::abort();
}

}  // namespace davit
