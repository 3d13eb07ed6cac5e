// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/dispatcher/command_table.h"

namespace davit::qmp {

void CommandTable::Index() {
  index_.reserve(commands_.size());
  for (const Command& command : commands_) index_.emplace(command.name, &command);
}

const Command* CommandTable::Find(std::string_view name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : it->second;
}

}  // namespace davit::qmp
