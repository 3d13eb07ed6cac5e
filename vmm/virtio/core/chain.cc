// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See chain.h.
#include "vmm/virtio/core/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace davit::virtio {

BufferCursor::BufferCursor(const memory::GuestMemory& memory, std::span<const Buffer> buffers)
    : memory_(&memory), buffers_(buffers) {
  for (const Buffer& buffer : buffers) remaining_ += buffer.length;
}

template <typename Fn>
Status BufferCursor::Each(uint64_t len, Fn fn) {
  uint64_t left = len;
  while (left > 0) {
    const Buffer& buffer = buffers_[index_];
    const uint64_t n = std::min<uint64_t>(left, buffer.length - offset_);
    DAVIT_TRY(fn(buffer.address + offset_, n));
    left -= n;
    remaining_ -= n;
    offset_ += n;
    if (offset_ == buffer.length) {
      ++index_;
      offset_ = 0;
    }
  }
  return {};
}

Status BufferCursor::Need(uint64_t len) const {
  if (len <= remaining_) return {};
  return Fail(
      fmt::format("descriptor chain is too short: {} bytes wanted, {} left", len, remaining_));
}

Result<memory::BorrowedIo> BufferCursor::BorrowNext(uint64_t bytes) {
  memory::BorrowedIo io(*memory_);
  DAVIT_TRY(BorrowNext(bytes, io));
  return io;
}

Status BufferCursor::BorrowNext(uint64_t bytes, memory::BorrowedIo& into) {
  DAVIT_TRY(Need(bytes));
  return Each(bytes, [&](memory::GuestAddress at, uint64_t n) { return into.Append(at, n); });
}

Status Reader::Read(std::span<std::byte> out) {
  DAVIT_TRY(Need(out.size()));
  size_t done = 0;
  return Each(out.size(), [&](memory::GuestAddress at, uint64_t n) {
    const auto piece = out.subspan(done, n);
    done += n;
    return memory_->Read(at, piece);
  });
}

Status Reader::Skip(uint64_t bytes) {
  DAVIT_TRY(Need(bytes));
  return Each(bytes, [](memory::GuestAddress, uint64_t) { return Status(); });
}

Status Writer::Discard(uint64_t bytes) {
  DAVIT_TRY(Need(bytes));
  return Each(bytes,
              [this](memory::GuestAddress at, uint64_t n) { return memory_->Discard(at, n); });
}

Status Writer::Write(std::span<const std::byte> in) {
  DAVIT_TRY(Need(in.size()));
  size_t done = 0;
  DAVIT_TRY(Each(in.size(), [&](memory::GuestAddress at, uint64_t n) {
    const auto piece = in.subspan(done, n);
    done += n;
    return memory_->Write(at, piece);
  }));
  written_ += in.size();
  return {};
}

Status Writer::Skip(uint64_t bytes) {
  DAVIT_TRY(Need(bytes));
  return Each(bytes, [](memory::GuestAddress, uint64_t) { return Status(); });
}

DescriptorChain::DescriptorChain(memory::GuestMemory memory, uint16_t id, uint16_t descriptors,
                                 std::vector<Buffer> buffers, size_t readable_count)
    : state_(std::make_unique<ChainState>()) {
  state_->memory = std::move(memory);
  state_->id = id;
  state_->descriptors = descriptors;
  state_->buffers = std::move(buffers);
  state_->readable_count = readable_count;
  for (size_t i = 0; i < state_->buffers.size(); ++i) {
    (i < readable_count ? state_->readable_bytes : state_->writable_bytes) +=
        state_->buffers[i].length;
  }
}

void DescriptorChain::FollowMemory(const memory::GuestMemory& next) {
  for (const Buffer& buffer : state_->buffers) {
    if (!next.Contains(buffer.address, buffer.length)) return;
  }
  state_->memory = next;
}

Reader DescriptorChain::reader() const {
  return Reader(state_->memory, std::span(state_->buffers).first(state_->readable_count));
}

Writer DescriptorChain::writer() const {
  return Writer(state_->memory, std::span(state_->buffers).subspan(state_->readable_count));
}

}  // namespace davit::virtio
