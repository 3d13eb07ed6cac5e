// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See tray_watch.h.
#include "vmm/machine/block/tray_watch.h"

#include <utility>

namespace davit::machine {

using backend::TrayMoved;

void TrayWatch::Moved(const TrayMoved& moved) {
  if (moved.by_guest) {
    MovedByGuest(moved);
  } else {
    MovedByClient(moved);
  }
}

void TrayWatch::MovedByGuest(const TrayMoved& moved) {
  {
    std::lock_guard lock(mutex_);
    const auto [it, first] = rows_.try_emplace(moved.qdev);
    it->second.device = moved.device;
    ++it->second.moves;
    if (!first) return;  // somebody looks soon
  }
  ServeSoon(moved.qdev);
}

void TrayWatch::MovedByClient(const TrayMoved& moved) {
  bool before = false;
  {
    std::lock_guard lock(mutex_);
    if (const auto it = rows_.find(moved.qdev); it != rows_.end()) {
      before = std::exchange(it->second.moves, 0) != 0;
      it->second.told = moved.open;
    }
  }
  if (before) {
    TrayMoved guests = moved;
    guests.open = !moved.open;
    guests.by_guest = true;
    tell_(guests);
  }
  tell_(moved);
}

void TrayWatch::ServeSoon(const std::string& qdev) {
  loop_.Post([alive = weak_from_this(), qdev] {
    if (const std::shared_ptr<TrayWatch> self = alive.lock()) self->Serve(qdev);
  });
}

void TrayWatch::Serve(const std::string& qdev) {
  TrayMoved moved{.device = {}, .qdev = qdev, .open = false, .by_guest = true};
  uint64_t moves = 0;
  std::optional<bool> told;
  {
    std::lock_guard lock(mutex_);
    const auto it = rows_.find(qdev);
    Row& row = it->second;
    moves = std::exchange(row.moves, 0);
    told = std::exchange(row.told, std::nullopt);
    if (moves == 0 && !told) {
      rows_.erase(it);
      return;
    }
    row.timer = loop_.At(loop_.Now() + kPeriod, [this, qdev] { ServeSoon(qdev); });
    moved.device = row.device;
  }
  // The state of now, for which the device's lock is needed: a client's move may have been told
  // after one of the guest that came later.
  const std::optional<bool> open = state_of_(qdev);
  if (!open || (moves == 0 && told == open)) return;
  if (moves != 0 && moves % 2 == 0 && told.value_or(*open) == *open) {
    moved.open = !*open;
    tell_(moved);
  }
  moved.open = *open;
  tell_(moved);
}

}  // namespace davit::machine
