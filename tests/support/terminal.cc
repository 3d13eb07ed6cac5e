// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/support/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace davit::testing {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<std::unique_ptr<Terminal>> Terminal::Start(const std::vector<std::string>& argv,
                                                  const std::vector<std::string>& environment) {
  const std::vector<char*> arguments = Pointers(argv);
  const std::vector<char*> variables = Pointers(environment);
  const winsize size{.ws_row = 50, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
  auto terminal = std::unique_ptr<Terminal>(new Terminal());
  int fd = -1;
  terminal->pid_ = forkpty(&fd, nullptr, nullptr, &size);
  if (terminal->pid_ < 0) return FailErrno("forkpty");
  if (terminal->pid_ == 0) {
    // A test that was started in the background may have them ignored; at a terminal nobody has.
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    execve(arguments[0], arguments.data(), variables.data());
    _exit(127);
  }
  terminal->fd_.reset(fd);
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return FailErrno("fcntl");
  return terminal;
}

Terminal::~Terminal() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Status Terminal::Type(std::string_view keys) {
  if (write(fd_.get(), keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
    return FailErrno("terminal");
  }
  return {};
}

Result<bool> Terminal::Fill() {
  pollfd p{fd_.get(), POLLIN, 0};
  if (poll(&p, 1, static_cast<int>(kPatience.count())) <= 0)
    return davit::Fail("nothing more within the time");
  char buffer[4096];
  const ssize_t n = read(fd_.get(), buffer, sizeof buffer);
  if (n <= 0) return false;
  pending_.append(buffer, static_cast<size_t>(n));
  return true;
}

Result<std::string> Terminal::Expect(std::string_view text) {
  size_t found;
  while ((found = pending_.find(text)) == std::string::npos) {
    const Result<bool> more = Fill();
    if (more && *more) continue;
    return davit::Fail("waiting for '" + std::string(text) +
                       "': " + (more ? "the program has ended" : more.error().message) +
                       "; there is:\n" + pending_);
  }
  std::string shown = pending_.substr(0, found + text.size());
  pending_.erase(0, shown.size());
  return shown;
}

Result<Terminal::End> Terminal::ExpectEnd() {
  for (;;) {
    const Result<bool> more = Fill();
    if (!more) return davit::Fail(more.error().message + "; there is:\n" + pending_);
    if (!*more) break;
  }
  int raw = 0;
  if (waitpid(pid_, &raw, 0) != pid_) return FailErrno("waitpid");
  pid_ = -1;
  return End{std::exchange(pending_, {}), WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw)};
}

}  // namespace davit::testing
