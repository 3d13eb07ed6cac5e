// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The door of vmm/machine: makes the VM of this process from a MachineConfig. What comes back is
// the facade that a control plane steers (control/vm_control.h). Everything here belongs to the
// control thread, whose event loop is handed in; the loop must run for events and requests to
// proceed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/events.h"
#include "vmm/control/vm_control.h"
#include "vmm/io/event_loop.h"
#include "vmm/machine/config.h"

namespace davit::backend {
class BlockGraph;
class ChardevRegistry;
class FileOpener;
}  // namespace davit::backend
namespace davit::kvm {
class System;
}

namespace davit::machine {

class Netdevs;

// All outlive the VM.
struct Deps {
  io::EventLoop& loop;  // the control thread's
  control::EventSink& events;
  backend::ChardevRegistry* chardevs = nullptr;  // needed when config names any
  // Called once on the control thread, after the SHUTDOWN event, when the process should end.
  // vCPUs are stopped by then.
  std::function<void(int exit_code)> exit;
  // Tests: a fake. nullptr: /dev/kvm.
  kvm::System* kvm = nullptr;
  backend::BlockGraph* blocks = nullptr;  // needed when a device has a drive=
  // Called once, when the objects that disks may refer to are made, before the devices.
  std::function<Status()> open_disks = {};
  Netdevs* netdevs = nullptr;            // of network cards; null: there are none
  backend::FileOpener* files = nullptr;  // of objects; null: by path alone
};

class Vm {
 public:
  // Builds the machine (with preconfig: checks what can be checked; the rest happens in
  // ExitPreconfig) and, unless start_paused, starts it from the event loop. Destroying the VM
  // stops and joins its threads. Error: the operator's mistake, worded as QEMU's.
  static Result<std::unique_ptr<control::VmControl>> Create(MachineConfig config, Deps deps);
};

// What -machine help and -cpu help list; needs no VM.
std::vector<control::MachineTypeInfo> KnownMachineTypes();
std::vector<control::CpuDefinition> KnownCpuDefinitions();
struct MachineProperty {
  std::string_view name;
  std::string_view type;  // as QEMU names it: "bool", "OnOffAuto", "string"
  std::string_view help;
};
// The properties of -machine NAME, sorted. Error: no such machine.
Result<std::vector<MachineProperty>> KnownMachineProperties(const std::string& name);
// Every CPU feature flag name that -cpu takes, sorted.
std::vector<std::string> KnownCpuFeatures();

}  // namespace davit::machine
