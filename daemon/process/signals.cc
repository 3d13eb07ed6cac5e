// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See signals.h.
#include "daemon/process/signals.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <fstream>

#include "vmm/base/waiting.h"

namespace davit::daemon {
namespace {

// As QEMU reports it; the sender's name when it can still be seen.
std::string Describe(const signalfd_siginfo& info) {
  std::string text = fmt::format("terminating on signal {}", info.ssi_signo);
  if (info.ssi_pid == 0) return text;
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", info.ssi_pid)), name);
  return fmt::format("{} from pid {} ({})", text, info.ssi_pid,
                     name.empty() ? "<unknown process>" : name);
}

}  // namespace

void TerminationSignals::Block() {
  const sigset_t set = TerminationSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

void TerminationSignals::Unblock() {
  const sigset_t set = TerminationSet();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Result<std::unique_ptr<TerminationSignals>> TerminationSignals::Watch(
    io::EventLoop& loop, std::function<void(const std::string&)> fn) {
  std::unique_ptr<TerminationSignals> signals(new TerminationSignals);
  const sigset_t set = TerminationSet();
  signals->fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals->fd_) return FailErrno("signalfd");
  signals->fn_ = std::move(fn);
  DAVIT_ASSIGN(
      signals->registration_,
      loop.WatchReadable(signals->fd_.get(), [raw = signals.get()] { raw->OnReadable(); }));
  return signals;
}

void TerminationSignals::OnReadable() {
  signalfd_siginfo info{};
  while (read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    fn_(Describe(info));
  }
}

}  // namespace davit::daemon
