// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The one place where everything is put together: event loop, QMP server, character devices, VM,
// signals. Its thread is the control thread.
#pragma once

#include "daemon/options/options.h"
#include "vmm/base/error.h"

namespace davit::daemon {

// Sets everything up, runs until the VM ends, takes everything down. The value is the exit status.
// Error: the set-up failed; nothing is left behind.
Result<int> RunApp(Options options);

}  // namespace davit::daemon
