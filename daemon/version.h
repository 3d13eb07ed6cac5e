// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Versions: davit's own, and the one of QEMU whose QMP it speaks (greeting, query-version).
#pragma once

namespace davit::daemon {

inline constexpr int kQmpMajor = 7;
inline constexpr int kQmpMinor = 2;
inline constexpr int kQmpMicro = 0;
inline constexpr const char* kPackage = "davit 0.1.0";

}  // namespace davit::daemon
