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
#include <variant>
#include <vector>

#include "vmm/machine/config.h"

namespace davit::daemon {

struct UnixAddress {
  std::string path;
  bool abstract = false;
  bool tight = true;
};
struct InetAddress {
  std::string host;
  std::string port;
  std::optional<bool> ipv4, ipv6;
};
// A number, or a name of getfd's (which does not exist yet when the command line is parsed).
struct FdAddress {
  int fd = -1;
};
using SocketAddress = std::variant<UnixAddress, InetAddress, FdAddress>;

// -chardev, and what -serial and -qmp stand for.
struct ChardevOption {
  enum class Backend : uint8_t { kNull, kStdio, kFile, kPty, kSocket };
  std::string where;  // "-serial file:x": begins the text of errors found later
  std::string id;
  Backend backend = Backend::kNull;
  std::string path;       // kFile
  bool append = false;    // kFile
  bool signal = true;     // kStdio: ^C is a signal
  SocketAddress address;  // kSocket, and all below
  bool server = false;
  bool wait = true;  // server: wait for the first client before the guest starts
  bool nodelay = false;
  std::optional<uint64_t> reconnect;  // client: seconds between tries
};

// -mon, -qmp, -qmp-pretty. The chardev is one of Options.chardevs.
struct MonitorOption {
  std::string where;
  std::string id;
  std::string chardev;
  bool pretty = false;
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
  kObjects,
  kChardevs,
  kLogItems,
};

struct LogOptions {
  std::string file;                // -D; empty: stderr
  std::vector<std::string> items;  // -d, checked
  bool timestamps = false;         // -msg timestamp=
  bool guest_name = false;         // -msg guest-name=
};

struct Options {
  machine::MachineConfig machine;
  std::vector<ChardevOption> chardevs;
  std::vector<MonitorOption> monitors;
  LogOptions log;
  std::string process_name;  // -name process=; empty: unchanged
  std::string pidfile;
  bool daemonize = false;
  bool nodefaults = false;
  bool nographic = false;
  std::optional<Show> show;
  std::vector<std::string> warnings;  // to stderr, each after "davitd: "
};

}  // namespace davit::daemon
