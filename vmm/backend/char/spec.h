// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What to create: the value form of -chardev, of -serial's short forms and of QMP's chardev-add.
// Members and defaults are those of QAPI's ChardevBackend (qapi/char.json). Value types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace davit::backend {

struct NullSpec {};

struct StdioSpec {
  bool signal = true;  // Ctrl-C of the terminal is a signal, not a byte for the guest
};

struct FileSpec {
  std::string out;
  std::optional<std::string> in;
  bool append = false;
};

// FIFOs `device`.in and `device`.out, or `device` itself for both ways.
struct PipeSpec {
  std::string device;
};

struct PtySpec {};

struct UnixAddress {
  std::string path;
  bool abstract = false;  // Linux's name space without a file
  bool tight = true;      // abstract: the name ends where the string does
};
struct InetAddress {
  std::string host;
  std::string port;  // a number or a service name
  std::optional<bool> ipv4, ipv6;
};
// A socket that the process was given; the back end takes it over.
struct FdAddress {
  int fd = -1;
};

struct SocketSpec {
  std::variant<UnixAddress, InetAddress, FdAddress> address;
  bool server = false;
  bool wait = true;           // server: Create() returns when a client is there
  bool nodelay = false;       // TCP_NODELAY
  uint32_t reconnect = 0;     // client: seconds from a lost or failed connection to the next; 0: no
  bool allow_remote = false;  // listen off loopback; anyone who connects then speaks to the guest
};

// Datagrams to and from one peer.
struct UdpSpec {
  InetAddress remote;
  std::optional<InetAddress> local;  // an empty host or port: the system's choice
};

// The last bytes that the guest sent, for ringbuf-read.
struct RingbufSpec {
  uint64_t size = 0;  // a power of two; 0: 64 KiB
};

// Several front ends on one back end.
struct MuxSpec {
  std::string chardev;
};

struct ChardevSpec {
  std::string id;
  std::variant<NullSpec, StdioSpec, FileSpec, PipeSpec, PtySpec, SocketSpec, UdpSpec, RingbufSpec,
               MuxSpec>
      backend;
  std::string logfile = {};  // what the guest sends goes there too; empty: nowhere
  bool logappend = false;    // to what logfile has
};

}  // namespace davit::backend
