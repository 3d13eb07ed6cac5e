// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line as a value: what the machine is made from (vmm/machine/config.h) and what
// the process needs beside it. Made by ParseCommandLine (parse.h) without touching the system,
// -readconfig files excepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/process/sandbox_policy.h"
#include "qmp/handlers/device_spec.h"
#include "vmm/backend/char/spec.h"
#include "vmm/control/block_control.h"
#include "vmm/control/net_control.h"
#include "vmm/machine/config.h"

namespace davit::daemon {

// -chardev, and what -serial, -debugcon and -qmp stand for.
struct ChardevOption {
  std::string where;  // "-serial file:x": begins the text of errors found later
  backend::ChardevSpec spec;
};

// -add-fd
struct AddFdOption {
  std::string where;  // as ChardevOption::where
  int fd = -1;        // that the process was started with
  int64_t set = 0;
  std::optional<std::string> opaque;
};

// -netdev, and the host end of -nic.
struct NetdevOption {
  std::string where;  // as ChardevOption::where
  control::NetdevSpec spec;
};

// -mon, -qmp, -qmp-pretty. The chardev is one of Options.chardevs.
struct MonitorOption {
  std::string where;
  std::string id;
  std::string chardev;
  bool pretty = false;
};

// -blockdev
struct BlockdevOption {
  std::string where;
  control::BlockNodeSpec spec;
};

// -drive
struct DriveOption {
  std::string where;
  control::DriveSpec spec;
};

// What to print and then exit 0: -help, -version, `-machine help`, ...
enum class Show : uint8_t {
  kHelp,
  kVersion,
  kMachines,
  kMachineProperties,
  kCpus,
  kAccels,
  kDevices,
  kDeviceProperties,  // of the device Options.show_option
  kObjects,
  kChardevs,
  kNetdevs,
  kAudiodevs,
  kLogItems,
  kOptionKeys,  // of the option Options.show_option
};

struct LogOptions {
  std::string file;                // -D; empty: stderr
  std::vector<std::string> items;  // -d, checked
  bool timestamps = false;         // -msg timestamp=
  bool guest_name = false;         // -msg guest-name=
};

struct Options {
  machine::MachineConfig machine;
  std::vector<AddFdOption> add_fds;
  std::vector<ChardevOption> chardevs;
  std::vector<NetdevOption> netdevs;
  std::vector<MonitorOption> monitors;
  std::vector<BlockdevOption> blockdevs;  // made in this order, before the drives
  std::vector<DriveOption> drives;
  std::vector<qmp::DeviceGlobal> device_globals;  // -global, for devices made later
  LogOptions log;
  std::string process_name;  // -name process=; empty: unchanged
  std::string pidfile;
  std::optional<SandboxPolicy> sandbox;  // -sandbox on
  bool daemonize = false;
  bool nodefaults = false;
  bool nographic = false;
  std::optional<Show> show;
  std::string show_option;            // a name of the option table, or of a device
  std::vector<std::string> warnings;  // to stderr, each after "davitd: "
};

// An argument of -drive for drive_add: if=none. id: empty when none was given.
Result<control::DriveSpec> ParseDriveText(const std::string& text);

}  // namespace davit::daemon
