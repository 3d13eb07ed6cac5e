// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See stdio_chardev.h.
#include "vmm/backend/char/stdio_chardev.h"

#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>

namespace davit::backend {
namespace {

// What the terminal was and is to be. Written by Open() before `active`, read by exit and signal
// handlers.
struct Terminal {
  volatile sig_atomic_t active = 0;
  bool is_tty = false;
  int in_fd = 0, out_fd = 1;
  int in_flags = 0, out_flags = 0;
  termios before{}, raw{};
  struct sigaction old_sigcont {};
};
Terminal g_terminal;

void Restore() {
  if (!g_terminal.active) return;
  g_terminal.active = 0;
  if (g_terminal.is_tty) tcsetattr(g_terminal.in_fd, TCSANOW, &g_terminal.before);
  fcntl(g_terminal.in_fd, F_SETFL, g_terminal.in_flags);
  fcntl(g_terminal.out_fd, F_SETFL, g_terminal.out_flags);
}

// The shell has set the terminal to its own liking meanwhile.
void OnContinue(int) {
  const int saved = errno;
  if (g_terminal.active) {
    if (g_terminal.is_tty) tcsetattr(g_terminal.in_fd, TCSANOW, &g_terminal.raw);
    fcntl(g_terminal.in_fd, F_SETFL, g_terminal.in_flags | O_NONBLOCK);
    fcntl(g_terminal.out_fd, F_SETFL, g_terminal.out_flags | O_NONBLOCK);
  }
  errno = saved;
}

termios MakeRaw(termios t, bool signal) {
  t.c_iflag &=
      ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  t.c_oflag |= OPOST;
  t.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | IEXTEN);
  if (!signal) t.c_lflag &= ~static_cast<tcflag_t>(ISIG);
  t.c_cflag &= ~static_cast<tcflag_t>(CSIZE | PARENB);
  t.c_cflag |= CS8;
  t.c_cc[VMIN] = 1;
  t.c_cc[VTIME] = 0;
  return t;
}

}  // namespace

Result<std::unique_ptr<Chardev>> StdioChardev::Open(std::string id, io::EventLoop& loop,
                                                    bool signal, int in_fd, int out_fd) {
  if (g_terminal.active) return Fail("cannot use stdio by multiple character devices");
  g_terminal.in_fd = in_fd;
  g_terminal.out_fd = out_fd;
  g_terminal.in_flags = fcntl(in_fd, F_GETFL);
  g_terminal.out_flags = fcntl(out_fd, F_GETFL);
  if (g_terminal.in_flags < 0 || g_terminal.out_flags < 0) {
    return FailErrno("cannot use stdio as a character device");
  }
  g_terminal.is_tty = isatty(in_fd) && tcgetattr(in_fd, &g_terminal.before) == 0;
  fcntl(in_fd, F_SETFL, g_terminal.in_flags | O_NONBLOCK);
  fcntl(out_fd, F_SETFL, g_terminal.out_flags | O_NONBLOCK);
  if (g_terminal.is_tty) {
    g_terminal.raw = MakeRaw(g_terminal.before, signal);
    tcsetattr(in_fd, TCSANOW, &g_terminal.raw);
  }
  g_terminal.active = 1;
  static const int registered = std::atexit(Restore);
  (void)registered;
  struct sigaction action {};
  action.sa_handler = OnContinue;
  action.sa_flags = SA_RESTART;
  sigaction(SIGCONT, &action, &g_terminal.old_sigcont);

  std::unique_ptr<StdioChardev> chardev(new StdioChardev(std::move(id), loop));
  chardev->Connect(in_fd, out_fd);
  return chardev;
}

StdioChardev::~StdioChardev() {
  Restore();
  sigaction(SIGCONT, &g_terminal.old_sigcont, nullptr);
}

}  // namespace davit::backend
