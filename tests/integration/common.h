// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the integration tests share: short runs of davitd, and what /proc tells about a running
// one. Waits are for events (a pidfd, an answer), never for time. Owner: the thread of the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "clients/lib/client.h"
#include "tests/support/expect.h"
#include "tests/support/process.h"
#include "tests/support/vm.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {

inline constexpr milliseconds kReplyTime = kPatience;

// Skips where no guest can run.
class VmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
  }
};

// A file of the tree that the test has as data.
std::string Runfile(const std::string& path);

// davitd with these arguments, to its end.
RunResult Davitd(std::vector<std::string> arguments);

bool Exists(const std::string& path);

// "VmRSS", "VmHWM", ... of /proc/PID/status, in KiB; -1 when there is none.
long StatusKiB(pid_t pid, const std::string& key);

// How many descriptors the process has open.
int OpenDescriptors(pid_t pid);

// Waits until a file, which is there, holds `text`; woken by each write to it.
bool WaitForText(const std::string& path, const std::string& text);

// Waits until a process that may not be our child has ended.
bool WaitGone(pid_t pid, milliseconds timeout);

// A VM whose probe guest is at its prompt; null after a failure.
std::unique_ptr<Vm> StartReady(std::vector<std::string> args = {});

// The guest answers on the serial port, and the VM a new client of the monitor.
void ExpectAlive(Vm& vm);

// Sends bytes with descriptors in one message.
bool SendWithFds(int socket, std::string_view bytes, const std::vector<int>& fds);

}  // namespace davit::testing
