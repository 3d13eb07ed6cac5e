// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Bytes that nobody else is to see: overwritten with zeros before their memory is given back, and
// never copied by accident. What was read into them or taken out of them elsewhere is not theirs.
// Any thread, one at a time.
#pragma once

#include <string.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace davit::machine {

class WipedBytes {
 public:
  WipedBytes() = default;
  explicit WipedBytes(size_t size) : bytes_(std::make_unique<uint8_t[]>(size)), size_(size) {
    room_ = size;
  }
  explicit WipedBytes(std::string_view text) { Append(text.data(), text.size()); }
  ~WipedBytes() { Wipe(0); }
  WipedBytes(WipedBytes&& other) noexcept { *this = std::move(other); }
  WipedBytes& operator=(WipedBytes&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
    return *this;
  }
  WipedBytes(const WipedBytes&) = delete;
  WipedBytes& operator=(const WipedBytes&) = delete;

  size_t size() const { return size_; }
  uint8_t* data() { return bytes_.get(); }
  std::span<const uint8_t> span() const { return {bytes_.get(), size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.get()), size_}; }

  void Append(const void* from, size_t count) {
    if (count > room_ - size_) {
      WipedBytes larger(size_ + count + room_);
      if (size_ != 0) memcpy(larger.data(), data(), size_);
      larger.size_ = size_;
      *this = std::move(larger);
    }
    if (count != 0) memcpy(data() + size_, from, count);
    size_ += count;
  }
  // size <= size(). What is behind it is overwritten.
  void Shrink(size_t size) {
    Wipe(size);
    size_ = size;
  }

 private:
  void Wipe(size_t from) {
    if (bytes_ != nullptr) explicit_bzero(bytes_.get() + from, room_ - from);
  }

  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0, room_ = 0;
};

}  // namespace davit::machine
