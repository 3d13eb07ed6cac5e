// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The back end that keeps the last bytes that the guest sent until ringbuf-read takes them; older
// ones are overwritten. It gives the guest nothing. Owner: control thread; Write(): any.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "vmm/backend/char/chardev.h"
#include "vmm/backend/char/spec.h"

namespace davit::backend {

class RingbufChardev final : public Chardev {
 public:
  // Error: the size is no power of two, or more than there is memory.
  static Result<std::unique_ptr<Chardev>> Open(std::string id, const RingbufSpec& spec);

  const std::string& id() const override { return id_; }
  std::string filename() const override { return "ringbuf"; }
  bool frontend_open() const override { return client_ != nullptr; }
  Status Attach(ChardevClient* client) override;
  size_t Put(std::span<const std::byte> data) override;
  void OnWritable(std::function<void()>) override {}
  void ResumeInput() override {}
  void SendBreak() override {
    if (client_) client_->OnEvent(ChardevEvent::kBreak);
  }

  // Removes and returns the oldest bytes, at most `max`.
  std::string Take(uint64_t max);

 private:
  RingbufChardev(std::string id, std::unique_ptr<std::byte[]> ring, uint64_t size)
      : id_(std::move(id)), ring_(std::move(ring)), size_(size) {}

  const std::string id_;
  ChardevClient* client_ = nullptr;
  std::mutex mutex_;  // guards the rest
  std::unique_ptr<std::byte[]> ring_;
  const uint64_t size_;
  // Of all bytes ever: how many came, how many went. The position is that modulo the size.
  uint64_t written_ = 0, taken_ = 0;
};

}  // namespace davit::backend
