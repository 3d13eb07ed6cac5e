// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/run-state.json.
#include "qmp/handlers/enums.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

template <typename To, typename From>
std::optional<To> Cast(const std::optional<From>& value) {
  if (!value) return std::nullopt;
  return static_cast<To>(*value);
}

}  // namespace

Result<qapi::StatusInfo> RunStateHandlers::QueryStatus(Context&) {
  const control::RunState state = vm_.run_state();
  return qapi::StatusInfo{.running = state == control::RunState::kRunning,
                          .singlestep = false,
                          .status = ToQapi(state)};
}

Status RunStateHandlers::SetAction(Context&, const qapi::SetActionArgs& args) {
  vm_.SetActions({.reboot = Cast<control::RebootAction>(args.reboot),
                  .shutdown = Cast<control::ShutdownAction>(args.shutdown),
                  .panic = Cast<control::PanicAction>(args.panic),
                  .watchdog = Cast<control::WatchdogAction>(args.watchdog)});
  return {};
}

Status RunStateHandlers::WatchdogSetAction(Context&, const qapi::WatchdogSetActionArgs& args) {
  control::ActionChange change;
  change.watchdog = static_cast<control::WatchdogAction>(args.action);
  vm_.SetActions(change);
  return {};
}

}  // namespace davit::qmp
