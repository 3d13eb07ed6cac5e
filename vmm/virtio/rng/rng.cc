// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See rng.h. A reset comes on a vCPU thread, while source and timer belong to the loop: it only
// forgets the chain. What the source still owes then goes to the next chain, or nowhere.
#include "vmm/virtio/rng/rng.h"

#include <algorithm>
#include <utility>

namespace davit::virtio {
namespace {

constexpr uint16_t kQueueSize = 8;
constexpr uint64_t kMostAtOnce = 4096;

}  // namespace

Rng::Rng(RngConfig config)
    : config_(std::move(config)),
      traits_{.name = "virtio-rng", .id = kIdRng, .queue_sizes = {kQueueSize}},
      quota_(config_.max_bytes) {}

Status Rng::Activate(uint64_t, std::span<VirtQueue* const> queues) {
  queue_ = queues[0];
  if (queue_ == nullptr) return {};
  queue_->set_on_stop([this] {
    if (chain_) (void)queue_->Complete(*std::exchange(chain_, std::nullopt), 0);
  });
  return {};
}

void Rng::HandleQueue(uint16_t) { Work(); }

bool Rng::Reset() {
  chain_.reset();
  queue_ = nullptr;
  return true;
}

Status Rng::OnMemory() {
  if (chain_) chain_->FollowMemory(host().memory());
  return {};
}

void Rng::OnRunning(bool running) {
  running_ = running;
  if (running) Work();
}

void Rng::Work() {
  if (queue_ == nullptr || !running_ || quota_ == 0) return;
  if (!chain_) {
    Result<std::optional<DescriptorChain>> popped = queue_->Pop();
    if (!popped) return host().NeedsReset(popped.error().message);
    chain_ = std::move(*popped);
    if (!chain_) return;
  }
  if (asked_) return;
  asked_ = true;
  const uint64_t room = std::max<uint64_t>(chain_->writable_bytes(), 1);
  request_ = config_.source->Ask(std::min({room, quota_, kMostAtOnce}),
                                 [this](std::span<const std::byte> bytes) {
                                   const auto lock = host().Lock();
                                   asked_ = false;
                                   // Whatever becomes of them: the source has given them.
                                   quota_ -= std::min<uint64_t>(bytes.size(), quota_);
                                   StartPeriod();
                                   Fill(bytes);
                                   Work();
                                 });
}

void Rng::Fill(std::span<const std::byte> bytes) {
  if (!chain_ || queue_ == nullptr) return;
  Writer writer = chain_->writer();
  const uint64_t n = std::min<uint64_t>(bytes.size(), writer.remaining());
  Status done = writer.Write(bytes.first(n));
  if (done) done = queue_->Complete(*std::exchange(chain_, std::nullopt), writer.written());
  if (!done) return host().NeedsReset(done.error().message);
  queue_->Notify();
}

void Rng::StartPeriod() {
  if (std::exchange(in_period_, true)) return;
  io::EventLoop& loop = host().loop();
  timer_ = loop.At(loop.Now() + config_.period, [this] {
    const auto lock = host().Lock();
    in_period_ = false;
    quota_ = config_.max_bytes;
    Work();
  });
}

}  // namespace davit::virtio
