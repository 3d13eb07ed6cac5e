// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The block device (virtio 1.2, 5.2) on a disk of vmm/backend/block. A request is parsed
// (parse.h), goes to the back end as it is, and comes back with a status. Where the error policy
// says stop, the request is kept while the VM stands still and is tried again when it goes on, so
// that the guest sees nothing but time.
//
// Threads: as device.h. The back end's callbacks come on the device's loop.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vmm/backend/block/backend.h"
#include "vmm/virtio/block/parse.h"
#include "vmm/virtio/core/device.h"

namespace davit::virtio {

// QEMU's properties of virtio-blk, with its defaults.
struct BlockConfig {
  uint16_t num_queues = 1;
  uint16_t queue_size = 256;
  bool seg_max_adjust = true;  // seg-max-adjust: segments by queue size, else 126
  std::string serial;
  bool config_wce = true;
  bool discard = true;
  bool write_zeroes = true;
  uint32_t max_discard_sectors = 4194303;
  uint32_t max_write_zeroes_sectors = 4194303;
  uint32_t logical_block_size = 0;   // 0: the host device's, else 512
  uint32_t physical_block_size = 0;  // likewise
  uint32_t min_io_size = 0;          // bytes
  uint32_t opt_io_size = 0;
  uint32_t discard_granularity = UINT32_MAX;  // UINT32_MAX: a logical block
  bool report_discard_granularity = true;
};

class BlockDevice final : public VirtioDevice, private backend::DiskOwner {
 public:
  // What must hold before a disk is attached. Error: QEMU's words.
  static Status Check(const BlockConfig& config);
  // Error: sizes that do not fit each other or the disk.
  static Result<std::unique_ptr<BlockDevice>> Create(const BlockConfig& config,
                                                     std::shared_ptr<backend::BlockBackend> disk);
  ~BlockDevice() override;

  // What it was made with; block sizes that were left to the disk are the disk's.
  const BlockConfig& config() const { return config_; }

  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override;
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in) override;
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  void OnRunning(bool running) override;
  void Drain() override;

 private:
  // One chain under way.
  struct Active;

  BlockDevice(const BlockConfig& config, std::shared_ptr<backend::BlockBackend> disk);
  void WhileQuiet(const std::function<void()>& fn) override { host().WhileQuiet(fn); }
  std::unique_lock<std::mutex> Lock() override { return host().Lock(); }
  void Start(uint16_t queue, DescriptorChain chain);
  void Issue(std::unique_ptr<Active> active);
  void Ended(std::unique_ptr<Active> active, int error);
  void GiveId(std::unique_ptr<Active> active);
  void Complete(std::unique_ptr<Active> active, uint8_t status);
  void RetryHeld();
  void DropHeld(const VirtQueue* queue);  // null: of all queues
  void Ready();                           // loop, without the lock
  // What has ended is given back and told. Lock held.
  void Reap();
  block::Limits CurrentLimits() const;
  std::unique_ptr<Active> NewActive(uint16_t queue, DescriptorChain chain);

  const BlockConfig config_;
  const std::shared_ptr<backend::BlockBackend> disk_;
  const bool write_cache_;  // as the host wants it at reset
  DeviceTraits traits_;
  uint64_t features_ = 0;  // negotiated
  bool resetting_ = false;
  bool retry_ = false;  // the VM goes on: held_ is to be tried again
  std::vector<VirtQueue*> queues_;
  std::vector<bool> notify_;                    // queues with requests given back
  std::deque<std::unique_ptr<Active>> held_;    // failed, to be tried again
  std::vector<std::unique_ptr<Active>> spare_;  // used again
};

}  // namespace davit::virtio
