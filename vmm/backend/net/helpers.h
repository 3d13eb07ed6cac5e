// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Programs of the host that set up a tap interface: the up and down scripts, which are given its
// name, and the bridge helper, which makes it and passes its descriptor over a socket (--fd=).
// Both are waited for: at start, at the end, or in netdev_add, on the control thread. A signal that
// ends the process (vmm/base/waiting.h) ends a program that sets up, too, and the wait for it.
#pragma once

#include <string>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

enum class ScriptKind {
  kUp,
  kDown,  // of an end that a signal may have asked for: waited for in any case
};

// Error: "network script X failed with status N" (as wait() gives it), "network script X has not
// ended: Interrupted system call".
Status RunNetworkScript(ScriptKind kind, const std::string& script, const std::string& interface);

// helper: a program, or a command line for the shell. Error: "bridge helper failed", "bridge helper
// has not ended: Interrupted system call".
Result<UniqueFd> RunBridgeHelper(const std::string& helper, const std::string& bridge);

}  // namespace davit::backend
