// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A hand-made command table and VM state for tests of the server: commands that answer, fail, wait,
// take descriptors, emit events. No thread rules.
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "qmp/dispatcher/command_table.h"
#include "qmp/dispatcher/vm_view.h"
#include "qmp/event_hub/event_hub.h"
#include "schema/runtime/command_entry.h"

namespace davit::qmp::testing {

class FakeVm final : public VmView {
 public:
  bool in_preconfig() const override { return preconfig; }
  unsigned run_state() const override { return state; }
  std::string_view run_state_name() const override { return state == 0 ? "debug" : "running"; }
  bool running() const override { return state != 0; }

  bool preconfig = false;
  unsigned state = 9;
};

// What the commands of the table act on.
struct FakeHandlers {
  EventHub* events = nullptr;
  std::function<void(std::function<void()>)> post;  // on the control loop
  // Completions of "hold", in order.
  mutable std::deque<qapi::Completion<json::Value>> held;
  mutable std::vector<std::string> calls;  // names, in order of execution
};

// "query-name": {}.  "echo": its arguments.  "fail": DeviceNotFound.  "hold": completes when the
// test says so.  "release" (OOB): completes the first held one.  "oob" (OOB): {}.  "silent": no
// success response.  "take-fd": the inode of the next descriptor.  "getfd", "closefd".
// "stop": emits STOP, then returns.  "reset": posts the emission of RESET, and returns.  "emit":
// emits "count" events.  "paused-only": legal in state 0. "early": legal in preconfig.
std::span<const qapi::BasicCommandEntry<FakeHandlers>> FakeCommands();

}  // namespace davit::qmp::testing
