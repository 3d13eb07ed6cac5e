// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The tray of a logical unit whose medium can be taken out: open or closed, locked by the guest
// (PREVENT ALLOW MEDIUM REMOVAL) or not. A guest hears of what others do with it in two ways: unit
// attentions, and GET EVENT STATUS NOTIFICATION (MMC-6, 6.7). Pure. Owner: the device's lock.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace davit::virtio::scsi {

class Tray {
 public:
  bool open() const { return open_; }
  bool locked() const { return locked_; }
  // Power-on.
  void Reset() { open_ = locked_ = false; }

  // --- by whoever operates the VM ---
  // The guest is to be told: at once that there is no medium, and after a closing, by
  // TakeChanged(), that there may be another.
  void Move(bool open) {
    open_ = open;
    changed_ = !open;
    moved_ = true;
    eject_requested_ = false;
  }
  // force: the guest's lock ends.
  void RequestEject(bool force) {
    eject_requested_ = true;
    if (force) locked_ = false;
  }

  // --- by the guest ---
  void set_open(bool open) { open_ = open; }
  void set_locked(bool locked) { locked_ = locked; }
  // Once after a closing.
  bool TakeChanged() { return std::exchange(changed_, false); }
  // The media event descriptor; each event is told once. medium: there is one.
  std::array<uint8_t, 4> TakeEvent(bool medium);

 private:
  bool open_ = false;
  bool locked_ = false;
  bool changed_ = false;
  bool moved_ = false;
  bool eject_requested_ = false;
};

}  // namespace davit::virtio::scsi
