// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What back ends on descriptors share: non-blocking output from any thread with flow control, input
// at the pace of the front end. There is no buffer: what the descriptor does not take stays with
// the front end, so a peer that does not read costs no memory and stalls nobody but the guest's own
// transmitter. Owner: control thread (the loop's), except Write() and ResumeInput().
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "vmm/backend/char/chardev.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

class FdChardev : public Chardev {
 public:
  FdChardev(std::string id, io::EventLoop& loop);
  ~FdChardev() override;

  const std::string& id() const override { return id_; }
  bool frontend_open() const override { return client_ != nullptr; }
  Status Attach(ChardevClient* client) override;
  size_t Put(std::span<const std::byte> data) override;
  void OnWritable(std::function<void()> fn) override;
  void ResumeInput() override;
  void SendBreak() override { Tell(ChardevEvent::kBreak); }

 protected:
  // Starts to use descriptors, which stay the subclass's and do not block; -1: none of that
  // direction.
  void Connect(int in_fd, int out_fd);
  // Stops using them: writes are dropped. Sends kClosed if Connect() had sent kOpened.
  void Disconnect();
  bool connected() const { return connected_; }
  io::EventLoop& loop() { return loop_; }
  // Runs fn on the loop, unless this object has died by then. Any thread.
  void PostToSelf(std::function<void()> fn);

  // The host end is at its end of file or broken. Default: no more input, the output stays.
  virtual void OnHangup();
  // A write has failed for good, and its bytes are lost. Default: nothing.
  virtual void OnWriteError() {}
  // One write(2) or send(2).
  virtual ssize_t WriteSome(int fd, std::span<const std::byte> data);
  // One read(2); 0: the end of the input.
  virtual ssize_t ReadSome(int fd, std::span<std::byte> data);
  void StopInput();
  // Of sockets: whether a peer that goes is noticed while the front end takes nothing. What it had
  // sent is then kept for a front end that listens, and dropped for one that does not.
  virtual bool NoticesHangup() const { return false; }

 private:
  void UpdateInput();
  void PauseInput();
  void OnHangupWhilePaused();
  void OnReadable();
  void WatchOutput();
  void NotifyWritable();
  void Tell(ChardevEvent event);

  const std::string id_;
  io::EventLoop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  ChardevClient* client_ = nullptr;
  bool connected_ = false;
  int in_fd_ = -1;
  std::unique_ptr<io::Registration> input_watch_;
  UniqueFd hangup_fd_;  // an epoll that gets readable when the peer of in_fd_ has gone
  std::unique_ptr<io::Registration> hangup_watch_;
  std::unique_ptr<io::Registration> output_watch_;
  std::atomic<bool> input_paused_{false};

  std::mutex mutex_;  // guards the rest
  int out_fd_ = -1;
  bool error_posted_ = false;
  bool output_full_ = false;  // the front end waits for on_writable_
  std::function<void()> on_writable_;
};

// Sets O_NONBLOCK and FD_CLOEXEC.
void SetNonBlocking(int fd);

}  // namespace davit::backend
