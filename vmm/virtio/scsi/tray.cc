// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See tray.h.
#include "vmm/virtio/scsi/tray.h"

namespace davit::virtio::scsi {
namespace {

// MMC-6, table "media event codes" and the bits of the media status.
constexpr uint8_t kNoChange = 0, kEjectRequest = 1, kNewMedia = 2;
constexpr uint8_t kTrayOpen = 1, kMediaPresent = 2;

}  // namespace

std::array<uint8_t, 4> Tray::TakeEvent(bool medium) {
  if (open_) return {kNoChange, kTrayOpen, 0, 0};  // events wait until it is closed
  uint8_t event = kNoChange;
  if (std::exchange(moved_, false)) {
    event = kNewMedia;
  } else if (std::exchange(eject_requested_, false)) {
    event = kEjectRequest;
  }
  return {event, medium ? kMediaPresent : uint8_t{0}, 0, 0};
}

}  // namespace davit::virtio::scsi
