// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A running VMM under test (davitd, or QEMU to compare with): the process, a QMP session and the
// first serial port. The QMP socket is listening before the VMM starts and is handed over as a
// descriptor, so there is nothing to wait for by trying. Owner: the thread of the test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "clients/lib/client.h"
#include "tests/support/console.h"
#include "tests/support/process.h"
#include "vmm/base/error.h"

namespace davit::testing {

// $DAVIT_DAVITD, else the one in the runfiles of the test.
std::string DavitdPath();

// Why a guest cannot run here, or empty: /dev/kvm must be there and open.
std::string WhyNoKvm();

// True when KVM runs guests by hardware (or its emulation): then stock kernels boot.
bool HasHardwareKvm();

struct VmOptions {
  std::string program = DavitdPath();
  std::vector<std::string> args;  // besides -qmp and -serial
  bool serial_stdio = true;       // adds -serial stdio
  bool negotiate = true;
  milliseconds timeout = kPatience;
};

// What a test framework says of the test that runs, and is told when a VMM does not end well:
// ending.cc, for GoogleTest, sets it as the program starts.
struct EndJudge {
  bool (*passing)() = nullptr;
  void (*failed)(const std::string& what) = nullptr;
};
void SetEndJudge(const EndJudge& judge);
// As long as the test passes, the VMM is asked to end and must do so with status 0; else nothing
// happens, and its Process kills it.
void EndVmm(Process& process);

class Vm {
 public:
  static Result<std::unique_ptr<Vm>> Start(VmOptions options);
  ~Vm();  // EndVmm()
  // Ends the VMM at once, whatever state it is in; nothing but the destructor may follow.
  void Kill() { process_.reset(); }

  client::Client& qmp() { return *qmp_; }
  Console& serial() { return *console_; }
  Process& process() { return *process_; }
  const TempDir& dir() const { return dir_; }
  // Another client of the same monitor.
  std::string qmp_address() const { return "unix:" + dir_.File("qmp"); }

  // The run state by query-status, or the error's text.
  std::string RunState();

 private:
  Vm() = default;

  TempDir dir_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<client::Client> qmp_;
  std::unique_ptr<Console> console_;
};

}  // namespace davit::testing
