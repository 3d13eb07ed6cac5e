// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What tests of a whole VM share: an EventSink that keeps the events as text ("STOP",
// "SHUTDOWN guest-shutdown"), and a chardev that keeps what the guest prints.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "vmm/backend/char/chardev.h"
#include "vmm/control/events.h"

namespace davit::machine {

class RecordingSink final : public control::EventSink {
 public:
  void Emit(const control::Event& event, std::chrono::system_clock::time_point) override {
    events.push_back(std::visit([](const auto& e) { return Name(e); }, event));
  }
  std::vector<std::string> Take() { return std::exchange(events, {}); }
  bool Has(const std::string& event) const {
    for (const std::string& e : events) {
      if (e == event) return true;
    }
    return false;
  }
  std::vector<std::string> events;

 private:
  static std::string Cause(control::ShutdownCause cause) {
    static constexpr const char* kNames[] = {
        "none",        "host-error",      "host-qmp-quit",  "host-qmp-system-reset",
        "host-signal", "host-ui",         "guest-shutdown", "guest-reset",
        "guest-panic", "subsystem-reset", "snapshot-load"};
    return kNames[static_cast<unsigned>(cause)];
  }
  static std::string Name(const control::ShutdownEvent& e) { return "SHUTDOWN " + Cause(e.cause); }
  static std::string Name(const control::ResetEvent& e) { return "RESET " + Cause(e.cause); }
  static std::string Name(const control::PowerdownEvent&) { return "POWERDOWN"; }
  static std::string Name(const control::StopEvent&) { return "STOP"; }
  static std::string Name(const control::ResumeEvent&) { return "RESUME"; }
  static std::string Name(const control::SuspendEvent&) { return "SUSPEND"; }
  static std::string Name(const control::WakeupEvent&) { return "WAKEUP"; }
  static std::string Name(const control::WatchdogEvent& e) {
    static constexpr const char* kNames[] = {"reset", "shutdown", "poweroff",  "pause",
                                             "debug", "none",     "inject-nmi"};
    return std::string("WATCHDOG ") + kNames[static_cast<unsigned>(e.action)];
  }
  // Events of devices, which have tests of their own.
  template <typename T>
  static std::string Name(const T&) {
    return "DEVICE";
  }
  static std::string Name(const control::GuestCrashLoadedEvent&) { return "GUEST_CRASHLOADED"; }
  static std::string Name(const control::GuestPanickedEvent& e) {
    static constexpr const char* kNames[] = {"pause", "poweroff", "run"};
    return std::string("GUEST_PANICKED ") + kNames[static_cast<unsigned>(e.action)];
  }
};

// Writes come from vCPU threads, the rest from the control thread.
class ConsoleChardev final : public backend::Chardev {
 public:
  explicit ConsoleChardev(std::string id) : id_(std::move(id)) {}
  const std::string& id() const override { return id_; }
  std::string filename() const override { return "console"; }
  bool frontend_open() const override { return client_ != nullptr; }
  Status Attach(backend::ChardevClient* client) override {
    client_ = client;
    return {};
  }
  size_t Put(std::span<const std::byte> data) override {
    std::lock_guard lock(mutex_);
    for (std::byte b : data) text_ += static_cast<char>(b);
    return data.size();
  }
  void OnWritable(std::function<void()>) override {}
  void ResumeInput() override {}

  void Type(char c) {
    const std::byte byte{static_cast<unsigned char>(c)};
    if (client_ != nullptr) client_->Receive(std::span(&byte, 1));
  }
  bool Contains(const std::string& text) const {
    std::lock_guard lock(mutex_);
    return text_.find(text) != std::string::npos;
  }
  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }
  void Clear() {
    std::lock_guard lock(mutex_);
    text_.clear();
  }

 private:
  const std::string id_;
  backend::ChardevClient* client_ = nullptr;
  mutable std::mutex mutex_;  // guards text_
  std::string text_;
};

}  // namespace davit::machine
