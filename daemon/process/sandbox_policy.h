// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What -sandbox on asks for, as a value.
#pragma once

#include <cstdint>

namespace davit::daemon {

// Defaults are QEMU's: what is not denied there is allowed here.
struct SandboxPolicy {
  enum class Elevate : uint8_t {
    kAllow,
    kChildren,  // only children are kept from it
    kDeny,
  };
  bool obsolete = false;  // calls that no program needs any more
  Elevate elevate_privileges = Elevate::kAllow;
  bool spawn = true;             // other processes and programs
  bool resource_control = true;  // priorities, affinities and limits of processes
};

}  // namespace davit::daemon
