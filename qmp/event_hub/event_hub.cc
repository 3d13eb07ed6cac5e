// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/event_hub/event_hub.h"

#include <algorithm>
#include <utility>

#include "qmp/protocol/reply.h"

namespace davit::qmp {
namespace {

struct Limit {
  std::string_view event;
  std::string_view source;  // data member that tells sources apart; empty: one source
  std::chrono::nanoseconds period;
};

constexpr std::chrono::seconds kSecond{1};
constexpr Limit kLimits[] = {
    {"BALLOON_CHANGE", "", kSecond}, {"MEMORY_DEVICE_SIZE_CHANGE", "qom-path", kSecond},
    {"QUORUM_FAILURE", "", kSecond}, {"QUORUM_REPORT_BAD", "node-name", kSecond},
    {"RTC_CHANGE", "", kSecond},     {"VSERPORT_CHANGE", "id", kSecond},
    {"WATCHDOG", "", kSecond},
};

const Limit* FindLimit(std::string_view event) {
  for (const Limit& limit : kLimits) {
    if (limit.event == event) return &limit;
  }
  return nullptr;
}

}  // namespace

EventHub::EventHub(CallAfter call_after) : call_after_(std::move(call_after)) {}

EventHub::~EventHub() = default;

void EventHub::Subscribe(EventSubscriber* subscriber) {
  DAVIT_ON_OWNER(thread_);
  subscribers_.push_back(subscriber);
}

void EventHub::Unsubscribe(EventSubscriber* subscriber) {
  // While a broadcast is going round the row stays, empty.
  std::replace(subscribers_.begin(), subscribers_.end(), subscriber,
               static_cast<EventSubscriber*>(nullptr));
  if (!broadcasting_) std::erase(subscribers_, nullptr);
}

void EventHub::Emit(const qapi::Event& event, Time when) {
  DAVIT_ON_OWNER(thread_);
  const Limit* limit = FindLimit(event.name);
  if (limit == nullptr) return Broadcast(event, when);
  Key key{limit->event, {}};
  if (const std::string* source = event.data[limit->source].AsString()) key.second = *source;
  const auto [it, quiet] = limited_.try_emplace(key);
  if (!quiet) {
    it->second = Stamped{event, when};
    return;
  }
  Broadcast(event, when);
  Arm(key, limit->period);
}

void EventHub::Arm(const Key& key, std::chrono::nanoseconds period) {
  call_after_(period, [this, alive = std::weak_ptr<bool>(alive_), key, period] {
    if (!alive.expired()) Expire(key, period);
  });
}

void EventHub::Expire(const Key& key, std::chrono::nanoseconds period) {
  const auto it = limited_.find(key);
  if (it == limited_.end()) return;
  if (!it->second) {
    limited_.erase(it);
    return;
  }
  const Stamped held = *std::exchange(it->second, std::nullopt);
  Broadcast(held.event, held.when);
  Arm(key, period);
}

void EventHub::Flush() {
  for (auto& [key, held] : limited_) {
    if (const std::optional<Stamped> last = std::exchange(held, std::nullopt)) {
      Broadcast(last->event, last->when);
    }
  }
}

void EventHub::Broadcast(const qapi::Event& event, Time when) {
  std::string texts[2];  // plain, pretty
  broadcasting_ = true;
  for (size_t i = 0; i < subscribers_.size(); ++i) {
    EventSubscriber* const subscriber = subscribers_[i];
    if (subscriber == nullptr || !subscriber->wants_events()) continue;
    std::string& text = texts[subscriber->pretty() ? 1 : 0];
    if (text.empty()) {
      AppendEvent(text, event.name, event.has_data ? &event.data : nullptr, when,
                  subscriber->pretty());
    }
    subscriber->DeliverEvent(text);
  }
  broadcasting_ = false;
  std::erase(subscribers_, nullptr);
}

}  // namespace davit::qmp
