// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside this package: what a logical unit, a command under way and a waiting task are, and how
// addresses of logical units are read (SAM-6, 4.7). Owner: the device's lock; a unit's tray is also
// moved by the control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "vmm/virtio/scsi/scsi.h"
#include "vmm/virtio/scsi/task_set.h"

namespace davit::virtio {

struct ScsiDevice::Lun final : public backend::Tray {
  Lun(ScsiDevice& o, ScsiUnitConfig c, std::shared_ptr<backend::BlockBackend> d)
      : owner(o), config(std::move(c)), disk(std::move(d)) {}
  // As it is now.
  scsi::Unit Now() const {
    scsi::Unit unit = config.unit;
    unit.medium = disk->has_medium();
    unit.blocks = disk->length() / unit.block_size;
    unit.read_only = unit.cdrom || disk->read_only();
    unit.write_cache = disk->write_cache();
    unit.thin = disk->discards();
    return unit;
  }

  bool ready() const { return disk->has_medium() && !tray.open(); }
  void Raise(const scsi::Sense& sense) { attention = scsi::MoreUrgent(attention, sense); }
  scsi::Sense TakeAttention() {
    const scsi::Sense told = std::exchange(attention, scsi::kNoSense);
    if (told.key != 0 && tray.TakeChanged()) Raise(scsi::kMediumMayHaveChanged);
    return told;
  }
  // As after power-on, without losing what is in the tray.
  void Reset() {
    attention = scsi::kPowerOn;
    tray.Reset();
  }

  // --- backend::Tray; control thread, without the lock ---
  bool tray_open() override;
  bool tray_locked() override;
  void MoveTray(bool open) override;
  void RequestEject(bool force) override;
  void WhileQuiet(const std::function<void()>& fn) override;

  ScsiDevice& owner;
  const ScsiUnitConfig config;
  scsi::TaskSet tasks;
  const std::shared_ptr<backend::BlockBackend> disk;
  scsi::Tray tray;
  scsi::Sense attention = scsi::kPowerOn;  // told at the next command; key 0: none
};

struct ScsiDevice::Active {
  uint16_t queue = 0;
  std::optional<DescriptorChain> chain;
  uint32_t sense_size = 0;
  uint64_t data_out = 0, data_in = 0;  // bytes that the driver has or has room for
  uint64_t data_out_at = 0;
  scsi::LunAddress address{};
  Lun* lun = nullptr;
  scsi::ActiveTask task;     // of the unit, while in a back end or held
  bool medium_gone = false;  // kept while another medium, or none, was put in
  scsi::Command command;
  size_t extent = 0;  // that is under way
  std::optional<memory::BorrowedIo> io;
  backend::BlockRequest back;
};

struct ScsiDevice::WaitingTask {
  DescriptorChain chain;
  size_t units = 0;  // that have commands which it waits for
};

constexpr uint32_t KeyOf(uint8_t target, uint16_t lun) { return uint32_t{target} << 16 | lun; }

// 1, target, LUN by peripheral or flat addressing.
constexpr bool WellFormed(const scsi::LunAddress& address) {
  return address[0] == 1 && (address[2] == 0 || (address[2] & 0xc0) == 0x40);
}
constexpr uint16_t LunOf(const scsi::LunAddress& address) {
  return static_cast<uint16_t>((address[2] << 8 | address[3]) & 0x3fff);
}
constexpr scsi::LunAddress AddressOf(uint8_t target, uint16_t lun) {
  const auto high = static_cast<uint8_t>(lun < 256 ? 0 : 0x40 | lun >> 8);
  return {1, target, high, static_cast<uint8_t>(lun), 0, 0, 0, 0};
}

}  // namespace davit::virtio
