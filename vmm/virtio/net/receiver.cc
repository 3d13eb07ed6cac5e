// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See receiver.h.
#include "vmm/virtio/net/receiver.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <utility>

#include "vmm/backend/net/net_backend.h"

namespace davit::virtio::net {
namespace {

constexpr char kTooSmall[] = "a receive buffer is too small";

// The kernel's tap does not tell when it could not write to a piece: a page that the host has not
// is to be missed here, as by any access (vmm/memory/missing_pages.h). Smaller than a page that can
// be missing, a frame ends in the one where it begins or in the next.
void Touch(const iovec& piece, size_t frame) {
  const auto* bytes = static_cast<const volatile std::byte*>(piece.iov_base);
  (void)bytes[0];
  (void)bytes[std::min(piece.iov_len, frame) - 1];
}

}  // namespace

void Receiver::Configure(bool merge, bool headers) {
  merge_ = merge;
  headers_ = headers;
  expected_ = held_ = 0;
}

Status Receiver::TakeBuffers(VirtQueue& queue) {
  // Without merging a frame has one buffer.
  const uint64_t wanted = merge_ ? std::max<uint64_t>(expected_, 1) : 1;
  while (room_ < wanted && stock_.size() < kMaxBuffers && crumbs_ <= IOV_MAX) {
    DAVIT_ASSIGN(auto popped, queue.Pop());
    if (!popped) break;
    const uint64_t bytes = popped->writable_bytes();
    room_ += bytes;
    crumbs_ += popped->buffers();
    work_ += popped->buffers();
    listed_ = false;
    stock_.push_back({std::move(*popped), 0});
    if (bytes == 0) return Fail(kTooSmall);
  }
  return {};
}

Status Receiver::Borrow(const memory::GuestMemory& memory, bool use_buffers) {
  if (io_) pieces_ = std::move(*io_).TakeRoom();
  io_.emplace(memory, std::move(pieces_));
  direct_ = 0;
  // Our own memory: the start, and what is behind the buffers.
  const std::span<std::byte> own(frame_);
  io_->AppendOwn(own.first(kHead).subspan(headers_ ? 0 : sizeof(Header)));
  uint64_t head = kHead;
  if (use_buffers) {
    work_ += crumbs_;
    for (const VirtQueue::Completed& buffer : stock_) {
      Writer writer = buffer.chain.writer();
      const uint64_t skipped = std::min(head, writer.remaining());
      DAVIT_TRY(writer.Skip(skipped));
      head -= skipped;
      direct_ += writer.remaining();
      DAVIT_TRY(writer.Borrow(writer.remaining(), *io_));
    }
  }
  if (kHead + direct_ < own.size()) io_->AppendOwn(own.subspan(kHead + direct_));
  return {};
}

Result<std::span<const iovec>> Receiver::Prepare(VirtQueue& queue,
                                                 const memory::GuestMemory& memory,
                                                 bool use_buffers) {
  frame_.resize(sizeof(Header) + backend::kMaxFrame);
  if (use_buffers) DAVIT_TRY(TakeBuffers(queue));
  if (!listed_) {
    // Not buffers in crumbs: more of them than a system call takes.
    DAVIT_TRY(Borrow(memory, use_buffers && crumbs_ <= IOV_MAX));
    if (io_->iovecs().size() > IOV_MAX) DAVIT_TRY(Borrow(memory, false));
    listed_ = true;
  }
  if (direct_ != 0) {
    for (const iovec& piece : io_->iovecs()) Touch(piece, frame_.size());
  }
  if (!headers_) std::fill_n(frame_.begin(), sizeof(Header), std::byte{0});
  return io_->iovecs();
}

std::span<const std::byte> Receiver::Arrived(size_t bytes) {
  held_ = std::min(bytes + (headers_ ? 0 : sizeof(Header)), frame_.size());
  if (held_ <= sizeof(Header)) return {};
  return std::span(frame_).first(std::min(held_, kHead)).subspan(sizeof(Header));
}

Result<Receiver::Delivery> Receiver::Deliver(VirtQueue& queue) {
  if (io_) {
    expected_ = std::max(held_, expected_ - expected_ / 32);
    if (InPlace()) {
      Status finished = Finish(queue);
      held_ = 0;
      DAVIT_TRY(std::move(finished));
      return Delivery::kDone;
    }
    Gather();
    PutBack(queue);
  }
  auto delivery = Copy(queue);
  if (!delivery || *delivery == Delivery::kDone) held_ = 0;
  return delivery;
}

Status Receiver::Finish(VirtQueue& queue) {
  if (stock_.front().chain.writable_bytes() < sizeof(Header)) return Fail(kTooSmall);
  size_t count = 0;
  for (size_t rest = held_; rest != 0; ++count) {
    VirtQueue::Completed& buffer = stock_[count];
    const uint64_t bytes = buffer.chain.writable_bytes();
    buffer.written = std::min<uint64_t>(rest, bytes);
    rest -= buffer.written;
    room_ -= bytes;
    crumbs_ -= buffer.chain.buffers();
  }
  // The count stands in the header of the first buffer.
  Header header;
  std::memcpy(&header, frame_.data(), sizeof(header));
  header.num_buffers = static_cast<uint16_t>(count);
  std::memcpy(frame_.data(), &header, sizeof(header));
  auto head = std::span<const std::byte>(frame_).first(std::min(held_, kHead));
  for (size_t i = 0; !head.empty(); ++i) {
    Writer writer = stock_[i].chain.writer();
    const size_t n = std::min<uint64_t>(head.size(), writer.remaining());
    DAVIT_TRY(writer.Write(head.first(n)));
    head = head.subspan(n);
  }
  listed_ = false;
  Status status = queue.CompleteAll(std::span(stock_).first(count));
  stock_.erase(stock_.begin(), stock_.begin() + static_cast<ptrdiff_t>(count));
  return status;
}

void Receiver::Gather() {
  size_t at = headers_ ? 0 : sizeof(Header);
  for (const iovec& piece : io_->iovecs()) {
    if (at >= held_) return;
    std::byte* const to = frame_.data() + at;
    const size_t n = std::min(piece.iov_len, held_ - at);
    if (piece.iov_base != to) std::memcpy(to, piece.iov_base, n);
    at += n;
  }
}

Result<Receiver::Delivery> Receiver::Copy(VirtQueue& queue) {
  std::vector<VirtQueue::Completed> used;
  auto delivery = Fill(queue, used);
  while (!used.empty()) {
    queue.Unpop(std::move(used.back().chain));
    used.pop_back();
  }
  return delivery;
}

Result<Receiver::Delivery> Receiver::Fill(VirtQueue& queue,
                                          std::vector<VirtQueue::Completed>& used) {
  std::span<const std::byte> rest = std::span(frame_).first(held_);
  while (!rest.empty()) {
    DAVIT_ASSIGN(auto popped, queue.Pop());
    if (!popped) {
      // The driver may have added buffers before it saw that kicks are wanted.
      if (queue.EnableKicks()) continue;
      return Delivery::kNoBuffers;
    }
    work_ += popped->buffers();
    Writer writer = popped->writer();
    const size_t n = std::min<uint64_t>(rest.size(), writer.remaining());
    const bool too_small = used.empty() ? n < sizeof(Header) : n == 0;
    if (!too_small && ((!merge_ && n < rest.size()) || used.size() == kMaxBuffers)) {
      queue.Unpop(std::move(*popped));
      return Delivery::kDone;
    }
    used.push_back({std::move(*popped), n});
    if (too_small) return Fail(kTooSmall);
    DAVIT_TRY(used.back().chain.writer().Write(rest.first(n)));
    rest = rest.subspan(n);
  }
  Header header;
  std::memcpy(&header, frame_.data(), sizeof(header));
  header.num_buffers = static_cast<uint16_t>(used.size());
  DAVIT_TRY(used.front().chain.writer().Write(header));
  Status status = queue.CompleteAll(used);
  used.clear();
  DAVIT_TRY(std::move(status));
  return Delivery::kDone;
}

void Receiver::PutBack(VirtQueue& queue) {
  while (!stock_.empty()) {
    queue.Unpop(std::move(stock_.back().chain));
    stock_.pop_back();
  }
  room_ = crumbs_ = 0;
  listed_ = false;
  if (io_) pieces_ = std::move(*io_).TakeRoom();
  io_.reset();
}

void Receiver::EndBurst(VirtQueue& queue) {
  PutBack(queue);
  work_ = 0;
}

}  // namespace davit::virtio::net
