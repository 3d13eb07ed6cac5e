// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What -rtc says about a board's clock: which time drives it, from where it starts, and what
// becomes of ticks that the guest misses. Under qtest the virtual clock drives it whatever clock=
// says, so that the client alone moves time.
#pragma once

#include <chrono>

#include "vmm/devices/cmos_rtc.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/config.h"
#include "vmm/machine/vm_clock.h"

namespace davit::machine {

// accel and vm_clock outlive the result.
inline devices::CmosRtc::Source RtcSource(const RtcConfig& config, Accel& accel,
                                          const VmClock& vm_clock) {
  if (accel.kvm() == nullptr) {
    return [&loop = accel.device_loop()] {
      return std::chrono::nanoseconds(loop.Now().time_since_epoch()).count();
    };
  }
  switch (config.clock) {
    case RtcConfig::ClockSource::kHost:
      return devices::HostClockNs;
    case RtcConfig::ClockSource::kRt:
      return devices::MonotonicClockNs;
    case RtcConfig::ClockSource::kVm:
      break;
  }
  return [&vm_clock] { return vm_clock.Now(); };
}

// Seconds since 1970-01-01 in the guest's calendar.
inline int64_t RtcStart(const RtcConfig& config) {
  switch (config.base) {
    case RtcConfig::Base::kUtc:
      return devices::UtcNow();
    case RtcConfig::Base::kLocaltime:
      return devices::LocalTimeNow();
    case RtcConfig::Base::kDate:
      break;
  }
  return config.date;
}

inline devices::LostTicks RtcLostTicks(const RtcConfig& config) {
  return config.slew ? devices::LostTicks::kSlew : devices::LostTicks::kDiscard;
}
// As "info qtree" shows it.
inline const char* RtcLostTicksText(bool slew) { return slew ? "\"slew\"" : "\"discard\""; }

}  // namespace davit::machine
