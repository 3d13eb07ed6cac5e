// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Delivers events to every session that has negotiated. Events named in the table of limits (as in
// QEMU 7.2: RTC_CHANGE, WATCHDOG, BALLOON_CHANGE, VSERPORT_CHANGE, ...) go out at most once a
// second for each source; the last value is always delivered. Each event carries the time when it
// happened. An event emitted while a command's handler runs precedes that command's reply, as in
// QEMU (STOP before stop's return). Owner: control thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/runtime/event.h"
#include "vmm/base/thread_checker.h"

namespace davit::qmp {

// A session, as the hub sees it.
class EventSubscriber {
 public:
  virtual ~EventSubscriber() = default;
  virtual bool wants_events() const = 0;
  virtual bool pretty() const = 0;
  // A whole message with its line end. May unsubscribe itself.
  virtual void DeliverEvent(std::string_view message) = 0;
};

class EventHub {
 public:
  // Runs a function once on the control thread after a delay. Tests have their own.
  using CallAfter = std::function<void(std::chrono::nanoseconds delay, std::function<void()> fn)>;
  using Time = std::chrono::system_clock::time_point;

  // `call_after` may hold its functions longer than the hub lives.
  explicit EventHub(CallAfter call_after);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  void Emit(const qapi::Event& event, Time when = std::chrono::system_clock::now());

  void Subscribe(EventSubscriber* subscriber);
  void Unsubscribe(EventSubscriber* subscriber);

  // Delivers what the limits hold back (before the process ends).
  void Flush();

 private:
  struct Stamped {
    qapi::Event event;
    Time when;
  };
  using Key = std::pair<std::string_view, std::string>;  // event, source

  void Broadcast(const qapi::Event& event, Time when);
  void Arm(const Key& key, std::chrono::nanoseconds period);
  void Expire(const Key& key, std::chrono::nanoseconds period);

  ThreadChecker thread_;
  CallAfter call_after_;
  std::vector<EventSubscriber*> subscribers_;  // null: gone while a broadcast went round
  bool broadcasting_ = false;
  // One row for each source that was heard in its current period; the value waits for the end of
  // it.
  std::map<Key, std::optional<Stamped>> limited_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace davit::qmp
