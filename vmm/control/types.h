// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Value types of the facade (vm_control.h): what a control plane asks and is told. Names and
// meanings follow QEMU 7.2's QAPI reference, since that is the contract one layer up; nothing
// here knows JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "vmm/control/qom_types.h"

namespace davit::control {

// QAPI RunState (qapi/run-state.json), in its order.
enum class RunState : uint8_t {
  kDebug,
  kInMigrate,
  kInternalError,
  kIoError,
  kPaused,
  kPostMigrate,
  kPrelaunch,
  kFinishMigrate,
  kRestoreVm,
  kRunning,
  kSaveVm,
  kShutdown,
  kSuspended,
  kWatchdog,
  kGuestPanicked,
  kColo,
};

// "prelaunch", "running", ...: the QAPI spelling.
constexpr const char* RunStateName(RunState state) {
  constexpr const char* kNames[] = {"debug",      "inmigrate",   "internal-error", "io-error",
                                    "paused",     "postmigrate", "prelaunch",      "finish-migrate",
                                    "restore-vm", "running",     "save-vm",        "shutdown",
                                    "suspended",  "watchdog",    "guest-panicked", "colo"};
  return kNames[static_cast<unsigned>(state)];
}

// QAPI ShutdownCause.
enum class ShutdownCause : uint8_t {
  kNone,
  kHostError,
  kHostQmpQuit,
  kHostQmpSystemReset,
  kHostSignal,
  kHostUi,
  kGuestShutdown,
  kGuestReset,
  kGuestPanic,
  kSubsystemReset,
  kSnapshotLoad,
};

constexpr bool CausedByGuest(ShutdownCause cause) {
  return cause >= ShutdownCause::kGuestShutdown && cause <= ShutdownCause::kGuestPanic;
}

// -action and set-action (QAPI RebootAction, ShutdownAction, PanicAction, WatchdogAction).
enum class RebootAction : uint8_t { kReset, kShutdown };
enum class ShutdownAction : uint8_t { kPoweroff, kPause };
enum class PanicAction : uint8_t { kPause, kShutdown, kExitFailure, kNone };
enum class WatchdogAction : uint8_t {
  kReset,
  kShutdown,
  kPoweroff,
  kPause,
  kDebug,
  kNone,
  kInjectNmi
};

struct ActionPolicy {
  RebootAction reboot = RebootAction::kReset;
  ShutdownAction shutdown = ShutdownAction::kPoweroff;
  PanicAction panic = PanicAction::kShutdown;
  WatchdogAction watchdog = WatchdogAction::kReset;
};
struct ActionChange {
  std::optional<RebootAction> reboot;
  std::optional<ShutdownAction> shutdown;
  std::optional<PanicAction> panic;
  std::optional<WatchdogAction> watchdog;
};

struct CpuTopology {
  int64_t socket = 0;
  std::optional<int64_t> die;  // nullopt: sockets have one die
  int64_t core = 0;
  int64_t thread = 0;
  std::optional<int64_t> node = {};  // NUMA; nullopt: there are none
};

// One vCPU as query-cpus-fast shows it.
struct CpuInfo {
  int64_t index = 0;
  int64_t host_tid = 0;  // real host thread id
  std::string qom_path;  // "/machine/unattached/device[0]"
  CpuTopology topology;
};

// A CPU that the machine has or can be given (query-hotpluggable-cpus row).
struct HotpluggableCpu {
  std::string type;  // "host-x86_64-cpu"
  CpuTopology topology;
  std::string qom_path;  // empty: it is not there
};

// What the guest's operating system last said of a slot for hot-plug (ACPI 6.4, 6.3.5, _OST): a row
// of query-acpi-ospm-status.
struct AcpiSlotStatus {
  enum class Type : uint8_t { kDimm, kCpu };
  Type type = Type::kDimm;
  std::string device;   // id of what is in the slot; empty: nothing, or it has none
  std::string slot;     // its number in decimal
  uint32_t source = 0;  // _OST's source event
  uint32_t status = 0;  // _OST's status code
};

// query-cpu-definitions row.
struct CpuDefinition {
  std::string name;       // "host"
  std::string type_name;  // "host-x86_64-cpu"
  bool migration_safe = false;
  bool is_static = false;
  std::vector<std::string> unavailable_features;
};

// query-machines row.
struct MachineTypeInfo {
  std::string name;
  std::string alias;  // empty: none
  bool is_default = false;
  int64_t cpu_max = 1;
  bool hotpluggable_cpus = false;
  bool numa_mem_supported = false;
  bool deprecated = false;
  std::string default_cpu_type;  // empty: none
  std::string default_ram_id;    // empty: none
  bool acpi = false;
  std::string description;
  std::vector<QomProperty> properties;  // of the machine as an object
};

struct MemorySizeSummary {
  uint64_t base_memory = 0;                    // bytes
  std::optional<uint64_t> plugged_memory = 0;  // bytes; QEMU reports it where hot-plug is built in
};

// query-memory-devices row: memory that was plugged in.
struct MemoryDeviceInfo {
  enum class Kind : uint8_t { kDimm, kVirtioMem };
  Kind kind = Kind::kDimm;
  std::string id;        // may be empty
  std::string memdev;    // path of the memory backend: "/objects/m0"
  uint64_t address = 0;  // guest physical
  uint64_t size = 0;     // bytes that the guest has
  int64_t node = 0;
  // kDimm
  int64_t slot = 0;
  bool hotplugged = false;  // after the machine was made
  // kVirtioMem, bytes
  uint64_t max_size = 0, requested_size = 0, block_size = 0;
};

// A property value of an object or device: the forms of JSON, numbers apart. Integers of a signed
// property are int64_t, of an unsigned one uint64_t.
struct PropertyValue;
using PropertyList = std::vector<PropertyValue>;
struct PropertyMember;
using PropertyMap = std::vector<PropertyMember>;  // in no order
struct PropertyValue {
  std::variant<bool, int64_t, uint64_t, std::string, PropertyList, PropertyMap> value;
};
struct PropertyMember {
  std::string name;
  PropertyValue value;
};

// object-add / -object after the schema has typed its members; keys are QAPI's.
struct ObjectSpec {
  std::string qom_type;  // "memory-backend-ram"
  std::string id;
  std::vector<std::pair<std::string, PropertyValue>> properties;
};

// -device / device_add after the schema has typed its properties. Every property of the driver that
// has a default stands in `properties`; one without a default only when it was given.
struct DeviceSpec {
  std::string driver;  // "virtio-rng-pci": the name, aliases resolved
  std::string id;      // empty: anonymous
  std::string bus;     // bus=: empty: wherever it fits
  std::vector<std::pair<std::string, PropertyValue>> properties;
};

// query-memdev row.
struct MemdevInfo {
  std::string id;
  uint64_t size = 0;  // bytes
  bool merge = true;
  bool dump = true;
  bool prealloc = false;
  bool share = false;
  std::optional<bool> reserve;
  std::vector<uint16_t> host_nodes;
  std::string policy = "default";  // QAPI HostMemPolicy
};

// query-iothreads row.
struct IoThreadInfo {
  std::string id;
  int64_t thread_id = 0;
  int64_t poll_max_ns = 32768;
  int64_t poll_grow = 0;
  int64_t poll_shrink = 0;
  int64_t aio_max_batch = 0;
};

// A device of the machine for "info qtree" and qom: a tree of buses and devices.
struct QtreeNode {
  std::string type;                                             // "isa-serial"
  std::string id;                                               // may be empty
  std::vector<std::pair<std::string, std::string>> properties;  // name, printed value
  struct Bus;
  std::vector<Bus> buses;
  std::vector<std::string> lines = {};  // what else is said of it, behind the properties
};
struct QtreeNode::Bus {
  std::string name;
  std::string type;
  std::vector<QtreeNode> devices;
};

// Architectural registers of one vCPU for "info registers" (x86-64).
struct SegmentRegister {
  uint16_t selector = 0;
  uint64_t base = 0;
  uint32_t limit = 0;
  uint32_t flags = 0;  // descriptor bits 8..23 as in the second word of a descriptor
};
struct CpuRegisters {
  int64_t index = 0;      // of the CPU
  uint64_t gpr[16] = {};  // rax rbx rcx rdx rsi rdi rbp rsp r8..r15
  uint64_t rip = 0, rflags = 0;
  SegmentRegister es, cs, ss, ds, fs, gs, ldt, tr;
  uint64_t gdt_base = 0, idt_base = 0;
  uint32_t gdt_limit = 0, idt_limit = 0;
  uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0;
  uint64_t dr[8] = {};
  bool halted = false;
};

}  // namespace davit::control
