// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// An address space of device registers: one Bus for port I/O, one for MMIO. A device is called
// on the vCPU thread that trapped, several at once: it takes its own lock. The table is
// changed on the control thread while vCPUs run (hot-plug): it is an immutable map swapped whole.
// Unclaimed reads give all ones, unclaimed writes are dropped, as on a PC.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "vmm/base/error.h"

namespace davit::bus {

class BusDevice {
 public:
  virtual ~BusDevice() = default;
  // offset: from the base of the claimed range; data.size(): 1, 2, 4 or 8; data never crosses
  // the end of the range. Little-endian. Must not block.
  virtual void Read(uint64_t offset, std::span<uint8_t> data) = 0;
  virtual void Write(uint64_t offset, std::span<const uint8_t> data) = 0;
};

class Bus {
 public:
  explicit Bus(std::string name);  // "I/O port" or "MMIO": used in errors
  // The device must outlive the claim. Error: overlap with another claim, or base+size wraps.
  Status Claim(uint64_t base, uint64_t size, std::string owner, BusDevice* device);
  Status Release(uint64_t base);
  // An access that touches more than one claim, or the edge of one, is split into bytes.
  // False when nothing at all is claimed there (the data is then all ones on a read).
  bool Read(uint64_t addr, std::span<uint8_t> data) const;
  bool Write(uint64_t addr, std::span<const uint8_t> data) const;

  struct ClaimInfo {
    uint64_t base;
    uint64_t size;
    std::string owner;
  };
  std::vector<ClaimInfo> claims() const;

 private:
  struct Claimed {
    ClaimInfo info;
    BusDevice* device;
  };
  using Table = std::vector<Claimed>;
  std::shared_ptr<const Table> table() const;
  static const Claimed* Find(const Table& table, uint64_t addr);

  std::string name_;
  mutable std::mutex mutex_;  // guards table_
  std::shared_ptr<const Table> table_;
};

}  // namespace davit::bus
