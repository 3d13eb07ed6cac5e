// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The QMP server: monitors (listening sockets, streams), their clients, and the events to them.
// Several monitors, several clients on each at once; none of them can delay another or make the
// process hold unbounded memory:
//  - a client whose unsent output is above 256 KiB gets no further command executed or read,
//  - a client that does not read while events pile up beyond 256 KiB is disconnected, with a log
//  line,
//  - at most 8 commands of a client wait (out-of-band enabled), else one.
// Owner: control thread (the one that runs the io_context). Construct before, destroy after the
// run.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "qmp/dispatcher/command_table.h"
#include "qmp/dispatcher/vm_view.h"
#include "qmp/event_hub/event_hub.h"
#include "qmp/session/fd_sets.h"
#include "qmp/transport/listen_spec.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::qmp {

struct ServerConfig {
  // The greeting's version; query-version shows the same.
  int major = 7, minor = 2, micro = 0;
  std::string package;
};

// One monitor as query-chardev lists it.
struct MonitorInfo {
  std::string label;
  std::string filename;  // "unix:/path,server=on", "disconnected:tcp:127.0.0.1:4444,server=on"
  bool frontend_open = true;
};

class Server {
 public:
  // References must outlive the server. qmp_capabilities is the server's own command: the handler
  // that the table has for it is never called.
  Server(boost::asio::io_context& io, ServerConfig config, const CommandTable& commands,
         const VmView& vm);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the monitor (bind and listen, or connect, or adopt) and serves it from then on. With
  // spec.wait it blocks until a client is there. Errors are worded as QEMU's.
  Status AddMonitor(const MonitorSpec& spec);
  // A client on connected descriptors; both may be the same file. Takes them over.
  Status AddStream(UniqueFd in, UniqueFd out, bool pretty, const std::string& label);

  // Takes the clients that are waiting at the monitors now, and greets them at once. What they send
  // is read when the io_context runs: for the time of a long set-up.
  void GreetWaitingClients();

  EventHub& events();
  FdSets& fd_sets();
  std::vector<MonitorInfo> Monitors() const;
  size_t client_count() const;

  // Ends the service: no new clients or commands, held-back events are delivered, pending output is
  // written (blocking, at most `timeout` in all), everything is closed, sockets that this server
  // made are unlinked. Call it as the last thing before the process ends. Idempotent.
  void Shutdown(std::chrono::milliseconds timeout = std::chrono::milliseconds(500));

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace davit::qmp
