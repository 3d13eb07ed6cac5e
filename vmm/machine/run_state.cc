// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See run_state.h.
#include "vmm/machine/run_state.h"

#include <cstdint>

#include "vmm/base/check.h"

namespace davit::machine {
namespace {

using control::RunState;

template <typename... States>
constexpr uint32_t Set(States... states) {
  return (0U | ... | (1U << static_cast<unsigned>(states)));
}

// Indexed by the old state: the states that may follow.
constexpr uint32_t Next(RunState from) {
  using enum RunState;
  switch (from) {
    case kDebug:
      return Set(kRunning, kFinishMigrate, kPrelaunch);
    case kInMigrate:
      return Set(kInternalError, kIoError, kPaused, kRunning, kShutdown, kSuspended, kWatchdog,
                 kGuestPanicked, kFinishMigrate, kPrelaunch, kPostMigrate, kColo);
    case kInternalError:
      return Set(kPaused, kFinishMigrate, kPrelaunch);
    case kIoError:
      return Set(kRunning, kFinishMigrate, kPrelaunch);
    case kPaused:
      return Set(kRunning, kFinishMigrate, kPostMigrate, kPrelaunch, kColo);
    case kPostMigrate:
      return Set(kRunning, kFinishMigrate, kPrelaunch);
    case kPrelaunch:
      return Set(kRunning, kFinishMigrate, kInMigrate);
    case kFinishMigrate:
      return Set(kRunning, kPaused, kPostMigrate, kPrelaunch, kColo);
    case kRestoreVm:
      return Set(kRunning, kPrelaunch);
    case kRunning:
      return Set(kDebug, kInternalError, kIoError, kPaused, kFinishMigrate, kRestoreVm, kSaveVm,
                 kShutdown, kWatchdog, kGuestPanicked, kSuspended, kColo);
    case kSaveVm:
      return Set(kRunning);
    case kShutdown:
      return Set(kPaused, kFinishMigrate, kPrelaunch, kColo);
    case kSuspended:
      return Set(kRunning, kFinishMigrate, kPrelaunch, kColo);
    case kWatchdog:
      return Set(kRunning, kFinishMigrate, kPrelaunch, kColo);
    case kGuestPanicked:
      return Set(kRunning, kFinishMigrate, kPrelaunch);
    case kColo:
      return Set(kRunning, kPrelaunch, kShutdown);
  }
  return 0;
}

}  // namespace

bool CanChange(RunState from, RunState to) {
  return (Next(from) >> static_cast<unsigned>(to) & 1) != 0;
}

bool RunStateMachine::needs_reset() const {
  return state_ == RunState::kInternalError || state_ == RunState::kShutdown;
}

void RunStateMachine::Set(RunState to) {
  if (state_ == to) return;
  DAVIT_CHECK(CanChange(state_, to));
  state_ = to;
}

}  // namespace davit::machine
