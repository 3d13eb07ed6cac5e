// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See rng.h: the queue of requests that all sources share.
#include "vmm/backend/rng/rng.h"

#include <utility>

#include "vmm/base/check.h"

namespace davit::backend {

struct RngSource::Queue {
  std::deque<std::shared_ptr<Pending>> requests;
  RngSource* owner = nullptr;  // null: gone
};

RngSource::RngSource(io::EventLoop& loop) : loop_(&loop), queue_(std::make_shared<Queue>()) {
  queue_->owner = this;
}

RngSource::~RngSource() { queue_->owner = nullptr; }

RngSource::Request::~Request() { pending_->sink = nullptr; }

std::unique_ptr<RngSource::Request> RngSource::Ask(size_t bytes, RngSink sink) {
  DAVIT_CHECK(bytes != 0);
  auto pending = std::make_shared<Pending>(Pending{bytes, std::move(sink)});
  queue_->requests.push_back(pending);
  Later([this] { Work(); });
  return std::unique_ptr<Request>(new Request(std::move(pending)));
}

RngSource::Pending* RngSource::front() {
  auto& requests = queue_->requests;
  while (!requests.empty() && requests.front()->sink == nullptr) requests.pop_front();
  return requests.empty() ? nullptr : requests.front().get();
}

void RngSource::Deliver(std::span<const std::byte> bytes) {
  Pending* pending = front();
  DAVIT_CHECK(pending != nullptr && !bytes.empty() && bytes.size() <= pending->bytes);
  const RngSink sink = std::exchange(pending->sink, nullptr);
  queue_->requests.pop_front();
  sink(bytes);
}

void RngSource::Later(std::function<void()> fn) {
  loop_->Post([weak = std::weak_ptr(queue_), fn = std::move(fn)] {
    const auto queue = weak.lock();
    if (queue && queue->owner != nullptr) fn();
  });
}

}  // namespace davit::backend
