// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ringbuf_chardev.h.
#include "vmm/backend/char/ringbuf_chardev.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <new>

namespace davit::backend {
namespace {

constexpr uint64_t kDefaultSize = 64 << 10;

}  // namespace

Result<std::unique_ptr<Chardev>> RingbufChardev::Open(std::string id, const RingbufSpec& spec) {
  const uint64_t size = spec.size == 0 ? kDefaultSize : spec.size;
  if (!std::has_single_bit(size)) return Fail("size of ringbuf chardev must be power of two");
  std::unique_ptr<std::byte[]> ring;
  // Half of the address space is more than operator new takes without a fault of its own.
  if (size <= uint64_t{PTRDIFF_MAX} / 2) ring.reset(new (std::nothrow) std::byte[size]);
  if (!ring) return Fail(fmt::format("no memory for a ringbuf chardev of {} bytes", size));
  return std::unique_ptr<Chardev>(new RingbufChardev(std::move(id), std::move(ring), size));
}

Status RingbufChardev::Attach(ChardevClient* client) {
  if (client && client_) return Fail(fmt::format("Device '{}' is in use", id_));
  client_ = client;
  if (client_) client_->OnEvent(ChardevEvent::kOpened);
  return {};
}

size_t RingbufChardev::Put(std::span<const std::byte> data) {
  std::lock_guard lock(mutex_);
  const size_t all = data.size();
  if (all > size_) {
    data = data.last(size_);
    written_ += all - size_;
  }
  const uint64_t at = written_ & (size_ - 1);
  const size_t first = std::min<uint64_t>(data.size(), size_ - at);
  std::copy_n(data.begin(), first, ring_.get() + at);
  std::copy(data.begin() + static_cast<ptrdiff_t>(first), data.end(), ring_.get());
  written_ += data.size();
  taken_ = std::max(taken_, written_ - std::min(written_, size_));
  return all;
}

std::string RingbufChardev::Take(uint64_t max) {
  std::lock_guard lock(mutex_);
  std::string text(std::min(max, written_ - taken_), '\0');
  for (char& c : text) c = static_cast<char>(ring_[taken_++ & (size_ - 1)]);
  return text;
}

}  // namespace davit::backend
