// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See tap.h.
#include "vmm/backend/net/tap.h"

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace davit::backend {

Tap::Tap(std::string id, TapDevice device, std::string info, std::function<void()> at_end)
    : id_(std::move(id)),
      info_(std::move(info)),
      vnet_header_(device.vnet_header),
      at_end_(std::move(at_end)) {
  for (UniqueFd& fd : device.queues) queues_.push_back({std::move(fd), nullptr, nullptr});
}

Tap::~Tap() {
  if (at_end_) at_end_();
}

Status Tap::Attach(NetClient* client, io::EventLoop& loop) {
  if (client != nullptr && client_ != nullptr) {
    return Fail(fmt::format("netdev '{}' is in use", id_));
  }
  client_ = client;
  loop_ = &loop;
  if (client != nullptr) return {};
  for (Queue& queue : queues_) {
    queue.readable.reset();
    queue.writable.reset();
  }
  return {};
}

Status Tap::SetReceiveOffloads(const ReceiveOffloads& offloads) {
  if (!vnet_header_) return {};
  return SetTapOffloads(queues_.front().fd.get(), offloads);
}

Status Tap::SetActiveQueues(unsigned n) {
  if (queues_.size() == 1) return {};
  for (unsigned i = 0; i < queues_.size(); ++i) {
    DAVIT_TRY(EnableTapQueue(queues_[i].fd.get(), i < n));
  }
  return {};
}

SendResult Tap::Send(unsigned index, std::span<const iovec> frame) {
  Queue& queue = queues_[index];
  ssize_t n;
  do {
    n = writev(queue.fd.get(), frame.data(), static_cast<int>(frame.size()));
  } while (n < 0 && errno == EINTR);
  // Any other error is about this frame (or the interface is down): lost, as on a wire.
  if (n >= 0 || errno != EAGAIN) return SendResult::kSent;
  auto watch = loop_->WatchWritable(queue.fd.get(), [this, index] {
    queues_[index].writable.reset();
    client_->OnSendable(index);
  });
  if (!watch) return SendResult::kSent;
  queue.writable = std::move(*watch);
  return SendResult::kFull;
}

size_t Tap::Receive(unsigned index, std::span<const iovec> out) {
  for (;;) {
    const ssize_t n = readv(queues_[index].fd.get(), out.data(), static_cast<int>(out.size()));
    if (n > 0) return static_cast<size_t>(n);
    if (n < 0 && errno == EINTR) continue;
    return 0;
  }
}

void Tap::StopReceiving(unsigned index) { queues_[index].readable.reset(); }

void Tap::StartReceiving(unsigned index) {
  Queue& queue = queues_[index];
  if (queue.readable != nullptr || client_ == nullptr) return;
  auto watch =
      loop_->WatchReadable(queue.fd.get(), [this, index] { client_->OnReceivable(index); });
  if (watch) queue.readable = std::move(*watch);
}

}  // namespace davit::backend
