// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qmp-shell on a terminal: readline's line editing, history and completion, with events shown above
// the prompt as they come. One terminal per process (readline has global state).
#pragma once

#include "clients/qmp-shell/shell.h"

namespace davit::client {

// Runs until the user leaves or the connection is lost; the exit status of the process.
int RunTerminal(Shell& shell);

}  // namespace davit::client
