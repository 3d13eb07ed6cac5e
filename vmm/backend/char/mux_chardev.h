// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Several front ends on one back end. All of them write to it; what it reads goes to the one that
// has the focus. Ctrl-A begins a command of the user: Ctrl-A c hands the focus on, Ctrl-A h lists
// the others. Owner: control thread, except a front end's Write() and ResumeInput().
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "vmm/backend/char/chardev.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

class MuxChardev final : public Chardev, private ChardevClient {
 public:
  static constexpr size_t kMaxFrontEnds = 4;

  // `base` outlives it. `quit` (Ctrl-A x) may be empty. Error: the base is in use.
  static Result<std::unique_ptr<MuxChardev>> Open(std::string id, io::EventLoop& loop,
                                                  Chardev& base, std::function<void()> quit);
  ~MuxChardev() override;

  const std::string& id() const override { return id_; }
  std::string filename() const override { return "mux"; }
  bool frontend_open() const override;
  const Chardev& base() const { return base_; }
  // A place that is free; if none is, one that says so when a front end attaches.
  Chardev* FrontEnd() override;
  // To the front end that has the focus.
  void SendBreak() override;

  // Front ends have places of their own.
  Status Attach(ChardevClient* client) override;
  size_t Put(std::span<const std::byte> data) override { return base_.Write(data); }
  void OnWritable(std::function<void()>) override {}
  void ResumeInput() override {}

 private:
  class Place;

  MuxChardev(std::string id, io::EventLoop& loop, Chardev& base, std::function<void()> quit);
  // A front end has come to this place, or gone.
  void OnAttached(Place& place, bool attached);
  void FocusNext();
  // True: the byte was part of a command.
  bool TakeCommand(char byte);
  void RunCommand(char byte);
  void Print(std::string_view text);
  void Deliver(Place& place);

  // --- ChardevClient of the base
  size_t CanReceive() override;
  void Receive(std::span<const std::byte> data) override;
  void OnEvent(ChardevEvent event) override;

  const std::string id_;
  io::EventLoop& loop_;
  Chardev& base_;
  const std::function<void()> quit_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::array<std::unique_ptr<Place>, kMaxFrontEnds> places_;
  Place* focus_ = nullptr;
  bool open_ = false;     // the base's host end
  bool escaped_ = false;  // the last byte was Ctrl-A
};

}  // namespace davit::backend
