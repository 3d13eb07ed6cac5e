// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The run state of the VM and which changes are legal (QAPI RunState; the same table as QEMU 7.2).
// An illegal change is a bug of ours and check-fails. Owner: control thread.
#pragma once

#include "vmm/control/types.h"

namespace davit::machine {

bool CanChange(control::RunState from, control::RunState to);

class RunStateMachine {
 public:
  control::RunState state() const { return state_; }
  bool running() const { return state_ == control::RunState::kRunning; }
  // The guest cannot go on from here without a reset.
  bool needs_reset() const;
  // Check-fails when CanChange says no; a change to the same state does nothing.
  void Set(control::RunState to);

 private:
  control::RunState state_ = control::RunState::kPrelaunch;
};

}  // namespace davit::machine
