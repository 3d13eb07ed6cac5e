// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The real-time clock (MC146818A), as it stands: 24 hours, BCD, a century at 0x32.

#pragma once

#include <cstdint>

namespace probe {

struct DateTime {
  uint64_t year, month, day, hour, minute, second;
};

// False: the machine has no such clock.
bool ReadClock(DateTime& now);
// Seconds since 1970 of a time that is in UTC.
uint64_t UnixSeconds(const DateTime& time);

}  // namespace probe
