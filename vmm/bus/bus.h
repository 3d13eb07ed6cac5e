// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// An address space of device registers: one Bus for port I/O, one for MMIO. A device is called
// on the vCPU thread that trapped, several at once: it takes its own lock. The table is
// changed on the control thread while vCPUs run (hot-plug): it is an immutable map swapped whole,
// and an access takes no lock and no reference count (hazard.h).
// Unclaimed reads give all ones, unclaimed writes are dropped, as on a PC.
#pragma once

#include <atomic>
#include <cstdint>
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
  ~Bus();                          // no access may be under way
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // The device must outlive the claim. Error: size 0, overlap with another claim, or base+size
  // wraps.
  Status Claim(uint64_t base, uint64_t size, std::string owner, BusDevice* device);
  // When it returns no access is inside the device through this claim any more and the device may
  // die; but when called from within an access (a device that moves its own window), it does not
  // wait.
  Status Release(uint64_t base);
  // When it returns, no access is under way through any claim that was released before the call.
  // Not from within an access.
  void Drain();
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
    uint64_t base;
    uint64_t last;  // inclusive: a claim may end at 2^64
    BusDevice* device;
    std::string owner;
  };
  using Table = std::vector<Claimed>;  // by base, disjoint
  static const Claimed* Find(const Table& table, uint64_t addr);
  struct Retired {
    const Table* table;
    uint64_t change;  // the change that replaced it
  };
  void Replace(const Table* table);  // mutex_ held
  void FreeUnused();                 // mutex_ held
  // Waits until no table retired up to `change` is in use. Lets go of the lock meanwhile.
  void WaitUnused(uint64_t change, std::unique_lock<std::mutex>& lock);

  const std::string name_;
  mutable std::mutex mutex_;  // among changes; not taken by accesses
  std::atomic<const Table*> table_;
  std::vector<Retired> retired_;  // replaced, still used by an access; oldest first
  uint64_t changes_ = 0;
};

}  // namespace davit::bus
