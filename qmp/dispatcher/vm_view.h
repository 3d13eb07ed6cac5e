// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the QMP server must know of the VM: which commands are legal now. daemon/ implements it over
// control::VmControl. Owner: control thread.
#pragma once

#include <string_view>

namespace davit::qmp {

class VmView {
 public:
  virtual ~VmView() = default;
  // Started with --preconfig and x-exit-preconfig is still to come.
  virtual bool in_preconfig() const = 0;
  // Position in the schema's enum RunState, and its spelling there.
  virtual unsigned run_state() const = 0;
  virtual std::string_view run_state_name() const = 0;
  // The run state is "running".
  virtual bool running() const = 0;
};

}  // namespace davit::qmp
