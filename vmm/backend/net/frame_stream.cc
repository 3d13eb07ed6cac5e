// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See frame_stream.h.
#include "vmm/backend/net/frame_stream.h"

#include <fmt/format.h>

#include <algorithm>

namespace davit::backend {

std::array<std::byte, kStreamPrefix> StreamPrefix(size_t frame) {
  std::array<std::byte, kStreamPrefix> prefix;
  for (size_t i = 0; i < prefix.size(); ++i) {
    prefix[i] = static_cast<std::byte>(frame >> (8 * (prefix.size() - 1 - i)));
  }
  return prefix;
}

std::span<std::byte> FrameAssembler::Space() {
  // Room for one frame at least; what is there moves to the front first.
  if (buffer_.empty()) buffer_.resize(2 * (kStreamPrefix + max_frame_));
  if (end_ == buffer_.size() || begin_ == end_) {
    std::copy(buffer_.begin() + static_cast<ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span(buffer_).subspan(end_);
}

size_t FrameAssembler::Length() const {
  size_t length = 0;
  for (size_t i = 0; i < kStreamPrefix; ++i) {
    length = length << 8 | std::to_integer<size_t>(buffer_[begin_ + i]);
  }
  return length;
}

Status FrameAssembler::Filled(size_t bytes) {
  end_ += bytes;
  if (end_ - begin_ >= kStreamPrefix && Length() > max_frame_) {
    return Fail(fmt::format("the peer sends a frame of {} bytes, at most {} are taken", Length(),
                            max_frame_));
  }
  return {};
}

std::span<const std::byte> FrameAssembler::Front() const {
  if (end_ - begin_ < kStreamPrefix) return {};
  const size_t length = Length();
  if (length > max_frame_ || end_ - begin_ < kStreamPrefix + length) return {};
  return std::span(buffer_).subspan(begin_ + kStreamPrefix, length);
}

void FrameAssembler::Pop() { begin_ += kStreamPrefix + Length(); }

}  // namespace davit::backend
