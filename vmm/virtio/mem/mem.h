// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory device (virtio 1.2, 5.15): a region of guest physical memory in blocks, which the
// driver plugs and unplugs until it has as much as the host asks for. The region is in the table of
// guest RAM as a whole (memory::Region::sparse); what is unplugged has its host memory taken away,
// and reads as zeros should the driver look all the same.
//
// The size survives a reset of the device, not one of the machine (OnMachineReset()).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "vmm/virtio/core/device.h"

namespace davit::virtio {

// Bytes, unless said otherwise.
struct MemConfig {
  uint64_t address = 0;                 // guest physical, of the region; a multiple of block_size
  uint64_t region_size = 0;             // a multiple of block_size, not 0
  uint64_t block_size = 0;              // a power of two, not less than a page of the backing store
  uint64_t requested_size = 0;          // at first; as for SetRequestedSize()
  uint16_t node = 0;                    // NUMA node that the driver is told
  bool prealloc = false;                // a block is plugged only with host memory behind all of it
  bool unplugged_inaccessible = false;  // the driver must not touch unplugged memory (feature 1)
  // Whatever keeps the region in the table of guest RAM: let go of with the device.
  std::shared_ptr<void> region;
  // The driver plugged or unplugged; the size of now. Device lock held, any thread.
  std::function<void(uint64_t)> on_change;
};

class Mem final : public VirtioDevice {
 public:
  // Nothing is plugged and nothing of the region populated.
  explicit Mem(MemConfig config);

  // --- the control plane: control thread, no lock held ---
  const MemConfig& config() const { return config_; }
  uint64_t plugged_size();
  uint64_t requested_size();
  // Error, in QEMU's words: no multiple of the block size, more than the region.
  Status SetRequestedSize(uint64_t bytes);
  // The same check before there is a device. name: as the error calls the property.
  static Status CheckRequestedSize(const MemConfig& config, uint64_t bytes, std::string_view name);
  // All is unplugged, as after power-on; the requested size stays. The vCPUs are parked.
  void OnMachineReset() override;

  // --- VirtioDevice ---
  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override;
  void WriteConfig(uint32_t, std::span<const uint8_t>) override {}  // the device's alone
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  void OnRunning(bool running) override;

 private:
  struct Range {
    uint64_t first = 0, count = 0;  // blocks
  };
  struct Answer {
    uint16_t type = 0;
    uint16_t state = 0;
  };

  // Lock held. Error: the driver breaks the protocol.
  Result<bool> ServeOne();  // false: the queue is empty
  Answer Execute(uint16_t type, uint64_t address, uint16_t blocks);
  Answer Plug(Range range);
  Answer Unplug(Range range);
  Answer UnplugAll();
  Answer State(Range range) const;
  std::optional<Range> RangeAt(uint64_t address, uint16_t blocks) const;
  bool AllAre(Range range, bool plugged) const;
  void Mark(Range range, bool plugged);
  void SetUsableSize(bool may_shrink);
  Status Discard(Range range);
  Status Populate(Range range);

  const MemConfig config_;
  DeviceTraits traits_;
  // Guarded by the device's lock.
  VirtQueue* queue_ = nullptr;
  bool running_ = true;
  std::vector<bool> plugged_;  // by block
  uint64_t plugged_size_ = 0;
  uint64_t requested_size_ = 0;
  uint64_t usable_size_ = 0;     // of the region, from its start: where the driver may plug
  bool discard_failed_ = false;  // logged
  uint64_t turn_bytes_ = 0;      // populated and given back since HandleQueue() began
};

}  // namespace davit::virtio
