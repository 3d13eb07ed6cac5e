// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Frames on a byte stream: each behind its length as a 32-bit big-endian number, which is what QEMU
// speaks on -netdev socket and stream. Takes pieces, gives whole frames. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vmm/base/error.h"

namespace davit::backend {

inline constexpr size_t kStreamPrefix = 4;  // bytes before a frame

class FrameAssembler {
 public:
  // max_frame: the largest length that is believed.
  explicit FrameAssembler(size_t max_frame) : max_frame_(max_frame) {}

  // Where the next bytes of the stream go, never empty; Filled(n) says how many came.
  std::span<std::byte> Space();
  // Error: the peer announces a frame that is too large; the stream is lost.
  Status Filled(size_t bytes);
  // The next whole frame, valid until Pop() or Filled(); empty: there is none yet.
  std::span<const std::byte> Front() const;
  void Pop();
  void Clear() { begin_ = end_ = 0; }

 private:
  size_t Length() const;  // of the front frame, its prefix must be there

  const size_t max_frame_;
  std::vector<std::byte> buffer_;
  size_t begin_ = 0, end_ = 0;  // of what is there
};

// The prefix of a frame of this size.
std::array<std::byte, kStreamPrefix> StreamPrefix(size_t frame);

}  // namespace davit::backend
