// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// control:: enumerations and their generated twins have the same order; ToQapi and FromQapi are
// casts, checked here at the ends.
#pragma once

#include "schema/qapi/types.h"
#include "vmm/control/events.h"
#include "vmm/control/types.h"

namespace davit::qmp {

template <typename To, typename From>
constexpr bool SameAt(To to, From from) {
  return static_cast<int>(to) == static_cast<int>(from);
}

static_assert(SameAt(qapi::RunState::kDebug, control::RunState::kDebug));
static_assert(SameAt(qapi::RunState::kRunning, control::RunState::kRunning));
static_assert(SameAt(qapi::RunState::kColo, control::RunState::kColo));
static_assert(SameAt(qapi::ShutdownCause::kGuestShutdown, control::ShutdownCause::kGuestShutdown));
static_assert(SameAt(qapi::ShutdownCause::kSnapshotLoad, control::ShutdownCause::kSnapshotLoad));
static_assert(SameAt(qapi::RebootAction::kShutdown, control::RebootAction::kShutdown));
static_assert(SameAt(qapi::ShutdownAction::kPause, control::ShutdownAction::kPause));
static_assert(SameAt(qapi::PanicAction::kNone, control::PanicAction::kNone));
static_assert(SameAt(qapi::WatchdogAction::kDebug, control::WatchdogAction::kDebug));
static_assert(SameAt(qapi::WatchdogAction::kInjectNmi, control::WatchdogAction::kInjectNmi));

static_assert(SameAt(qapi::GuestPanicAction::kPause, control::GuestPanickedEvent::Action::kPause));
static_assert(SameAt(qapi::GuestPanicAction::kRun, control::GuestPanickedEvent::Action::kRun));

constexpr qapi::RunState ToQapi(control::RunState v) { return static_cast<qapi::RunState>(v); }
constexpr qapi::ShutdownCause ToQapi(control::ShutdownCause v) {
  return static_cast<qapi::ShutdownCause>(v);
}
constexpr qapi::WatchdogAction ToQapi(control::WatchdogAction v) {
  return static_cast<qapi::WatchdogAction>(v);
}
constexpr qapi::GuestPanicAction ToQapi(control::GuestPanickedEvent::Action v) {
  return static_cast<qapi::GuestPanicAction>(v);
}

}  // namespace davit::qmp
