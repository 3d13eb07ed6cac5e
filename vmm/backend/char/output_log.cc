// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See output_log.h.
#include "vmm/backend/char/output_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "vmm/base/log.h"

namespace davit::backend {

Result<std::unique_ptr<OutputLog>> OutputLog::Open(const std::string& chardev, io::EventLoop& loop,
                                                   FileOpener& opener, const std::string& path,
                                                   bool append) {
  const int flags = O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC) | O_NONBLOCK | O_NOCTTY;
  int error = 0;
  auto fd = opener.Open(path, flags, &error);
  if (!fd) {
    // QEMU says of paths that it could not create them, of a descriptor set what the opener says.
    constexpr std::string_view kOpen = "Could not open ";
    Error failure = std::move(fd).error();
    if (failure.message.starts_with(kOpen)) {
      failure.message.replace(0, kOpen.size(), "Could not create ");
    }
    return Fail(std::move(failure));
  }
  return std::unique_ptr<OutputLog>(
      new OutputLog(fmt::format("chardev '{}', log {}", chardev, path), loop,
                    OpenedFile(std::move(*fd), opener)));
}

OutputLog::OutputLog(std::string name, io::EventLoop& loop, OpenedFile file)
    : name_(std::move(name)), loop_(loop), file_(std::move(file)) {}

// A reader that has made room meanwhile gets what fits.
OutputLog::~OutputLog() {
  std::lock_guard lock(mutex_);
  if (!backlog_.empty()) (void)WriteSome(backlog_);
}

void OutputLog::Append(std::span<const std::byte> data) {
  std::lock_guard lock(mutex_);
  const bool waits = !backlog_.empty();
  const size_t done = waits ? 0 : WriteSome(data);
  if (done == data.size()) return;
  const std::span<const std::byte> rest = data.subspan(done);
  if (rest.size() > kMaxBacklog - backlog_.size()) return Complain("its reader is too slow");
  backlog_.insert(backlog_.end(), rest.begin(), rest.end());
  if (waits) return;
  loop_.Post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) Watch();
  });
}

size_t OutputLog::WriteSome(std::span<const std::byte> data) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = write(file_.get(), data.data() + done, data.size() - done);
    if (n >= 0) {
      done += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      Complain(std::strerror(errno));
      return data.size();
    }
  }
  return done;
}

void OutputLog::Complain(const char* reason) {
  if (!std::exchange(complained_, true)) DAVIT_LOG_WARN("{}: output is lost: {}", name_, reason);
}

void OutputLog::Watch() {
  auto watch = loop_.WatchWritable(file_.get(), [this] { OnWritable(); });
  if (watch) {
    watch_ = std::move(*watch);
    return;
  }
  std::lock_guard lock(mutex_);
  Complain(watch.error().message.c_str());
  backlog_.clear();
}

void OutputLog::OnWritable() {
  {
    std::lock_guard lock(mutex_);
    const size_t done = WriteSome(backlog_);
    backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(done));
    if (!backlog_.empty()) return;
  }
  watch_.reset();
}

}  // namespace davit::backend
