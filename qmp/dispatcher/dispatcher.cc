// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/dispatcher/dispatcher.h"

#include <fmt/format.h>

namespace davit::qmp {

Error CommandNotFound(std::string_view name) {
  return {ErrorCode::kCommandNotFound, fmt::format("The command {} has not been found", name), {}};
}

Result<const Command*> Dispatcher::Resolve(const std::string& name, bool oob) const {
  const Command* command = commands_.Find(name);
  if (command == nullptr) return Fail(CommandNotFound(name));
  if (oob && !command->allow_oob) {
    return Fail(fmt::format("The command {} does not support OOB", name));
  }
  if (vm_.in_preconfig() && !command->allow_preconfig) {
    return Fail(fmt::format(
        "The command '{}' is permitted only after machine initialization has completed", name));
  }
  if (!command->LegalIn(vm_.run_state())) {
    return Fail(fmt::format("The command '{}' is not permitted in run state '{}'", name,
                            vm_.run_state_name()));
  }
  return command;
}

}  // namespace davit::qmp
