// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The facade: every verb that a control plane (QMP, HMP, signals) has over the VM of this
// process. Implemented by vmm/machine. Owner: control thread, for every call. A verb returns
// when its effect has been achieved or, where QEMU's contract says so, been requested.
// Errors carry QEMU's class and wording for the same fault.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/control/cpu_model.h"
#include "vmm/control/numa_types.h"
#include "vmm/control/pci_types.h"
#include "vmm/control/qom_types.h"
#include "vmm/control/types.h"

namespace davit::control {

class VmControl {
 public:
  virtual ~VmControl() = default;

  // --- run state -------------------------------------------------------------
  virtual RunState run_state() const = 0;
  // True with --preconfig until ExitPreconfig(); the machine does not exist yet and run_state()
  // is kPrelaunch.
  virtual bool in_preconfig() const = 0;
  virtual Status ExitPreconfig() = 0;
  // As -numa, before the machine exists. Error, in QEMU's words: nothing is changed.
  virtual Status SetNumaNode(const NumaOption& option) = 0;

  // Pauses the vCPUs; StopEvent precedes the return. No effect (no event) when not running.
  virtual Status Stop() = 0;
  // Starts or resumes. Refused in kInternalError, kShutdown and kGuestPanicked until
  // SystemReset(), in QEMU's words ("Resetting the Virtual Machine is required").
  virtual Status Cont() = 0;
  // Requests: they return at once; the events follow from the control loop.
  virtual Status SystemReset() = 0;
  virtual Status SystemPowerdown() = 0;
  // Error when the guest is not suspended.
  virtual Status SystemWakeup() = 0;
  // SHUTDOWN with this cause and the end of the process, whatever the shutdown action says.
  virtual void Quit(ShutdownCause cause) = 0;
  virtual Status InjectNmi() = 0;

  virtual ActionPolicy actions() const = 0;
  virtual void SetActions(const ActionChange& change) = 0;

  // --- queries -----------------------------------------------------------------
  virtual std::string name() const = 0;  // -name guest=; empty: none
  virtual std::string uuid() const = 0;  // lower case, all zero when not given
  virtual bool kvm_enabled() const = 0;
  virtual bool kvm_present() const = 0;
  virtual std::string machine_type() const = 0;  // canonical name, "microvm"
  virtual bool wakeup_suspend_support() const = 0;
  virtual std::vector<CpuInfo> Cpus() const = 0;
  // Every CPU that the machine can have, the highest index first. Error: it cannot be given more
  // than it starts with.
  virtual Result<std::vector<HotpluggableCpu>> HotpluggableCpus() const = 0;
  // DIMM slots, then CPUs. Error: the machine has no ACPI.
  virtual Result<std::vector<AcpiSlotStatus>> AcpiOspmStatus() const = 0;
  virtual Result<std::vector<CpuRegisters>> Registers() const = 0;  // as Cpus()
  virtual std::vector<CpuDefinition> CpuDefinitions() const = 0;
  // What a model with these properties is on this host. Error: no such model or property, or no
  // KVM to ask.
  virtual Result<CpuModelInfo> ExpandCpuModel(const CpuModelInfo& model,
                                              CpuModelExpansion kind) const = 0;
  virtual std::vector<MachineTypeInfo> MachineTypes() const = 0;
  virtual MemorySizeSummary MemorySize() const = 0;
  virtual std::vector<MemoryDeviceInfo> MemoryDevices() const = 0;  // by address
  virtual std::vector<MemdevInfo> Memdevs() const = 0;
  virtual std::vector<NumaNodeInfo> NumaNodes() const = 0;  // by number
  virtual std::vector<IoThreadInfo> IoThreads() const = 0;
  virtual QtreeNode::Bus Qtree() const = 0;  // the main system bus
  virtual std::vector<PciBus> Pci() = 0;     // none: the machine has no PCI
  // Writes the flattened device tree that the guest got. Error: the machine has none.
  virtual Status DumpDtb(const std::string& path) = 0;

  // --- balloon ---------------------------------------------------------------------
  // Error: there is no balloon device.
  virtual Status SetBalloon(uint64_t target_bytes) = 0;
  virtual Result<uint64_t> BalloonActual() const = 0;

  // --- the tree of objects ----------------------------------------------------------------
  // path: "/machine/peripheral/ID", through children and links; or, where it is not ambiguous, the
  // end of one ("ID"). Error: class DeviceNotFound; "Path 'x' is ambiguous".
  virtual Result<QomObject> QomFind(const std::string& path) const = 0;
  // Error: the path leads nowhere, or to more than one object (DeviceNotFound, as in QEMU).
  // nullopt: the object has no value under this name, because it has no such property or it was not
  // set.
  virtual Result<std::optional<PropertyValue>> QomGet(const std::string& path,
                                                      const std::string& property) const = 0;
  // Of what QomFind() lists and of objects. Error: as QomGet(); there is no such property, it
  // cannot be changed, or not to this value.
  virtual Status QomSet(const std::string& path, const std::string& property,
                        const PropertyValue& value) = 0;

  // --- hot-plug -------------------------------------------------------------------------
  // Makes a device and plugs it in. Error: nothing is left behind.
  virtual Status DeviceAdd(const DeviceSpec& spec) = 0;
  // Unplugs a device; id: its name or path. A request: DeviceDeletedEvent follows from the control
  // loop, when the guest has agreed where it has a say.
  virtual Status DeviceDel(const std::string& id) = 0;

  // --- objects --------------------------------------------------------------------
  virtual Status ObjectAdd(const ObjectSpec& spec) = 0;
  virtual Status ObjectDel(const std::string& id) = 0;
};

}  // namespace davit::control
