// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See net.h: frames in both directions.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "vmm/virtio/net/net.h"

namespace davit::virtio {
namespace {

// Frames served in one go, so that one card does not hold the loop.
constexpr int kBurst = 256;

// The most buffers that a frame is spread over: it fits in as many of the smallest sensible size.
constexpr size_t kMaxBuffers = 64;

}  // namespace

// --- receive
// -----------------------------------------------------------------------------------------

void Net::OnReceivable(unsigned queue) {
  const auto lock = host().Lock();
  if (queue < active_pairs_ && running_) ReceiveFrames(queue);
}

bool Net::WantFrame(const Pair& pair) const {
  return link_up_ &&
         filter_.Accepts(std::span(pair.frame).first(pair.held).subspan(sizeof(net::Header)));
}

void Net::ReceiveFrames(unsigned index) {
  Pair& pair = pairs_[index];
  backend::NetBackend* const backend = backend_;
  if (pair.rx == nullptr || backend == nullptr) return;
  if (pair.frame.empty()) pair.frame.resize(sizeof(net::Header) + backend::kMaxFrame);
  const size_t skip = passes_headers_ ? 0 : sizeof(net::Header);
  bool delivered = false;
  for (int n = 0; n < kBurst; ++n) {
    if (pair.held == 0) {
      const size_t bytes = backend->Receive(index, std::span(pair.frame).subspan(skip));
      if (bytes == 0) {
        backend->StartReceiving(index);
        break;
      }
      // A back end without headers: an empty one.
      if (skip != 0) std::fill_n(pair.frame.begin(), skip, std::byte{0});
      pair.held = skip + bytes;
      if (pair.held <= sizeof(net::Header) || !WantFrame(pair)) {
        pair.held = 0;
        continue;
      }
    }
    const Delivery delivery = Deliver(pair);
    if (delivery == Delivery::kBroken) return;
    if (delivery == Delivery::kNoBuffers) {
      pair.rx_starved = true;
      backend->StopReceiving(index);
      break;
    }
    pair.held = 0;
    delivered = true;
  }
  if (delivered) pair.rx->Notify();
}

// One frame into one buffer, or into as many as it needs where the driver merges them (5.1.6.4).
Net::Delivery Net::Deliver(Pair& pair) {
  VirtQueue& queue = *pair.rx;
  const bool merge = (features_ & net::kMrgRxbuf) != 0;
  std::vector<VirtQueue::Completed> used;
  std::span<const std::byte> rest = std::span(pair.frame).first(pair.held);
  const auto put_back = [&] {
    while (!used.empty()) {
      queue.Unpop(std::move(used.back().chain));
      used.pop_back();
    }
  };
  while (!rest.empty()) {
    auto popped = queue.Pop();
    if (!popped) {
      Broken(popped.error());
      return Delivery::kBroken;
    }
    if (!*popped) {
      // The driver may have added buffers before it saw that kicks are wanted.
      if (queue.EnableKicks()) continue;
      put_back();
      return Delivery::kNoBuffers;
    }
    DescriptorChain chain = std::move(**popped);
    Writer writer = chain.writer();
    const size_t n = std::min<uint64_t>(rest.size(), writer.remaining());
    const bool too_small = used.empty() ? n < sizeof(net::Header) : n == 0;
    if (too_small || (!merge && n < rest.size()) || used.size() == kMaxBuffers) {
      // Without merging a frame that does not fit is lost; a buffer without room for the header
      // is nonsense.
      if (too_small) {
        Broken({ErrorCode::kGeneric, "a receive buffer is too small", {}});
        return Delivery::kBroken;
      }
      queue.Unpop(std::move(chain));
      put_back();
      return Delivery::kDone;
    }
    if (Status status = writer.Write(rest.first(n)); !status) {
      Broken(status.error());
      return Delivery::kBroken;
    }
    rest = rest.subspan(n);
    used.push_back({std::move(chain), n});
  }
  // The count stands in the header of the first buffer.
  net::Header header;
  std::memcpy(&header, pair.frame.data(), sizeof(header));
  header.num_buffers = static_cast<uint16_t>(used.size());
  if (Status status = used.front().chain.writer().Write(header); !status) {
    Broken(status.error());
    return Delivery::kBroken;
  }
  if (Status status = queue.CompleteAll(used); !status) {
    Broken(status.error());
    return Delivery::kBroken;
  }
  return Delivery::kDone;
}

// --- transmit
// ----------------------------------------------------------------------------------------

void Net::OnSendable(unsigned queue) {
  const auto lock = host().Lock();
  if (queue < active_pairs_ && running_) Transmit(queue);
}

void Net::OnLink(bool up) {
  const auto lock = host().Lock();
  carrier_up_ = up;
  LinkChanged();
}

void Net::Transmit(unsigned index) {
  VirtQueue* const queue = pairs_[index].tx;
  if (queue == nullptr) return;
  bool completed = false;
  for (uint16_t n = 0;; ++n) {
    if (n == queue->size()) {
      host().KickLater(static_cast<uint16_t>(2 * index + 1));
      break;
    }
    auto popped = queue->Pop();
    if (!popped) return Broken(popped.error());
    if (!*popped) break;
    DescriptorChain chain = std::move(**popped);
    if (chain.readable_bytes() < sizeof(net::Header)) {
      return Broken({ErrorCode::kGeneric, "a transmit buffer has no frame header", {}});
    }
    if (!TransmitOne(index, *queue, std::move(chain))) break;
    completed = true;
  }
  if (completed) queue->Notify();
}

bool Net::TransmitOne(unsigned index, VirtQueue& queue, DescriptorChain chain) {
  Reader reader = chain.reader();
  // The header is copied once: the kernel checks what it gets, and it gets the copy.
  auto header = reader.Read<net::Header>();
  if (!header) {
    Broken(header.error());
    return false;
  }
  header->num_buffers = 0;
  const uint64_t bytes = reader.remaining();
  if (bytes != 0 && bytes <= backend::kMaxFrame && link_up_ && backend_ != nullptr) {
    const auto payload = reader.Borrow(bytes);
    if (!payload) {
      Broken(payload.error());
      return false;
    }
    std::vector<iovec> frame;
    frame.reserve(payload->iovecs().size() + 1);
    if (passes_headers_) frame.push_back({&*header, sizeof(net::Header)});
    frame.insert(frame.end(), payload->iovecs().begin(), payload->iovecs().end());
    if (backend_->Send(index, frame) == backend::SendResult::kFull) {
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
