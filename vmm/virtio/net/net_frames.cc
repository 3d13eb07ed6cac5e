// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See net.h: frames in both directions. Each frame is told of at once: while one side takes it, the
// other is at the next, and with EVENT_IDX a side that is at work asks for no interrupt.
#include <utility>

#include "vmm/virtio/net/net.h"

namespace davit::virtio {
namespace {

// Frames served in one go, so that one card does not hold the loop.
constexpr int kBurst = 256;
// Descriptors gone through in one go. Real drivers' buffers have few, so that kBurst comes first.
constexpr size_t kBurstWork = 32768;

}  // namespace

// --- receive
// -----------------------------------------------------------------------------------------

void Net::OnReceivable(unsigned queue) {
  const auto lock = host().Lock();
  if (Receives(queue)) {
    if (!pairs_[queue].rx_posted) ReceiveFrames(queue);
  } else if (backend_ != nullptr) {
    backend_->StopReceiving(queue);  // until ApplyToBackend(): nobody takes what there is
  }
}

void Net::ReceiveFrames(unsigned index) {
  Pair& pair = pairs_[index];
  backend::NetBackend* const backend = backend_;
  if (backend == nullptr) return;
  Received received = Received::kFrame;
  for (int n = 0; n < kBurst && pair.receiver.work() < kBurstWork && received == Received::kFrame;
       ++n) {
    received = ReceiveOne(index);
    if (received == Received::kFrame) pair.rx->Notify();
  }
  pair.receiver.EndBurst(*pair.rx);
  switch (received) {
    case Received::kFrame:  // there may be more, also in memory: ApplyToBackend()
      ReceiveMore(index);
      break;
    case Received::kNone:
      backend->StartReceiving(index);
      break;
    case Received::kStarved:
      pair.rx_starved = true;
      backend->StopReceiving(index);
      break;
    case Received::kBroken:
      backend->StopReceiving(index);
      break;
  }
}

void Net::ReceiveMore(unsigned index) {
  if (std::exchange(pairs_[index].rx_posted, true)) return;
  host().loop().Post([this, index, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    const auto lock = host().Lock();
    pairs_[index].rx_posted = false;
    if (Receives(index)) ReceiveFrames(index);
  });
}

Net::Received Net::ReceiveOne(unsigned index) {
  Pair& pair = pairs_[index];
  net::Receiver& receiver = pair.receiver;
  const auto broken = [this](const Error& error) {
    Broken(error);
    return Received::kBroken;
  };
  if (!receiver.holds()) {
    const auto where = receiver.Prepare(*pair.rx, host().memory(), link_up_);
    if (!where) return broken(where.error());
    const size_t bytes = backend_->Receive(index, *where);
    if (bytes == 0) return Received::kNone;
    const std::span<const std::byte> start = receiver.Arrived(bytes);
    if (start.empty() || !link_up_ || !filter_.Accepts(start)) {
      receiver.Drop();
      return Received::kFrame;
    }
  }
  const auto delivery = receiver.Deliver(*pair.rx);
  if (!delivery) return broken(delivery.error());
  return *delivery == net::Receiver::Delivery::kDone ? Received::kFrame : Received::kStarved;
}

// --- transmit
// ----------------------------------------------------------------------------------------

void Net::OnSendable(unsigned queue) {
  const auto lock = host().Lock();
  if (queue < active_pairs_ && running_ && !broken_) Transmit(queue);
}

void Net::OnLink(bool up) {
  const auto lock = host().Lock();
  carrier_up_ = up;
  LinkChanged();
}

// A driver that sends kicks once for a burst: as long as there is something to send, and for one
// turn of the loop after it, no kick is asked for.
void Net::Transmit(unsigned index) {
  VirtQueue* const queue = pairs_[index].tx;
  if (queue == nullptr) return;
  queue->DisableKicks();
  for (uint16_t n = 0;; ++n) {
    if (n == queue->size()) break;
    auto popped = queue->Pop();
    if (!popped) return Broken(popped.error());
    if (!*popped) {
      if (n != 0) break;
      if (queue->EnableKicks()) continue;
      return;
    }
    DescriptorChain chain = std::move(**popped);
    if (!TransmitOne(index, *queue, std::move(chain))) return;
    queue->Notify();
  }
  host().KickLater(static_cast<uint16_t>(2 * index + 1));
}

bool Net::TransmitOne(unsigned index, VirtQueue& queue, DescriptorChain chain) {
  const auto broken = [&](const Error& error) {
    queue.Unpop(std::move(chain));
    Broken(error);
    return false;
  };
  if (chain.readable_bytes() < sizeof(net::Header)) {
    return broken({ErrorCode::kGeneric, "a transmit buffer has no frame header", {}});
  }
  Reader reader = chain.reader();
  // The header is copied once: the kernel checks what it gets, and it gets the copy.
  auto header = reader.Read<net::Header>();
  if (!header) return broken(header.error());
  header->num_buffers = 0;
  const uint64_t bytes = reader.remaining();
  if (bytes != 0 && bytes <= backend::kMaxFrame && link_up_ && backend_ != nullptr) {
    std::vector<iovec>& room = pairs_[index].tx_pieces;
    memory::BorrowedIo frame(host().memory(), std::move(room));
    if (passes_headers_) frame.AppendOwn(std::as_writable_bytes(std::span(&*header, 1)));
    if (Status status = reader.Borrow(bytes, frame); !status) return broken(status.error());
    const backend::SendResult sent = backend_->Send(index, frame.iovecs());
    room = std::move(frame).TakeRoom();
    if (sent == backend::SendResult::kFull) {
      queue.Unpop(std::move(chain));
      return false;
    }
  }
  if (Status status = queue.Complete(std::move(chain), 0); !status) {
    Broken(status.error());
    return false;
  }
  return true;
}

}  // namespace davit::virtio
