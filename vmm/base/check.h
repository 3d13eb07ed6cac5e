// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// CHECK for invariants of ours. Never on bytes of the guest, of a client or of a file.
// A failed check logs file, line, condition and aborts.
#pragma once

namespace davit {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace davit

#define DAVIT_CHECK(cond) \
  (static_cast<bool>(cond) ? (void)0 : ::davit::CheckFailed(__FILE__, __LINE__, #cond))
