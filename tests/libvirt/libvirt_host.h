// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's libvirt on folders of its own, inside RunIsolated(): virtlogd and libvirtd started by
// hand, virsh and what else speaks to them, and a domain's console. Waits are for answers, events
// and ends of processes, never for time. Owner: the thread of the test.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/console.h"
#include "tests/support/process.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {

inline constexpr milliseconds kReplyTime = kPatience;

// Why there can be none here, or empty.
std::string WhyNoLibvirt();
// Why there can be no DomainEvents, or empty.
std::string WhyNoEvents();

class LibvirtHost {
 public:
  static Result<std::unique_ptr<LibvirtHost>> Start();
  ~LibvirtHost();

  // By its pid, with the signal that a service manager would send; the domains stay.
  Status StopLibvirtd();
  Status StartLibvirtd();

  // A file in a folder that the domains may read.
  std::string File(const std::string& name) const { return dir_.File(name); }
  // davitd where they may run it.
  const std::string& emulator() const { return emulator_; }
  // What libvirt keeps for it, by name: the log is what davitd has said.
  std::string LogOf(const std::string& domain) const;
  pid_t PidOf(const std::string& domain) const;

 private:
  LibvirtHost() = default;
  Status MakeFolders();

  TempDir dir_;
  std::string emulator_;
};

// virsh on the host's own libvirtd.
std::vector<std::string> VirshCommand(std::vector<std::string> arguments);
RunResult Virsh(std::vector<std::string> arguments);
// Its output; a failure of virsh is one of the test.
std::string VirshOk(std::vector<std::string> arguments);
// What it says when it fails; success is a failure of the test.
std::string VirshError(std::vector<std::string> arguments);
// The rest of the line of `text` that begins with `key`, without spaces before it.
std::string Field(const std::string& text, const std::string& key);

// All events of all domains from now on, as events.py prints them.
class DomainEvents {
 public:
  // log: where its mistakes go.
  static Result<std::unique_ptr<DomainEvents>> Listen(const std::string& log);
  // end: how a line ends; those before it are passed over.
  Status WaitFor(const std::string& end);

 private:
  DomainEvents() = default;
  std::unique_ptr<Process> process_;
  std::unique_ptr<Console> lines_;
};

// The guest of a domain, on the domain's first console.
class DomainGuest {
 public:
  // path: the console's pty. A domain that is still paused has said nothing yet.
  static Result<std::unique_ptr<DomainGuest>> Open(const std::string& path);
  // A key of the probe guest, and the lines up to the one that it is answered with.
  Result<std::string> Ask(char key, std::string_view answer);
  // A key that ends the domain, with which the console goes: what is said last may be lost.
  Status Press(char key);
  Status AwaitReady();
  // A command line of the init of Linux guests, and the rest of the line that begins with `start`.
  Result<std::string> Tell(std::string_view command, std::string_view start);
  // A line that it says by itself.
  Status Await(std::string_view line, milliseconds timeout = kReplyTime);
  // The rest of the line that begins with `start`.
  Result<std::string> AwaitRest(std::string_view start);

 private:
  DomainGuest() = default;
  UniqueFd terminal_;
  std::unique_ptr<Console> console_;
};

}  // namespace davit::testing
