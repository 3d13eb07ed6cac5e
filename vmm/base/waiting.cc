// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See waiting.h. A signalfd is readable while a signal of its set is pending, and takes none until
// it is read.
#include "vmm/base/waiting.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace davit {
namespace {

constexpr std::array kSignals{SIGTERM, SIGINT, SIGHUP};

bool SignalPending() {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return std::any_of(kSignals.begin(), kSignals.end(),
                     [&](int signal) { return sigismember(&pending, signal) == 1; });
}

bool SetSendTimeout(int fd, suseconds_t microseconds) {
  const timeval limit{0, microseconds};
  return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0;
}

// There is no poll() for room in the backlog, and a signal that is blocked does not wake connect(),
// so it comes back now and then.
int ConnectUnix(int fd, const sockaddr* address, socklen_t length) {
  constexpr suseconds_t kTurn = 100'000;
  if (!SetSendTimeout(fd, kTurn)) return errno;
  while (connect(fd, address, length) != 0) {
    if (errno != EAGAIN && errno != EINTR) return errno;
    if (SignalPending()) return EINTR;
  }
  return SetSendTimeout(fd, 0) ? 0 : errno;
}

int ConnectInet(int fd, const sockaddr* address, socklen_t length) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  if (connect(fd, address, length) != 0) {
    if (errno != EINPROGRESS) return errno;
    pollfd polled{fd, POLLOUT, 0};
    if (!WaitUntilReady({&polled, 1})) return errno;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    if (error != 0) return error;
  }
  return fcntl(fd, F_SETFL, flags) == 0 ? 0 : errno;
}

}  // namespace

sigset_t TerminationSet() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  return set;
}

bool WaitUntilReady(std::span<pollfd> polled) {
  const sigset_t set = TerminationSet();
  const UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return false;
  std::vector<pollfd> all(polled.begin(), polled.end());
  all.push_back({signals.get(), POLLIN, 0});
  while (poll(all.data(), all.size(), -1) < 0) {
    if (errno != EINTR) return false;
  }
  bool ready = false;
  for (size_t i = 0; i < polled.size(); ++i) {
    polled[i].revents = all[i].revents;
    ready |= all[i].revents != 0;
  }
  if (!ready) errno = EINTR;
  return ready;
}

bool WaitUntilReadable(int fd) {
  pollfd polled{fd, POLLIN, 0};
  return WaitUntilReady({&polled, 1});
}

UniqueFd ConnectStream(const sockaddr* address, socklen_t length, int* error) {
  UniqueFd fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    *error = errno;
    return {};
  }
  *error = address->sa_family == AF_UNIX ? ConnectUnix(fd.get(), address, length)
                                         : ConnectInet(fd.get(), address, length);
  return *error == 0 ? std::move(fd) : UniqueFd();
}

}  // namespace davit
