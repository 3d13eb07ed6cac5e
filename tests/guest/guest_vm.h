// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the guest tests share: command lines, and the waits for a guest's start and end. The VMM is
// davitd; with $DAVIT_DAVITD naming a qemu-system-x86_64 the same cases run on QEMU, to compare.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/expect.h"
#include "tests/support/vm.h"

namespace davit::testing {

inline constexpr milliseconds kBootTime{180'000};      // a stock kernel, twice emulated
inline constexpr milliseconds kReplyTime = kPatience;  // a line from a guest that runs

bool VmmIsQemu();

// The probe guest as a file: "probe.elf" or "probe.bzImage".
std::string ProbeFile(const std::string& name);

using Args = std::vector<std::string>;

// The arguments common to all guests, then `more`. machine_options as in ",kernel-irqchip=split".
Args GuestArgs(const Args& more, const std::string& machine_options = "");

// A VM with the probe guest (the one built into davitd), waited for until it is ready.
std::unique_ptr<Vm> StartProbe(const Args& more, const std::string& machine_options = "");

// A VM with Debian's kernel and our init; file: "vmlinuz" or "vmlinux" in $DAVIT_GUEST_DIR.
std::unique_ptr<Vm> StartLinux(const Args& more, const std::string& append = "",
                               const std::string& machine_options = "",
                               const std::string& file = "vmlinuz");

// Why stock kernels cannot run here, or empty.
std::string WhyNoLinux();

// The line that our init prints first.
Result<std::string> WaitForInit(Vm& vm);

// What a VM whose guest does not answer is doing, to be printed: run state, threads, registers.
std::string StateOf(Vm& vm);

// The next SHUTDOWN (RESET) event has these members.
void ExpectEvent(Vm& vm, std::string_view name, bool guest, std::string_view reason);

// The process ends by itself with status 0.
void ExpectExit(Vm& vm);

// Sends text to the guest and returns the rest of the line that begins with `prefix`. A guest that
// does not answer in time is a fatal failure of the test, which is then not made to wait again:
// this and the next return "" at once.
std::string Ask(Vm& vm, std::string_view text, std::string_view prefix);

// What init prints for a command that ends with "init: end".
std::string Lines(Vm& vm, std::string_view command);

// Waits for what has no event of its own, such as the size of a process. False: not in time.
bool Eventually(const std::function<bool()>& condition, milliseconds timeout = kReplyTime);

// RAM that the VMM's process holds, bytes, shared memory included.
uint64_t ResidentBytes(Vm& vm);

// Guest RAM less the balloon, bytes, by query-balloon; and what it shall be.
int64_t BalloonActual(Vm& vm);
void SetBalloon(Vm& vm, uint64_t bytes);

// "key N" in a line of words -> N; -1 when absent.
long long NumberAfter(std::string_view line, std::string_view key);

}  // namespace davit::testing
