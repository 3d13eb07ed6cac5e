// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Everything a machine is made from, as one plain value. The option parser fills it without
// touching the system; Vm::Create (vm.h) checks it and words the errors. Key=value lists that
// belong to the machine (-machine, -accel, -cpu) stay text here: the machine type knows its
// properties.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "vmm/base/units.h"
#include "vmm/control/numa_types.h"
#include "vmm/control/types.h"

namespace davit::machine {

// In the order of the command line; the last of a repeated key wins.
using PropertyTexts = std::vector<std::pair<std::string, std::string>>;

struct AccelConfig {
  std::string name;          // "kvm"
  PropertyTexts properties;  // kernel-irqchip=, ...
  std::string where;         // "-accel kvm": begins the text of errors; may be empty
};

// -smp: what was given. Validation and defaults: the machine.
struct SmpConfig {
  std::optional<uint64_t> cpus, sockets, dies, clusters, cores, threads, maxcpus;
};

// -m
struct MemoryConfig {
  std::optional<uint64_t> size;  // bytes; nullopt: the machine's default (128 MiB), or the
                                 // size of the memory-backend object
  uint64_t slots = 0;
  std::optional<uint64_t> maxmem;  // bytes
};

// -rtc
struct RtcConfig {
  enum class Base : uint8_t { kUtc, kLocaltime, kDate };
  enum class ClockSource : uint8_t { kHost, kRt, kVm };
  Base base = Base::kUtc;
  int64_t date = 0;  // kDate: seconds since 1970-01-01 UTC that the guest's clock starts from
  ClockSource clock = ClockSource::kHost;
  bool slew = false;  // driftfix=slew: lost periodic ticks are given later
};

// -overcommit
struct OvercommitConfig {
  bool mem_lock = false;
  bool cpu_pm = false;
};

// A kernel or initrd: none, a file, or bytes that outlive the machine (the probe guest).
using ImageSource = std::variant<std::monostate, std::string, std::span<const std::byte>>;

// -device
struct DeviceConfig {
  std::string where;  // "-device virtio-rng-pci": begins the text of errors; may be empty
  control::DeviceSpec spec;
};

// -global, for a device of the board
struct GlobalConfig {
  std::string where;  // as DeviceConfig::where
  std::string driver, property, value;
};

// -qtest, -qtest-log
struct QtestConfig {
  std::string chardev;
  std::string log;  // a file, "none", or empty: stderr
};

// -numa
struct NumaConfig {
  std::string where;  // as DeviceConfig::where
  control::NumaOption option;
};

// -fw_cfg
struct FwCfgConfig {
  std::string where;  // "-fw_cfg opt/x,...": begins the text of errors; may be empty
  std::string name;
  std::string file;  // of the host, with the content; empty: text is the content
  std::string text;
};

// -smbios, all of them
struct SmbiosFields {
  std::string where;  // of the first: begins the text of errors; empty: none was given
  // By the type of the structure and the key. Numbers are decimal, switches "on" or "off".
  std::map<unsigned, std::map<std::string, std::string>> values;
  // Type 11: texts, or files of the host that have them.
  struct OemString {
    std::string text;  // or the path
    bool is_file = false;
    friend bool operator==(const OemString&, const OemString&) = default;
  };
  std::vector<OemString> oem_strings;
  // Type 8, one each.
  struct Port {
    std::string internal, external;  // designators
    uint8_t connector = 0, type = 0;
    friend bool operator==(const Port&, const Port&) = default;
  };
  std::vector<Port> ports;
};

struct MachineConfig {
  std::string type;                  // -machine [type=]; empty: the default machine
  PropertyTexts machine_properties;  // -machine, without type
  std::vector<AccelConfig> accels;   // tried in order; empty: kvm
  std::string cpu;                   // -cpu, whole text ("host,+x2apic"); empty: the default
  SmpConfig smp;
  MemoryConfig memory;
  std::vector<NumaConfig> numa;  // in the order of the command line

  ImageSource kernel;
  bool kernel_is_default = false;  // none was asked for: left out where no vCPU runs
  ImageSource initrd;
  std::string append;
  std::string dtb;  // -dtb FILE; empty: none

  std::string name;           // -name guest=
  bool debug_threads = true;  // -name debug-threads=: vCPU threads are named "CPU n/KVM"
  std::string uuid;           // lower case, empty: not given
  bool start_paused = false;  // -S
  bool preconfig = false;     // --preconfig
  control::ActionPolicy actions;

  std::vector<control::ObjectSpec> objects;  // -object, made in this order
  std::vector<DeviceConfig> devices;         // -device, made in this order after all objects
  std::vector<GlobalConfig> globals;         // -global for drivers that -device does not make
  // Serial port n speaks to this chardev; empty string: the port has no back end (-serial none).
  std::vector<std::string> serials;
  std::string debugcon;  // -debugcon: the chardev of the debug port; empty: no such port
  PropertyTexts boot;    // -boot
  RtcConfig rtc;
  bool acpi_pci_hotplug = false;  // -global: slots of PCI Express are served by ACPI
  bool tco_no_reboot = true;      // -global: the strap that forbids the TCO watchdog
  OvercommitConfig overcommit;
  std::optional<QtestConfig> qtest;
  std::vector<FwCfgConfig> fw_cfg;
  SmbiosFields smbios;
};

}  // namespace davit::machine
