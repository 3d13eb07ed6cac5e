// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The three sources of rng.h. rng-egd: EGD's command 2, "read entropy, blocking", is a byte 0x02
// and a byte of length; that many bytes come back.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "vmm/backend/rng/rng.h"
#include "vmm/base/log.h"

namespace davit::backend {
namespace {

constexpr size_t kMost = 4096;  // bytes that a request gets at once

class Builtin final : public RngSource {
 public:
  explicit Builtin(io::EventLoop& loop) : RngSource(loop) {}

 private:
  void Work() override {
    const Pending* pending = front();
    if (pending == nullptr) return;
    std::array<std::byte, kMost> bytes;
    const ssize_t n = getrandom(bytes.data(), std::min(pending->bytes, bytes.size()), 0);
    if (n <= 0) return Later([this] { Work(); });  // a signal
    Deliver(std::span(bytes).first(static_cast<size_t>(n)));
  }
};

class Random final : public RngSource {
 public:
  Random(io::EventLoop& loop, std::string path, OpenedFile fd)
      : RngSource(loop), path_(std::move(path)), fd_(std::move(fd)) {}

 private:
  void Work() override {
    if (watch_ || dry_ || front() == nullptr) return;
    auto watch = loop().WatchReadable(fd_.get(), [this] { Read(); });
    if (watch) {
      watch_ = std::move(*watch);
    } else {
      Read();  // a plain file is always readable and cannot be watched
    }
  }

  void Read() {
    const Pending* pending = front();
    if (pending == nullptr) {
      watch_.reset();
      return;
    }
    std::array<std::byte, kMost> bytes;
    const ssize_t n = read(fd_.get(), bytes.data(), std::min(pending->bytes, bytes.size()));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      DAVIT_LOG_WARN("rng-random: {}: {}", path_, n == 0 ? "end of file" : std::strerror(errno));
      dry_ = true;
      watch_.reset();
      return;
    }
    Deliver(std::span(bytes).first(static_cast<size_t>(n)));
    if (front() == nullptr) watch_.reset();
  }

  const std::string path_;
  const OpenedFile fd_;
  bool dry_ = false;
  std::unique_ptr<io::Registration> watch_;
};

class Egd final : public RngSource, public ChardevClient {
 public:
  Egd(io::EventLoop& loop, Chardev* chardev) : RngSource(loop), chardev_(chardev) {}
  ~Egd() override {
    if (attached_) (void)chardev_->Attach(nullptr);
  }
  Status Init() {
    DAVIT_TRY(chardev_->Attach(this));
    attached_ = true;
    return {};
  }

  size_t CanReceive() override { return wanted_ - got_.size(); }
  void Receive(std::span<const std::byte> data) override {
    got_.insert(got_.end(), data.begin(), data.end());
    if (got_.size() < wanted_) return;
    const std::vector<std::byte> bytes = std::exchange(got_, {});
    wanted_ = 0;
    // It may have been cancelled, and another one that wants less be the first now.
    if (const Pending* pending = front()) {
      Deliver(std::span(bytes).first(std::min(bytes.size(), pending->bytes)));
    }
    Work();
  }
  void OnEvent(ChardevEvent event) override {
    // What the peer owes is lost with the connection.
    if (event == ChardevEvent::kBreak) return;
    got_.clear();
    wanted_ = 0;
    if (event == ChardevEvent::kOpened) Later([this] { Work(); });
  }

 private:
  void Work() override {
    const Pending* pending = front();
    if (pending == nullptr || wanted_ != 0) return;
    const size_t bytes = std::min<size_t>(pending->bytes, 255);
    const std::array<std::byte, 2> command = {std::byte{0x02}, static_cast<std::byte>(bytes)};
    // Two bytes fit or the peer is stuck; a half-taken command would spoil the stream.
    if (chardev_->Write(command) != command.size()) {
      DAVIT_LOG_WARN("rng-egd: the peer of '{}' does not read", chardev_->id());
      return;
    }
    wanted_ = bytes;
    chardev_->ResumeInput();
  }

  Chardev* const chardev_;
  bool attached_ = false;
  size_t wanted_ = 0;  // bytes that the daemon owes, with those in got_
  std::vector<std::byte> got_;
};

}  // namespace

std::unique_ptr<RngSource> MakeRngBuiltin(io::EventLoop& loop) {
  return std::make_unique<Builtin>(loop);
}

Result<std::unique_ptr<RngSource>> OpenRngRandom(io::EventLoop& loop, FileOpener& files,
                                                 const std::string& path) {
  int error = 0;
  auto fd = files.Open(path, O_RDONLY | O_NONBLOCK, &error);
  if (!fd) return FailErrno(fmt::format("Could not open '{}'", path), error);
  return std::make_unique<Random>(loop, path, OpenedFile(std::move(*fd), files));
}

Result<std::unique_ptr<RngSource>> ConnectRngEgd(io::EventLoop& loop, Chardev* chardev) {
  auto egd = std::make_unique<Egd>(loop, chardev);
  DAVIT_TRY(egd->Init());
  return egd;
}

}  // namespace davit::backend
