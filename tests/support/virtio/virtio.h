// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A small virtio driver over qtest (virtio 1.2, 3.1), the same on both transports:
//
//   Machine m({"-M", "q35", "-device", "virtio-rng-pci"});
//   auto dev = FindVirtio(m, virtio::kIdRng);
//   ASSERT_TRUE(dev->Start());                        // accepts what is offered
//   auto used = dev->queue(0).Do(Request().Writable(64));
//   EXPECT_EQ(used->length, 64);  EXPECT_TRUE(dev->queue(0).TakeInterrupt());
//
// Owner: the thread of the test. The machine outlives its devices.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tests/support/virtio/machine.h"
#include "tests/support/virtio/ring.h"
#include "vmm/virtio/core/features.h"

namespace davit::qtest {

class Virtio;

class Queue {
 public:
  // Add() and Kick() and waits for it to come back. nullopt: it did not.
  std::optional<Used> Do(const Request& request, milliseconds timeout = testing::kPatience);
  uint16_t Add(const Request& request) { return ring_->Add(request); }
  // Tells the device if it wants to know; always: even if not.
  void Kick(bool always = false);
  std::optional<Used> Take() { return ring_->Take(); }
  // The next one, when it comes in time.
  std::optional<Used> Wait(milliseconds timeout = testing::kPatience);
  // Whether the device has interrupted for this queue since the last call (with MSI-X its vector,
  // else the queue bit of the device's interrupt status).
  bool TakeInterrupt();
  Ring& ring() { return *ring_; }

 private:
  friend class Virtio;
  Queue(Virtio& device, uint16_t index) : device_(device), index_(index) {}
  Virtio& device_;
  const uint16_t index_;
  std::unique_ptr<Ring> ring_;
};

struct StartOptions {
  uint64_t features = ~uint64_t{0};  // accepted, of those offered
  uint16_t queue_size = 0;           // 0: what the device proposes
  uint16_t most_queues = 64;
};

class Virtio {
 public:
  virtual ~Virtio() = default;

  // All of 3.1.1: reset, features, every queue that has a size, DRIVER_OK. False: the device
  // refused FEATURES_OK.
  bool Start(const StartOptions& options = {});
  // The steps.
  void Reset();  // writes 0, waits until it reads 0
  bool Negotiate(uint64_t features);
  void SetUpQueue(uint16_t index, uint16_t size = 0);
  void DriverOk();

  Queue& queue(uint16_t index);
  uint16_t queues() const { return static_cast<uint16_t>(queues_.size()); }
  uint64_t features() const { return features_; }  // negotiated
  bool Has(uint64_t feature) const { return (features_ & feature) != 0; }
  template <typename T>
  T Config(uint32_t offset) {
    return static_cast<T>(ReadConfig(offset, sizeof(T)));
  }
  // Whether a configuration change was signalled since the last call.
  virtual bool TakeConfigInterrupt() = 0;
  bool NeedsReset() { return (Status() & virtio::kStatusNeedsReset) != 0; }
  Machine& machine() { return machine_; }

  // --- the transport ---
  virtual uint64_t OfferedFeatures() = 0;
  virtual void AcceptFeatures(uint64_t features) = 0;
  virtual uint8_t Status() = 0;
  virtual void SetStatus(uint8_t status) = 0;
  virtual uint8_t Generation() = 0;  // of the configuration, low byte
  virtual uint64_t ReadConfig(uint32_t offset, unsigned size) = 0;
  virtual void WriteConfig(uint32_t offset, unsigned size, uint64_t value) = 0;
  virtual uint16_t QueueMax(uint16_t index) = 0;  // 0: no such queue
  virtual void EnableQueue(uint16_t index, const Ring& ring) = 0;
  virtual bool QueueReady(uint16_t index) = 0;
  virtual void ResetQueue(uint16_t index) = 0;  // RING_RESET
  virtual void Notify(uint16_t index) = 0;
  virtual bool TakeQueueInterrupt(uint16_t index) = 0;
  // Another ring with the same number after ResetQueue(), or before Start().
  virtual const char* transport() const = 0;

 protected:
  explicit Virtio(Machine& machine) : machine_(machine) {}
  Machine& machine_;

 private:
  uint64_t features_ = 0;
  std::vector<std::unique_ptr<Queue>> queues_;
};

// The nth device with this id on the machine's transport: virtio-mmio slots of microvm, PCI of q35
// (with MSI-X; msix false: INTx). Ends the program when there is none.
std::unique_ptr<Virtio> FindVirtio(Machine& machine, uint16_t id, size_t nth = 0, bool msix = true);
// How many there are.
size_t CountVirtio(Machine& machine, uint16_t id);

}  // namespace davit::qtest
