// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a vCPU, a device or a control plane asks of the VM's life: reset, power-off, power button,
// stop. Any thread asks; the control loop serves, in QEMU's order. A vCPU that asks for a reset, a
// power-off or a stop runs no further instruction before it is served.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "vmm/control/types.h"
#include "vmm/io/event_loop.h"

namespace davit::machine {

class Requests {
 public:
  struct Pending {
    std::optional<control::ShutdownCause> shutdown;
    bool quit = false;  // the process ends whatever the shutdown action says
    control::ShutdownCause reset = control::ShutdownCause::kNone;  // kNone: not asked for
    bool powerdown = false;
    bool crash_loaded = false;
    bool panicked = false;
    bool watchdog = false;
    std::optional<control::RunState> stop;
  };

  // serve runs on the loop's thread after a request. Created and destroyed on it too; after
  // destruction serve is not called.
  Requests(io::EventLoop& loop, std::function<void()> serve);
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  void Reset(control::ShutdownCause cause);
  void Shutdown(control::ShutdownCause cause);
  void Quit(control::ShutdownCause cause);
  void Powerdown();
  void Panicked();
  void CrashLoaded();
  void WatchdogExpired();
  void Stop(control::RunState state);

  // Control thread: what has come together, and forgets it.
  Pending Take();

 private:
  void Ask(const std::function<void(Pending&)>& change, bool park);

  io::EventLoop& loop_;
  std::shared_ptr<std::function<void()>> serve_;
  std::mutex mutex_;  // guards pending_ and posted_
  Pending pending_;
  bool posted_ = false;
};

}  // namespace davit::machine
