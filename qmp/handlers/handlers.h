// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The QMP commands of the VM: every abstract class of the generated code, carried out by
// control::VmControl. One file a schema module. Owner: control thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qmp/handlers/device_spec.h"
#include "qmp/session/fd_sets.h"
#include "schema/qapi/commands.h"
#include "vmm/control/block_control.h"
#include "vmm/control/chardev_control.h"
#include "vmm/control/net_control.h"
#include "vmm/control/vm_control.h"

namespace davit::qmp {

// What the handlers speak to; references outlive the set.
struct HandlerDeps {
  control::VmControl& vm;
  control::ChardevControl& chardevs;
  control::BlockControl& blocks;
  control::NetControl& net;
  FdSets& fd_sets;
  qapi::VersionInfo version;  // the greeting's
  std::vector<qapi::CommandLineOptionInfo> command_line_options;
  std::vector<DeviceGlobal> device_globals;  // -global, for devices made later
  DeviceLineParser parse_device_line;        // for HMP
};

class HandlerSet {
 public:
  explicit HandlerSet(HandlerDeps deps);
  ~HandlerSet();
  HandlerSet(const HandlerSet&) = delete;
  HandlerSet& operator=(const HandlerSet&) = delete;

  // Points to this set's handlers.
  qapi::Handlers handlers() const { return handlers_; }

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  qapi::Handlers handlers_;
};

}  // namespace davit::qmp
