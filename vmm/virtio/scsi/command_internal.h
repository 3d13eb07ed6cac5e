// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the parts of command.h have in common: the CDB, fields of answers in SCSI's byte order.
// Inner header of this package.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "vmm/virtio/scsi/command.h"

namespace davit::virtio::scsi {

inline uint64_t Be(std::span<const uint8_t> bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = at; i < at + size; ++i) value = value << 8 | bytes[i];
  return value;
}

inline void Put(std::vector<uint8_t>& to, size_t at, size_t size, uint64_t value) {
  for (size_t i = size; i-- > 0; value >>= 8) to[at + i] = static_cast<uint8_t>(value);
}

inline Command Check(const Sense& sense) {
  Command command;
  command.status = kCheckCondition;
  command.sense = sense;
  return command;
}

inline Command Answer(std::vector<uint8_t> data, uint64_t room) {
  Command command;
  data.resize(std::min<uint64_t>(data.size(), room));
  command.data = std::move(data);
  return command;
}

// The CDB, 16 bytes of it, zeros where the driver gave fewer.
class Cdb {
 public:
  explicit Cdb(std::span<const uint8_t> bytes) {
    std::copy_n(bytes.begin(), std::min(bytes.size(), bytes_.size()), bytes_.begin());
  }
  uint8_t operator[](size_t at) const { return bytes_[at]; }
  uint64_t get(size_t at, size_t size) const { return Be(bytes_, at, size); }

 private:
  std::array<uint8_t, 16> bytes_{};
};

// What a CD-ROM drive has and a disk has not (MMC-6).
Command ExecuteCdrom(const Cdb& cdb, const Unit& unit, Tray& tray);

}  // namespace davit::virtio::scsi
