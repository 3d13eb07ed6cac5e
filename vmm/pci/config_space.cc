// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See config_space.h.
#include "vmm/pci/config_space.h"

#include <algorithm>
#include <cstring>

#include "vmm/base/check.h"
#include "vmm/base/endian.h"

namespace davit::pci {
namespace {

constexpr uint32_t kHeaderSize = 0x40;
constexpr uint32_t kFirstExtended = 0x100;

}  // namespace

ConfigSpace::ConfigSpace() {
  std::fill(writable_.begin() + kHeaderSize, writable_.begin() + kConventionalSize, 0xff);
  std::fill(used_.begin(), used_.begin() + kHeaderSize, true);
}

void ConfigSpace::MakeExpress() {
  size_ = kExpressSize;
  // The header of an empty list of extended capabilities is read-only.
  std::fill(writable_.begin() + kFirstExtended + 4, writable_.end(), 0xff);
}

uint8_t ConfigSpace::Get8(uint32_t offset) const { return bytes_.at(offset); }

uint16_t ConfigSpace::Get16(uint32_t offset) const {
  DAVIT_CHECK(offset <= kExpressSize - 2);
  return static_cast<uint16_t>(LoadLe(&bytes_[offset], 2));
}

uint32_t ConfigSpace::Get32(uint32_t offset) const {
  DAVIT_CHECK(offset <= kExpressSize - 4);
  return static_cast<uint32_t>(LoadLe(&bytes_[offset], 4));
}

uint64_t ConfigSpace::Get64(uint32_t offset) const {
  DAVIT_CHECK(offset <= kExpressSize - 8);
  return LoadLe(&bytes_[offset], 8);
}

void ConfigSpace::Set8(uint32_t offset, uint8_t value) { bytes_.at(offset) = value; }

void ConfigSpace::Set16(uint32_t offset, uint16_t value) {
  DAVIT_CHECK(offset <= kExpressSize - 2);
  StoreLe(&bytes_[offset], 2, value);
}

void ConfigSpace::Set32(uint32_t offset, uint32_t value) {
  DAVIT_CHECK(offset <= kExpressSize - 4);
  StoreLe(&bytes_[offset], 4, value);
}

void ConfigSpace::Set64(uint32_t offset, uint64_t value) {
  DAVIT_CHECK(offset <= kExpressSize - 8);
  StoreLe(&bytes_[offset], 8, value);
}

void ConfigSpace::SetWritable(uint32_t offset, uint32_t bytes, uint64_t mask) {
  DAVIT_CHECK(bytes <= 8 && offset + bytes <= kExpressSize);
  StoreLe(&writable_[offset], bytes, mask);
}

void ConfigSpace::SetWriteOneToClear(uint32_t offset, uint32_t bytes, uint64_t mask) {
  DAVIT_CHECK(bytes <= 8 && offset + bytes <= kExpressSize);
  StoreLe(&clear_[offset], bytes, mask);
}

uint32_t ConfigSpace::FreePlace(uint32_t size) const {
  uint32_t start = kHeaderSize;
  for (uint32_t at = kHeaderSize; at < kConventionalSize; ++at) {
    if (used_[at]) {
      start = at + 1;
    } else if (at - start + 1 == size) {
      return start;
    }
  }
  return 0;
}

uint32_t ConfigSpace::AddCapability(uint8_t id, uint32_t size, uint32_t offset) {
  if (offset == 0) offset = FreePlace(size);
  DAVIT_CHECK(offset >= kHeaderSize && offset + size <= kConventionalSize);
  for (uint32_t i = offset; i < offset + size; ++i) {
    DAVIT_CHECK(!used_[i]);
    used_[i] = true;
    writable_[i] = 0;
    bytes_[i] = 0;
  }
  bytes_[offset] = id;
  bytes_[offset + 1] = bytes_[kCapabilities];
  bytes_[kCapabilities] = static_cast<uint8_t>(offset);
  Set16(kStatus, Get16(kStatus) | kStatusCapabilities);
  return offset;
}

void ConfigSpace::AddExtendedCapability(uint16_t id, uint8_t version, uint32_t offset,
                                        uint32_t size) {
  DAVIT_CHECK(offset >= kFirstExtended && offset + size <= size_ && offset % 4 == 0);
  DAVIT_CHECK((last_extended_ == 0) == (offset == kFirstExtended));
  std::fill_n(bytes_.begin() + offset, size, 0);
  std::fill_n(writable_.begin() + offset, size, 0);
  Set32(offset, id | static_cast<uint32_t>(version) << 16);
  if (last_extended_ != 0) Set32(last_extended_, Get32(last_extended_) | offset << 20);
  last_extended_ = offset;
}

uint32_t ConfigSpace::FindCapability(uint8_t id) const {
  // The list is ours and read-only to software: it ends.
  for (uint32_t at = bytes_[kCapabilities]; at != 0; at = bytes_[at + 1]) {
    if (bytes_[at] == id) return at;
  }
  return 0;
}

void ConfigSpace::Read(uint32_t offset, std::span<uint8_t> data) const {
  DAVIT_CHECK(offset + data.size() <= size_);
  std::memcpy(data.data(), &bytes_[offset], data.size());
}

void ConfigSpace::Write(uint32_t offset, std::span<const uint8_t> data) {
  DAVIT_CHECK(offset + data.size() <= size_);
  for (const uint8_t value : data) {
    uint8_t& byte = bytes_[offset];
    const uint8_t writable = writable_[offset];
    byte = static_cast<uint8_t>((byte & ~writable) | (value & writable));
    byte = static_cast<uint8_t>(byte & ~(value & clear_[offset]));
    ++offset;
  }
}

}  // namespace davit::pci
