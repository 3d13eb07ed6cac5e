// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds the command of a request and checks, in QEMU's order and words, that it may run now: it
// exists, supports out-of-band execution if asked to, is legal before machine initialization if
// that is where the VM is, and in the present run state. Owner: control thread.
#pragma once

#include <string>

#include "qmp/dispatcher/command_table.h"
#include "qmp/dispatcher/vm_view.h"
#include "vmm/base/error.h"

namespace davit::qmp {

class Dispatcher {
 public:
  // Both must outlive the dispatcher.
  Dispatcher(const CommandTable& commands, const VmView& vm) : commands_(commands), vm_(vm) {}

  Result<const Command*> Resolve(const std::string& name, bool oob) const;
  // `command` is what Resolve() gave. `done` is called now, or later for a coroutine command.
  void Run(const Command& command, qapi::CommandContext& context, json::Object arguments,
           qapi::Completion<json::Value> done) const {
    commands_.Invoke(command, context, std::move(arguments), std::move(done));
  }
  bool in_preconfig() const { return vm_.in_preconfig(); }

 private:
  const CommandTable& commands_;
  const VmView& vm_;
};

Error CommandNotFound(std::string_view name);

}  // namespace davit::qmp
