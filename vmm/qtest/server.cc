// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See server.h.
#include "vmm/qtest/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "vmm/qtest/protocol.h"

namespace davit::qtest {
namespace {

constexpr size_t kReadAtOnce = 64 * 1024;
constexpr size_t kMaxUnsent = 256 * 1024;  // above it no further command is read

}  // namespace

Result<std::unique_ptr<Server>> Server::Create(backend::Chardev& chardev, Target& target,
                                               const Options& options) {
  std::unique_ptr<Server> server(new Server(chardev, target));
  if (options.log.empty()) {
    server->log_.reset(stderr);
  } else if (options.log != "none") {
    server->log_.reset(std::fopen(options.log.c_str(), "we"));
    if (!server->log_) return FailErrno(fmt::format("could not open qtest log '{}'", options.log));
  }
  chardev.OnWritable([raw = server.get(), alive = std::weak_ptr(server->alive_)] {
    if (alive.lock()) raw->OnWritable();
  });
  DAVIT_TRY(chardev.Attach(server.get()));
  return server;
}

Server::Server(backend::Chardev& chardev, Target& target)
    : chardev_(chardev),
      executor_(target, [this](std::string event) { Send(std::move(event)); }),
      start_(std::chrono::steady_clock::now()) {}

Server::~Server() { (void)chardev_.Attach(nullptr); }

double Server::Seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Server::Log(char kind, const std::string& text) {
  if (!log_) return;
  std::fprintf(log_.get(), "[%c +%.6f] %s\n", kind, Seconds(), text.c_str());
  std::fflush(log_.get());
}

bool Server::Stalled() {
  const std::lock_guard lock(mutex_);
  return output_.size() > kMaxUnsent;
}

size_t Server::CanReceive() { return input_.empty() && !Stalled() ? kReadAtOnce : 0; }

void Server::Receive(std::span<const std::byte> data) {
  const size_t before = input_.size();
  input_.resize(before + data.size());
  std::memcpy(input_.data() + before, data.data(), data.size());
  ServeInput();
}

void Server::ServeInput() {
  size_t done = 0;
  while (done < input_.size() && !Stalled()) {
    const size_t end = std::min(input_.find('\n', done), input_.size());
    const size_t room = kMaxLine - line_.size();
    too_long_ = too_long_ || end - done > room;
    line_.append(input_, done, std::min(end - done, room));
    done = end + 1;
    if (end == input_.size()) break;
    const std::string line = std::exchange(line_, {});
    if (std::exchange(too_long_, false)) {
      Send("FAIL the line is too long");
    } else {
      ServeLine(line);
    }
  }
  input_.erase(0, std::min(done, input_.size()));
}

void Server::ServeLine(const std::string& line) {
  {
    const std::lock_guard lock(mutex_);
    Log('R', line);
  }
  Send(executor_.Execute(ParseCommand(line)));
}

void Server::Send(std::string line) {
  const std::lock_guard lock(mutex_);
  if (!opened_) return;
  Log('S', line);
  output_ += line;
  output_ += '\n';
  Flush();
}

void Server::Flush() {
  if (waiting_ || output_.empty()) return;
  const size_t taken = chardev_.Write(std::as_bytes(std::span(output_)));
  output_.erase(0, taken);
  waiting_ = !output_.empty();
}

void Server::OnWritable() {
  {
    const std::lock_guard lock(mutex_);
    waiting_ = false;
    Flush();
  }
  if (Stalled()) return;
  ServeInput();
  if (CanReceive() != 0) chardev_.ResumeInput();
}

void Server::OnEvent(backend::ChardevEvent event) {
  if (event == backend::ChardevEvent::kBreak) return;
  const bool open = event == backend::ChardevEvent::kOpened;
  if (open) executor_.ForgetLevels();
  input_.clear();
  line_.clear();
  too_long_ = false;
  const std::lock_guard lock(mutex_);
  opened_ = open;
  output_.clear();
  waiting_ = false;
  if (open) {
    start_ = std::chrono::steady_clock::now();
    if (log_) {
      std::fprintf(log_.get(), "[I 0.000000] OPENED\n");
      std::fflush(log_.get());
    }
  } else {
    Log('I', "CLOSED");
  }
}

}  // namespace davit::qtest
