// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The back end that takes everything and gives nothing. Owner: control thread; Write(): any.
#pragma once

#include <string>

#include "vmm/backend/char/chardev.h"

namespace davit::backend {

class NullChardev final : public Chardev {
 public:
  explicit NullChardev(std::string id) : id_(std::move(id)) {}

  const std::string& id() const override { return id_; }
  std::string filename() const override { return "null"; }
  bool frontend_open() const override { return client_ != nullptr; }
  Status Attach(ChardevClient* client) override {
    if (client && client_) return Fail("Device '" + id_ + "' is in use");
    client_ = client;
    return {};
  }
  size_t Put(std::span<const std::byte> data) override { return data.size(); }
  void OnWritable(std::function<void()>) override {}
  void ResumeInput() override {}
  void SendBreak() override {
    if (client_) client_->OnEvent(ChardevEvent::kBreak);
  }

 private:
  const std::string id_;
  ChardevClient* client_ = nullptr;
};

}  // namespace davit::backend
