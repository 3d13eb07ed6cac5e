// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver's side of a virtqueue over qtest (virtio 1.2, 2.7 split and 2.8 packed): descriptors,
// rings and buffers lie in the guest memory of a Machine. Honest by default; a hostile test writes
// to the addresses that this tells. Owner: the thread of the test.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/virtio/machine.h"

namespace davit::qtest {

// A request that the device has given back.
struct Used {
  uint16_t id = 0;
  uint32_t length = 0;         // as the device says
  std::vector<uint8_t> bytes;  // the first `length` bytes of the writable part, as far as there are
  std::string text() const { return std::string(bytes.begin(), bytes.end()); }
};

// One request: readable parts first, then writable ones.
class Request {
 public:
  Request& Readable(std::span<const uint8_t> bytes);
  Request& Readable(std::string_view text);
  template <typename T>
  Request& Struct(const T& value) {
    return Readable(std::span(reinterpret_cast<const uint8_t*>(&value), sizeof(T)));
  }
  Request& Writable(uint32_t length);
  // Memory of the test's own, or any address at all.
  Request& At(uint64_t address, uint32_t length, bool writable);
  Request& Indirect();  // the chain lies in a table of its own

 private:
  friend class Ring;
  friend class SplitRing;
  friend class PackedRing;
  struct Part {
    std::optional<uint64_t> address;  // nullopt: allocated
    uint32_t length = 0;
    bool writable = false;
    std::vector<uint8_t> bytes;
  };
  std::vector<Part> parts_;
  bool indirect_ = false;
};

class Ring {
 public:
  Ring(Machine& machine, uint16_t size, bool event_idx)
      : machine_(machine), size_(size), event_idx_(event_idx) {}
  virtual ~Ring() = default;

  uint16_t size() const { return size_; }
  // What the device is told (2.7, 2.8): descriptor table or ring, driver area, device area.
  uint64_t desc() const { return desc_; }
  uint64_t driver() const { return driver_; }
  uint64_t device() const { return device_; }

  // Puts the request into the ring and makes it visible; its id. Ends the program when full.
  uint16_t Add(const Request& request);
  // Whether the device wants a notification for what was added since the last call.
  virtual bool WantsKick() = 0;
  // The next request that has come back; nullopt: none yet.
  std::optional<Used> Take();
  // Interrupts for what is given back: on (at the next one) or off.
  virtual void SetInterrupts(bool on) = 0;

 protected:
  static constexpr uint16_t kNext = 1, kWrite = 2, kIndirect = 4;
  struct Segment {
    uint64_t address;
    uint32_t length;
    bool writable;
  };
  // Writes the segments; the id under which the chain comes back.
  virtual uint16_t Publish(const std::vector<Segment>& segments, bool indirect) = 0;
  struct Returned {
    uint16_t id;
    uint32_t length;
  };
  virtual std::optional<Returned> TakeReturned() = 0;

  Machine& machine_;
  const uint16_t size_;
  const bool event_idx_;
  uint64_t desc_ = 0, driver_ = 0, device_ = 0;

 private:
  std::map<uint16_t, std::vector<Segment>> outstanding_;  // by id
};

class SplitRing final : public Ring {
 public:
  SplitRing(Machine& machine, uint16_t size, bool event_idx);
  bool WantsKick() override;
  void SetInterrupts(bool on) override;

 private:
  uint16_t Publish(const std::vector<Segment>& segments, bool indirect) override;
  std::optional<Returned> TakeReturned() override;
  void WriteDescriptor(uint64_t at, const Segment& segment, uint16_t flags, uint16_t next);

  std::vector<uint16_t> free_;            // descriptors
  std::map<uint16_t, uint16_t> lengths_;  // head -> descriptors of the ring that it takes
  std::map<uint16_t, std::vector<uint16_t>> chains_;
  uint16_t avail_ = 0, kicked_ = 0, used_ = 0;
};

class PackedRing final : public Ring {
 public:
  PackedRing(Machine& machine, uint16_t size, bool event_idx);
  bool WantsKick() override;
  void SetInterrupts(bool on) override;

 private:
  static constexpr uint16_t kAvail = 1 << 7, kUsed = 1 << 15;
  uint16_t Publish(const std::vector<Segment>& segments, bool indirect) override;
  std::optional<Returned> TakeReturned() override;
  uint64_t Slot(uint16_t index) const { return desc_ + 16 * uint64_t{index}; }

  uint16_t next_ = 0;
  bool wrap_ = true;
  uint16_t free_slots_;
  uint16_t added_since_kick_ = 0;
  std::vector<uint16_t> ids_;           // free buffer ids
  std::map<uint16_t, uint16_t> slots_;  // id -> slots
  uint16_t used_next_ = 0;
  bool used_wrap_ = true;
};

}  // namespace davit::qtest
