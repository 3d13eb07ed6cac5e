// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Where random bytes for the guest come from: the objects rng-builtin, rng-random and rng-egd. A
// source serves its requests in their order, on the loop's thread. Owner: the loop's thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vmm/backend/char/chardev.h"
#include "vmm/backend/file/file_opener.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

// Gets 1 to as many bytes as were asked for, once.
using RngSink = std::function<void(std::span<const std::byte> bytes)>;

class RngSource {
 public:
  // Destroying it cancels the request; the source may be gone by then.
  class Request;

  virtual ~RngSource();
  // bytes: above 0. The sink is called from the loop, not from within; it may make the next
  // request, and destroy its own.
  std::unique_ptr<Request> Ask(size_t bytes, RngSink sink);

 protected:
  explicit RngSource(io::EventLoop& loop);
  struct Pending {
    size_t bytes;
    RngSink sink;  // null: cancelled
  };
  // The oldest request; null: none.
  Pending* front();
  // Ends the oldest request. bytes are at most what it asked for.
  void Deliver(std::span<const std::byte> bytes);
  // A request came, or the oldest changed: get bytes for front().
  virtual void Work() = 0;
  io::EventLoop& loop() { return *loop_; }
  // Runs fn from the loop unless the source is gone.
  void Later(std::function<void()> fn);

 private:
  struct Queue;
  io::EventLoop* const loop_;
  std::shared_ptr<Queue> queue_;
};

// rng-builtin: the host kernel's generator.
std::unique_ptr<RngSource> MakeRngBuiltin(io::EventLoop& loop);
// rng-random: a file or device. `files` outlives it. Error: "Could not open 'PATH': ...".
Result<std::unique_ptr<RngSource>> OpenRngRandom(io::EventLoop& loop, FileOpener& files,
                                                 const std::string& path);
// rng-egd: a daemon that speaks the EGD protocol on a character device. Error: it is in use.
Result<std::unique_ptr<RngSource>> ConnectRngEgd(io::EventLoop& loop, Chardev* chardev);

class RngSource::Request {
 public:
  ~Request();
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

 private:
  friend class RngSource;
  explicit Request(std::shared_ptr<Pending> pending) : pending_(std::move(pending)) {}
  std::shared_ptr<Pending> pending_;
};

}  // namespace davit::backend
