// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "clock.h"

#include "io.h"

namespace probe {
namespace {

constexpr uint8_t kSecond = 0, kMinute = 2, kHour = 4, kDay = 7, kMonth = 8, kYear = 9,
                  kValid = 0x0d, kCentury = 0x32;
constexpr uint8_t kPowered = 0x80;

uint8_t Raw(uint8_t index) {
  Out8(0x70, index);
  return In8(0x71);
}

uint64_t Bcd(uint8_t index) {
  const uint8_t bcd = Raw(index);
  return uint64_t(bcd >> 4) * 10 + (bcd & 15);
}

}  // namespace

bool ReadClock(DateTime& now) {
  if (Raw(kValid) != kPowered) return false;
  do {  // all of one second
    now.second = Bcd(kSecond);
    now = {Bcd(kCentury) * 100 + Bcd(kYear),
           Bcd(kMonth),
           Bcd(kDay),
           Bcd(kHour),
           Bcd(kMinute),
           now.second};
  } while (Bcd(kSecond) != now.second);
  return true;
}

uint64_t UnixSeconds(const DateTime& time) {
  constexpr uint64_t kDaysBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  constexpr uint64_t kEpoch = 1970, kMonths = 12;
  const auto leap_years = [](uint64_t before) { return before / 4 - before / 100 + before / 400; };
  uint64_t days = (time.year - kEpoch) * 365 + leap_years(time.year) - leap_years(kEpoch);
  if (time.month >= 1 && time.month <= kMonths) days += kDaysBefore[time.month - 1];
  // leap_years() counts this year's day already.
  const bool leap = leap_years(time.year) != leap_years(time.year - 1);
  if (leap && time.month <= 2) --days;
  days += time.day - 1;
  return ((days * 24 + time.hour) * 60 + time.minute) * 60 + time.second;
}

}  // namespace probe
