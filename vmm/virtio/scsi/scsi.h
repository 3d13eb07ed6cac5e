// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The SCSI host (virtio 1.2, 5.6): targets 0 to 255 of one channel, each with its logical units on
// disks of vmm/backend/block. Commands are understood in command.h; here they are fetched, moved
// and given back. Task management answers when the tasks that it names have ended; a request that
// the error policy stopped is kept, and tried again when the VM goes on. The medium of a removable
// unit may be missing, and is changed while the device is quiet.
//
// Threads: as device.h; AddUnit() and Unit's destruction on the control thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "vmm/backend/block/backend.h"
#include "vmm/virtio/core/device.h"
#include "vmm/virtio/scsi/command.h"
#include "vmm/virtio/scsi/wire.h"

namespace davit::virtio {

// QEMU's properties of virtio-scsi, with its defaults.
struct ScsiConfig {
  uint16_t num_queues = 1;
  uint16_t queue_size = 256;
  bool seg_max_adjust = true;
  uint32_t max_sectors = 65535;
  uint32_t cmd_per_lun = 128;
};

// A disk or CD-ROM of the host.
struct ScsiUnitConfig {
  uint8_t target = 0;
  uint16_t lun = 0;  // below 16384
  scsi::Unit unit;   // but for `blocks`, `read_only`, `write_cache`
};

class ScsiDevice final : public VirtioDevice, private backend::DiskOwner {
 public:
  static constexpr uint16_t kMaxLun = 16383;
  // Error: QEMU's words.
  static Result<std::unique_ptr<ScsiDevice>> Create(const ScsiConfig& config);
  ~ScsiDevice() override;

  // When it has its host; the driver is told. Error: the address is taken, or the sizes do not fit.
  Status AddUnit(const ScsiUnitConfig& config, std::shared_ptr<backend::BlockBackend> disk);
  // Before it has one.
  Status AddFirstUnit(const ScsiUnitConfig& config, std::shared_ptr<backend::BlockBackend> disk);
  // The unit and its disk go, and the driver is told; what the error policy keeps of its requests
  // is aborted. Nothing of it is in flight: the device stands still (OnRunning(false), drained).
  void RemoveUnit(uint8_t target, uint16_t lun);
  bool HasUnit(uint8_t target, uint16_t lun) const;

  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override;
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in) override;
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  void OnRunning(bool running) override;
  void Drain() override;

 private:
  struct Lun;
  struct Active;       // a command under way
  struct WaitingTask;  // task management that waits for commands
  using Key = uint32_t;

  explicit ScsiDevice(const ScsiConfig& config);
  void WhileQuiet(const std::function<void()>& fn) override { host().WhileQuiet(fn); }
  std::unique_lock<std::mutex> Lock() override { return host().Lock(); }
  static void LetGo(Lun& lun);  // of its disk
  Lun* Find(const scsi::LunAddress& address);
  std::vector<uint16_t> LunsOf(uint8_t target) const;
  bool HasTarget(uint8_t target) const { return !LunsOf(target).empty(); }

  void StartCommand(uint16_t queue, DescriptorChain chain);
  void RunCommand(std::unique_ptr<Active> active, Lun* lun, std::span<const uint8_t> cdb);
  bool BorrowData(Active& active);
  void Issue(std::unique_ptr<Active> active);
  void Ended(std::unique_ptr<Active> active, int error);
  void Complete(std::unique_ptr<Active> active, uint8_t response, uint64_t moved);
  void CompleteSense(std::unique_ptr<Active> active, const scsi::Sense& sense);

  void HandleControl(DescriptorChain chain);
  uint8_t RunTask(const scsi::TaskRequest& request, uint64_t wait, size_t* units);
  void FinishTask(DescriptorChain chain, uint8_t response);
  void Forget(Active& active);  // it has ended: waiting task management goes on
  void DropHeld(const VirtQueue* queue);
  void AbortHeld();
  void DropWaiting();
  void SendEvent(uint32_t event, const scsi::LunAddress& lun, uint32_t reason);
  void Resized(Lun& lun);
  void UnitsChanged(const ScsiUnitConfig& unit, uint32_t reason);

  void RetryHeld();
  void Reap();   // lock held
  void Ready();  // loop, without the lock
  size_t in_flight() const;
  void FailChain(uint16_t queue, DescriptorChain chain, const char* reason);

  const ScsiConfig config_;
  DeviceTraits traits_;
  uint64_t features_ = 0;  // negotiated
  uint32_t sense_size_ = scsi::kDefaultSenseSize;
  uint32_t cdb_size_ = scsi::kDefaultCdbSize;
  bool active_ = false;
  bool resetting_ = false;
  bool retry_ = false;
  bool events_missed_ = false;
  std::map<Key, std::unique_ptr<Lun>> luns_;
  std::vector<VirtQueue*> queues_;
  std::vector<bool> notify_;
  std::deque<std::unique_ptr<Active>> held_;  // failed, to be tried again
  std::map<uint64_t, WaitingTask> waiting_;   // by the number that the units' TaskSets know
  uint64_t next_wait_ = 0;
};

}  // namespace davit::virtio
