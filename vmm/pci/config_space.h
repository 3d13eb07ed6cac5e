// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The configuration space of one function: bytes, the bits that software may write, the bits that a
// written one clears, and the two lists of capabilities (PCI 3.0, 6.1 and 6.7; PCI Express 4.0,
// 7.6). No behaviour beyond that: function.h. Unused space behind the header is read/write scratch,
// as in QEMU. Owner: the lock of the host (host_bridge.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "vmm/pci/registers.h"

namespace davit::pci {

class ConfigSpace {
 public:
  ConfigSpace();

  uint32_t size() const { return size_; }
  // 256 until this is called; once, before the function is attached.
  void MakeExpress();

  // offset + sizeof <= 4096 (a defect of ours otherwise).
  uint8_t Get8(uint32_t offset) const;
  uint16_t Get16(uint32_t offset) const;
  uint32_t Get32(uint32_t offset) const;
  uint64_t Get64(uint32_t offset) const;
  void Set8(uint32_t offset, uint8_t value);
  void Set16(uint32_t offset, uint16_t value);
  void Set32(uint32_t offset, uint32_t value);
  void Set64(uint32_t offset, uint64_t value);
  // Which bits of `bytes` bytes software may change, and which it clears by writing ones.
  void SetWritable(uint32_t offset, uint32_t bytes, uint64_t mask);
  void SetWriteOneToClear(uint32_t offset, uint32_t bytes, uint64_t mask);

  // Appends a capability of `size` bytes (with its 2-byte header), zero and read-only. offset 0:
  // the first free place. The newest is first in the list, as in QEMU. Returns its offset.
  // Too many for the space is a defect of ours.
  uint32_t AddCapability(uint8_t id, uint32_t size, uint32_t offset = 0);
  // At a fixed offset, linked behind the last one; the first at 0x100.
  void AddExtendedCapability(uint16_t id, uint8_t version, uint32_t offset, uint32_t size);
  // 0: none.
  uint32_t FindCapability(uint8_t id) const;

  // What Reset() goes back to: the bytes as they are now.
  void Freeze() { power_on_ = bytes_; }
  void Reset() { bytes_ = power_on_; }

  // Software's accesses; [offset, offset + size) lies inside size().
  void Read(uint32_t offset, std::span<uint8_t> data) const;
  void Write(uint32_t offset, std::span<const uint8_t> data);

 private:
  using Bytes = std::array<uint8_t, kExpressSize>;
  uint32_t FreePlace(uint32_t size) const;

  uint32_t size_ = kConventionalSize;
  Bytes bytes_{}, writable_{}, clear_{}, power_on_{};
  std::array<bool, kConventionalSize> used_{};
  uint32_t last_extended_ = 0;
};

}  // namespace davit::pci
