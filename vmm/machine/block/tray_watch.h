// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What clients are told of trays (DEVICE_TRAY_MOVED). What a client moves is told in the midst of
// its command, before the reply. A guest can move its trays as fast as it runs commands: of that
// the first is told soon, then at most once a second for each device what has come of it, which is
// one event, or two when the tray moved and is back where it was. The last state always comes.
//
// Threads: Moved() any thread for what the guest moved, with locks of the device held; all else on
// the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "vmm/backend/block/backend.h"
#include "vmm/io/event_loop.h"

namespace davit::machine {

class TrayWatch : public std::enable_shared_from_this<TrayWatch> {
 public:
  static constexpr std::chrono::seconds kPeriod{1};
  // Whether the device's tray is open; nullopt: it has gone.
  using StateOf = std::function<std::optional<bool>(const std::string& qdev)>;
  using Tell = std::function<void(const backend::TrayMoved& moved)>;

  // Held by a shared_ptr; the loop outlives it.
  TrayWatch(io::EventLoop& loop, StateOf state_of, Tell tell)
      : loop_(loop), state_of_(std::move(state_of)), tell_(std::move(tell)) {}

  void Moved(const backend::TrayMoved& moved);

 private:
  // A device whose guest has moved its tray in this period.
  struct Row {
    std::string device;
    uint64_t moves = 0;        // by the guest, not told yet
    std::optional<bool> told;  // by a client's command since the last look
    std::unique_ptr<io::Registration> timer;
  };

  void MovedByGuest(const backend::TrayMoved& moved);
  void MovedByClient(const backend::TrayMoved& moved);
  void ServeSoon(const std::string& qdev);
  void Serve(const std::string& qdev);

  io::EventLoop& loop_;
  const StateOf state_of_;
  const Tell tell_;
  std::mutex mutex_;  // guards the rows
  std::map<std::string, Row> rows_;
};

}  // namespace davit::machine
