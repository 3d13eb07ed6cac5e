// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver's side, for unit tests of devices: guest RAM, a Frontend around the device, a manual
// event loop, rings in guest memory (split or packed), and recorded interrupts.
//
//   Driver driver(std::make_unique<MyDevice>(config));        // negotiated, DRIVER_OK
//   auto& queue = driver.queue(0);
//   queue.Add().Readable(header).Writable(512).Writable(1).Publish();
//   queue.Kick();                                             // serves the queue at once
//   auto used = queue.CollectUsed();                          // [{id, length, bytes written}]
//   EXPECT_EQ(driver.interrupts().queue(0), 1);
//
// A back end that calls back: driver.loop().RunPosted(), .FireReadable(fd), .Advance(time).
// DriverOptions: RAM, packed ring, the features to accept, queue size; start = false to drive the
// status register by hand (driver.frontend()). Chains: Raw() puts any address, Indirect() puts the
// chain in a table. Used `bytes` are the first `length` bytes of the chain's writable part.
// The abuse suite (abuse_suite.h) runs over any device from one line in its test.
//
// RAM: [0, ram_mib MiB) in two blocks that touch in the middle. Rings and buffers lie in it from
// the front. One thread, the test's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/frontend.h"
#include "vmm/virtio/testing/recording_interrupts.h"
#include "vmm/virtio/testing/ring.h"

namespace davit::virtio::testing {

inline constexpr uint64_t kWindow = uint64_t{4} << 30;

struct DriverOptions {
  uint64_t ram_mib = 4;           // even
  uint64_t window = 0;            // bytes of sparse memory (virtio-mem) at kWindow
  uint64_t features = ~0ULL;      // accepted, of those that are offered
  uint16_t queue_size = 0;        // 0: the device's maximum; else at most that
  bool start = true;              // negotiate and set DRIVER_OK in the constructor
  FrontendOptions frontend = {};  // packed, in_order, ...
};

struct Used {
  uint16_t id = 0;
  uint32_t length = 0;
  std::vector<uint8_t> bytes;
  std::string text() const { return std::string(bytes.begin(), bytes.end()); }
};

class Driver;

class DriverQueue {
 public:
  // One chain under construction. Readable parts come first, as a driver must; Raw() obeys nothing.
  class Chain {
   public:
    Chain& Readable(std::span<const uint8_t> bytes);
    Chain& Readable(std::string_view text);
    template <typename T>
    requires(std::is_trivially_copyable_v<T> &&
             !std::is_convertible_v<const T&, std::span<const uint8_t>> &&
             !std::is_convertible_v<const T&, std::string_view>) Chain& Readable(const T& value) {
      return Readable(std::span(reinterpret_cast<const uint8_t*>(&value), sizeof(value)));
    }
    // `text` in descriptors of `piece` bytes each.
    Chain& ReadablePieces(std::span<const uint8_t> bytes, uint32_t piece);
    Chain& Writable(uint32_t length);
    Chain& WritablePieces(uint32_t length, uint32_t piece);
    Chain& Raw(uint64_t address, uint32_t length, uint16_t flags);
    Chain& Indirect();
    // Puts it in the ring; the id under which it comes back.
    uint16_t Publish();

   private:
    friend class DriverQueue;
    explicit Chain(DriverQueue& queue) : queue_(queue) {}
    DriverQueue& queue_;
    std::vector<RingBuffer> buffers_;
    bool indirect_ = false;
  };

  Chain Add() { return Chain(*this); }
  // Tells the device, whether it wants to know or not, and runs what is posted.
  void Kick();
  bool KickWanted() const { return ring_->KickWanted(); }
  // What the device gave back since the last call, in its order. Then asks for an interrupt at the
  // next one.
  std::vector<Used> CollectUsed();
  // Add() + Kick() + CollectUsed() of one request. Error-free devices give exactly one back.
  std::optional<Used> Request(std::span<const uint8_t> readable, uint32_t writable);

  DriverRing& ring() { return *ring_; }

 private:
  friend class Driver;
  DriverQueue(Driver& driver, uint16_t index) : driver_(driver), index_(index) {}
  struct Outstanding {
    uint16_t id;
    std::vector<RingBuffer> writable;
  };
  Driver& driver_;
  const uint16_t index_;
  std::unique_ptr<DriverRing> ring_;
  std::vector<Outstanding> outstanding_;
};

class Driver {
 public:
  // A device that needs the loop from the start (for its back end).
  using MakeDevice = std::function<std::unique_ptr<VirtioDevice>(io::FakeEventLoop&)>;

  explicit Driver(std::unique_ptr<VirtioDevice> device, const DriverOptions& options = {});
  explicit Driver(const MakeDevice& make, const DriverOptions& options = {});
  ~Driver();

  Frontend& frontend() { return *frontend_; }
  io::FakeEventLoop& loop() { return loop_; }
  const memory::GuestMemory& memory() const { return memory_; }
  // How many pages of the host are behind [address, address + size), which is of one block.
  uint64_t HostPages(uint64_t address, uint64_t size) const;
  // More RAM is there while `use` runs, and is then unplugged. Whether somebody keeps it mapped.
  bool KeepsUnpluggedRam(const std::function<void()>& use);
  RecordingInterrupts& interrupts() { return interrupts_; }
  DriverQueue& queue(uint16_t index) { return *queues_[index]; }
  uint64_t features() const { return features_; }  // negotiated

  uint8_t status() { return frontend_->status(); }
  bool needs_reset() { return (status() & kStatusNeedsReset) != 0; }
  template <typename T>
  T Config(uint32_t offset) {
    T value;
    frontend_->ReadConfig(offset, std::span(reinterpret_cast<uint8_t*>(&value), sizeof(value)));
    return value;
  }
  template <typename T>
  void SetConfig(uint32_t offset, const T& value) {
    frontend_->WriteConfig(offset,
                           std::span(reinterpret_cast<const uint8_t*>(&value), sizeof(value)));
  }

  // The steps of 3.1.1; the constructor does all. False: FEATURES_OK was refused.
  bool Negotiate();
  void SetUpQueues();
  void SetUpQueue(uint16_t index);  // a new, empty ring
  void DriverOk();
  // Writes 0 to the status register. All chains are forgotten.
  void Reset();
  bool Start() {
    if (!Negotiate()) return false;
    SetUpQueues();
    DriverOk();
    return true;
  }

  // Guest RAM for the driver's own use, zeroed. Buffers are taken back when no chain is left.
  uint64_t Allocate(uint64_t size, uint64_t align = 16);

 private:
  friend class DriverQueue;
  void Init(std::unique_ptr<VirtioDevice> device);
  void FreeBuffersWhenIdle();

  const DriverOptions options_;
  memory::GuestMemory memory_;
  io::FakeEventLoop loop_;
  RecordingInterrupts interrupts_;
  std::unique_ptr<Frontend> frontend_;
  std::vector<std::unique_ptr<DriverQueue>> queues_;
  uint64_t features_ = 0;
  uint64_t next_free_ = 0;
  uint64_t buffers_from_ = 0;  // rings lie before
};

}  // namespace davit::virtio::testing
