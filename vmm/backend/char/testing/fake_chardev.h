// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Chardev of device tests: keeps what is written, takes at most `room` bytes until the test makes
// more. One thread.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include "vmm/backend/char/chardev.h"

namespace davit::backend {

class FakeChardev final : public Chardev {
 public:
  const std::string& id() const override { return id_; }
  std::string filename() const override { return "fake"; }
  bool frontend_open() const override { return client_ != nullptr; }
  Status Attach(ChardevClient* client) override {
    if (client && client_) return Fail("Device '" + id_ + "' is in use");
    client_ = client;
    return {};
  }
  size_t Put(std::span<const std::byte> data) override {
    const size_t n = std::min(room, data.size());
    for (size_t i = 0; i < n; ++i) written += static_cast<char>(data[i]);
    room -= n;
    full_ = n < data.size();
    return n;
  }
  void OnWritable(std::function<void()> fn) override { on_writable_ = std::move(fn); }
  void ResumeInput() override { ++resumes; }

  // Gives as much as the front end takes; returns how much that was.
  size_t Feed(std::string_view text) {
    const size_t n = client_ ? std::min(text.size(), client_->CanReceive()) : 0;
    if (n) client_->Receive(std::as_bytes(std::span(text.data(), n)));
    return n;
  }
  void Send(ChardevEvent event) {
    if (client_) client_->OnEvent(event);
  }
  void MakeRoom(size_t n) {
    room += n;
    if (full_ && on_writable_) {
      full_ = false;
      on_writable_();
    }
  }

  size_t room = SIZE_MAX;
  std::string written;
  int resumes = 0;

 private:
  std::string id_ = "fake0";
  ChardevClient* client_ = nullptr;
  bool full_ = false;
  std::function<void()> on_writable_;
};

}  // namespace davit::backend
