// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/support/console.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace davit::testing {

Status Console::Fill(std::chrono::steady_clock::time_point deadline) {
  const auto left =
      std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
  pollfd p{fd_, POLLIN, 0};
  if (left.count() < 0 || poll(&p, 1, static_cast<int>(left.count())) <= 0) {
    return Fail("nothing more within the time");
  }
  char buffer[4096];
  const ssize_t n = read(fd_, buffer, sizeof buffer);
  if (n <= 0) return Fail("the console was closed");
  transcript_.append(buffer, static_cast<size_t>(n));
  return {};
}

Result<std::string> Console::Take(std::string_view text, std::string_view end,
                                  milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const size_t found = transcript_.find(text, consumed_);
    if (found != std::string::npos) {
      const size_t at = transcript_.find(end, found + text.size());
      if (at != std::string::npos) {
        std::string taken = transcript_.substr(consumed_, at + end.size() - consumed_);
        consumed_ = at + end.size();
        return taken;
      }
    }
    if (!forbidden_.empty() && transcript_.find(forbidden_, forbidden_from_) != std::string::npos) {
      return Fail(Missing(text, "'" + forbidden_ + "' came"));
    }
    if (Status status = Fill(deadline); !status) {
      return Fail(Missing(text, status.error().message));
    }
  }
}

std::string Console::Missing(std::string_view text, const std::string& why) const {
  constexpr size_t kTail = 2000;
  const size_t from = transcript_.size() > kTail ? transcript_.size() - kTail : 0;
  return "waiting for '" + std::string(text) + "': " + why + "; the console's end:\n" +
         transcript_.substr(from);
}

Result<std::string> Console::WaitFor(std::string_view text, milliseconds timeout) {
  return Take(text, "\n", timeout);
}

Result<std::string> Console::WaitForPrompt(std::string_view text, milliseconds timeout) {
  return Take(text, "", timeout);
}

Result<std::string> Console::WaitForLine(std::string_view prefix, milliseconds timeout) {
  DAVIT_ASSIGN(const std::string lines, WaitFor(prefix, timeout));
  const size_t from = lines.find(prefix) + prefix.size();
  size_t end = lines.size();
  while (end > from && (lines[end - 1] == '\n' || lines[end - 1] == '\r')) --end;
  return lines.substr(from, end - from);
}

bool Console::Quiet(milliseconds timeout) {
  return !Fill(std::chrono::steady_clock::now() + timeout);
}

Status Console::Send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return FailErrno("console");
    text.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

}  // namespace davit::testing
