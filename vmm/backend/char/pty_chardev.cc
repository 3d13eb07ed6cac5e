// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pty_chardev.h.
#include "vmm/backend/char/pty_chardev.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

#include <array>

namespace davit::backend {

Result<std::unique_ptr<PtyChardev>> PtyChardev::Open(std::string id, io::EventLoop& loop) {
  UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  std::array<char, 64> name{};
  if (!master || grantpt(master.get()) != 0 || unlockpt(master.get()) != 0 ||
      ptsname_r(master.get(), name.data(), name.size()) != 0) {
    return FailErrno("Failed to create PTY");
  }
  {
    // Opened and closed once: from now on the master tells by POLLHUP that nobody has it open.
    UniqueFd slave(open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios tty{};
    if (!slave || tcgetattr(slave.get(), &tty) != 0) return FailErrno("Failed to create PTY");
    cfmakeraw(&tty);
    tcsetattr(slave.get(), TCSANOW, &tty);
  }
  SetNonBlocking(master.get());
  std::unique_ptr<PtyChardev> pty(
      new PtyChardev(std::move(id), loop, std::move(master), name.data()));
  DAVIT_TRY(pty->WatchOpenings());
  return pty;
}

Status PtyChardev::WatchOpenings() {
  inotify_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_ || inotify_add_watch(inotify_.get(), path_.c_str(), IN_OPEN) < 0) {
    return FailErrno("Failed to watch " + path_);
  }
  DAVIT_ASSIGN(openings_, loop().WatchReadable(inotify_.get(), [this] {
    std::array<char, 1024> events;
    while (read(inotify_.get(), events.data(), events.size()) > 0) {
    }
    CheckPeer();
  }));
  return {};
}

void PtyChardev::CheckPeer() {
  pollfd poll_fd{master_.get(), POLLIN, 0};
  const bool open = poll(&poll_fd, 1, 0) == 0 || !(poll_fd.revents & POLLHUP);
  if (open && !connected()) Connect(master_.get(), master_.get());
}

void PtyChardev::OnHangup() {
  Disconnect();
  CheckPeer();
}

}  // namespace davit::backend
