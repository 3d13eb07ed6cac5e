// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See cmos_rtc.h.
#include "vmm/devices/cmos_rtc.h"

#include <time.h>

#include <algorithm>

#include "vmm/base/units.h"

namespace davit::devices {
namespace {

enum Register : uint8_t {
  kSeconds = 0,
  kSecondsAlarm = 1,
  kMinutes = 2,
  kMinutesAlarm = 3,
  kHours = 4,
  kHoursAlarm = 5,
  kWeekday = 6,
  kDay = 7,
  kMonth = 8,
  kYear = 9,
  kA = 10,
  kB = 11,
  kC = 12,
  kD = 13,
  kCentury = 0x32,
};

constexpr uint8_t kAUpdate = 0x80, kADivider = 0x70, kADividerHold = 0x60, kARate = 0x0f;
constexpr uint8_t kBSet = 0x80, kBPeriodic = 0x40, kBAlarm = 0x20, kBUpdate = 0x10, kBSquare = 0x08,
                  kBBinary = 0x04, kB24Hours = 0x02;
constexpr uint8_t kCIrq = 0x80, kCPeriodic = 0x40, kCAlarm = 0x20, kCUpdate = 0x10;
constexpr uint8_t kCFlags = kCPeriodic | kCAlarm | kCUpdate;
constexpr uint8_t kDValid = 0x80;
constexpr uint8_t kAlarmAny = 0xc0;  // both bits: matches every value
constexpr uint8_t kPm = 0x80;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kUpdateTime = 244'000;  // ns before an update in which register A says so
constexpr int64_t kDaySeconds = 86400;
constexpr uint64_t kMostLostTicks = uint64_t{1} << 40;
constexpr uint64_t kMostCatchUp = 7;  // ticks, beside the one that is due anyway

constexpr int64_t FloorDiv(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
constexpr int64_t FloorMod(int64_t a, int64_t b) { return a - FloorDiv(a, b) * b; }

// Proleptic Gregorian calendar; years start in March for the arithmetic, so that the leap day is
// last.
struct Date {
  int64_t year;
  unsigned month, day;  // from 1
};

constexpr int64_t DaysFromDate(Date date) {
  const int64_t year = date.year - (date.month <= 2);
  const int64_t era = FloorDiv(year, 400);
  const int64_t year_of_era = year - era * 400;
  const int64_t month = (date.month + 9) % 12;
  const int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

constexpr Date DateFromDays(int64_t days) {
  days += 719468;
  const int64_t era = FloorDiv(days, 146097);
  const int64_t day_of_era = days - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month = (5 * day_of_year + 2) / 153;
  const auto civil_month = static_cast<unsigned>(month < 10 ? month + 3 : month - 9);
  return {year_of_era + era * 400 + (civil_month <= 2), civil_month,
          static_cast<unsigned>(day_of_year - (153 * month + 2) / 5 + 1)};
}
static_assert(DaysFromDate({1970, 1, 1}) == 0 && DaysFromDate({2000, 3, 1}) == 11017);
static_assert(DateFromDays(11016).month == 2 && DateFromDays(11016).day == 29);

}  // namespace

CmosRtc::CmosRtc(irq::IrqLine& irq, io::EventLoop& loop, Source source, int64_t start,
                 LostTicks policy)
    : irq_(irq), loop_(loop), source_(std::move(source)), policy_(policy), timer_(loop, [this] {
        OnTimer();
      }) {
  s_.ram[kA] = 0x26;  // 32768 Hz crystal, 1024 Hz
  s_.ram[kB] = kB24Hours;
  s_.ram[kD] = kDValid;
  const int64_t source_ns = source_();
  s_.offset_seconds = start - FloorDiv(source_ns, kSecond);
  s_.flags_until_second = start;
  s_.periods_until_ns = source_ns;
}

void CmosRtc::SetMemorySize(uint64_t below_4g, uint64_t above_4g) {
  const auto clamp16 = [](uint64_t value) { return std::min<uint64_t>(value, 0xffff); };
  const uint64_t base_kib = std::min<uint64_t>(below_4g / kKiB, 640);
  const uint64_t above_1m_kib = below_4g > kMiB ? clamp16((below_4g - kMiB) / kKiB) : 0;
  const uint64_t above_16m =
      below_4g > 16 * kMiB ? clamp16((below_4g - 16 * kMiB) / (64 * kKiB)) : 0;
  const uint64_t high = std::min<uint64_t>(above_4g / (64 * kKiB), 0xffffff);
  const auto put = [this](uint8_t index, uint64_t value) {
    s_.ram[index] = static_cast<uint8_t>(value);
    s_.ram[index + 1u] = static_cast<uint8_t>(value >> 8);
  };
  std::lock_guard lock(mutex_);
  put(0x15, base_kib);
  put(0x17, above_1m_kib);
  put(0x30, above_1m_kib);
  put(0x34, above_16m);
  put(0x5b, high);
  s_.ram[0x5d] = static_cast<uint8_t>(high >> 16);
}

void CmosRtc::SetRam(uint8_t index, uint8_t value) {
  std::lock_guard lock(mutex_);
  if (index > kD && index < s_.ram.size()) s_.ram[index] = value;
}

void CmosRtc::Reset() {
  std::lock_guard lock(mutex_);
  s_.ram[kB] &= static_cast<uint8_t>(~(kBPeriodic | kBAlarm | kBUpdate | kBSquare));
  s_.ram[kC] = 0;
  s_.lost_ticks = 0;
  timer_.Cancel();
  UpdateIrq();
}

RtcState CmosRtc::state() const {
  std::lock_guard lock(mutex_);
  return s_;
}

int64_t CmosRtc::now_seconds() const {
  std::lock_guard lock(mutex_);
  return Seconds();
}

bool CmosRtc::halted() const {
  return (s_.ram[kB] & kBSet) || (s_.ram[kA] & kADividerHold) == kADividerHold;
}

int64_t CmosRtc::Seconds() const {
  if (halted()) return s_.halted_seconds;
  return s_.offset_seconds + FloorDiv(source_() + s_.phase_ns, kSecond);
}

int64_t CmosRtc::SubSecond() const {
  return halted() ? 0 : FloorMod(source_() + s_.phase_ns, kSecond);
}

// A new second begins now.
void CmosRtc::SetCalendar(int64_t seconds) {
  const int64_t source_ns = source_();
  s_.phase_ns = FloorMod(-source_ns, kSecond);
  s_.offset_seconds = seconds - FloorDiv(source_ns + s_.phase_ns, kSecond);
  s_.halted_seconds = seconds;
  s_.flags_until_second = seconds;
}

uint8_t CmosRtc::Encode(unsigned value) const {
  if (s_.ram[kB] & kBBinary) return static_cast<uint8_t>(value);
  return static_cast<uint8_t>(value / 10 << 4 | value % 10);
}

unsigned CmosRtc::Decode(uint8_t value) const {
  if (s_.ram[kB] & kBBinary) return value;
  return (value >> 4) * 10u + (value & 0x0f);
}

uint8_t CmosRtc::EncodeHour(unsigned hour) const {
  if (s_.ram[kB] & kB24Hours) return Encode(hour);
  const unsigned twelve = hour % 12 == 0 ? 12 : hour % 12;
  return Encode(twelve) | (hour >= 12 ? kPm : 0);
}

unsigned CmosRtc::DecodeHour(uint8_t value) const {
  if (s_.ram[kB] & kB24Hours) return Decode(value);
  return Decode(value & static_cast<uint8_t>(~kPm)) % 12 + (value & kPm ? 12 : 0);
}

void CmosRtc::TimeToRegisters(int64_t seconds) {
  const int64_t days = FloorDiv(seconds, kDaySeconds);
  const auto of_day = static_cast<unsigned>(FloorMod(seconds, kDaySeconds));
  const Date date = DateFromDays(days);
  s_.ram[kSeconds] = Encode(of_day % 60);
  s_.ram[kMinutes] = Encode(of_day / 60 % 60);
  s_.ram[kHours] = EncodeHour(of_day / 3600);
  s_.ram[kWeekday] = Encode(static_cast<unsigned>(FloorMod(days + 4, 7)) + 1);  // 1: Sunday
  s_.ram[kDay] = Encode(date.day);
  s_.ram[kMonth] = Encode(date.month);
  s_.ram[kYear] = Encode(static_cast<unsigned>(FloorMod(date.year, 100)));
  s_.ram[kCentury] = Encode(static_cast<unsigned>(FloorMod(FloorDiv(date.year, 100), 100)));
}

// Whatever the guest has written makes a time: fields out of range carry over.
int64_t CmosRtc::RegistersToTime() const {
  const int64_t year = int64_t{Decode(s_.ram[kCentury])} * 100 + Decode(s_.ram[kYear]);
  const unsigned month = (Decode(s_.ram[kMonth]) + 11) % 12 + 1;
  const int64_t days = DaysFromDate({year, month, 1}) + Decode(s_.ram[kDay]) - 1;
  return days * kDaySeconds + DecodeHour(s_.ram[kHours]) * int64_t{3600} +
         Decode(s_.ram[kMinutes]) * int64_t{60} + Decode(s_.ram[kSeconds]);
}

// Rates 1 and 2 of a 32768 Hz crystal are those of 8 and 9. 0: off.
unsigned CmosRtc::Rate() const {
  const unsigned rate = s_.ram[kA] & kARate;
  if ((s_.ram[kA] & kADivider) > 0x20) return 0;
  return rate == 1 || rate == 2 ? rate + 7 : rate;
}

int64_t CmosRtc::PeriodNs() const {
  const unsigned rate = Rate();
  return rate == 0 ? 0 : kSecond * (int64_t{1} << (rate - 1)) / 32768;
}

// The first second after this one that the alarm registers match; at most a day ahead, else (they
// hold values that no clock shows) the day after.
int64_t CmosRtc::NextAlarm(int64_t after_seconds) const {
  const auto matches = [](uint8_t alarm, unsigned decoded, int64_t value) {
    return (alarm & kAlarmAny) == kAlarmAny || decoded == static_cast<uint64_t>(value);
  };
  const uint8_t sec = s_.ram[kSecondsAlarm], min = s_.ram[kMinutesAlarm],
                hour = s_.ram[kHoursAlarm];
  const unsigned want_sec = Decode(sec), want_min = Decode(min), want_hour = DecodeHour(hour);
  int64_t t = after_seconds + 1;
  const int64_t limit = t + kDaySeconds;
  while (t < limit) {
    if (!matches(hour, want_hour, FloorMod(t, kDaySeconds) / 3600)) {
      t += 3600 - FloorMod(t, 3600);
    } else if (!matches(min, want_min, FloorMod(t, 3600) / 60)) {
      t += 60 - FloorMod(t, 60);
    } else if (!matches(sec, want_sec, FloorMod(t, 60))) {
      ++t;
    } else {
      return t;
    }
  }
  return limit;
}

bool CmosRtc::SlewsPeriodic() const {
  return policy_ == LostTicks::kSlew && (s_.ram[kB] & kBPeriodic) && PeriodNs() != 0;
}

// The periodic flag: set by ticks that came and, when there was none, by one that was lost.
void CmosRtc::GatherTicks() {
  const int64_t source_ns = source_();
  if (s_.lost_ticks != 0 && !(s_.ram[kC] & kCPeriodic) && source_ns >= s_.catch_up_ns) {
    s_.ram[kC] |= kCPeriodic;
    --s_.lost_ticks;
  }
  if (const int64_t period = PeriodNs(); period != 0) {
    const int64_t ticks = FloorDiv(source_ns, period) - FloorDiv(s_.periods_until_ns, period);
    if (ticks > 0) {
      const int64_t lost = ticks - ((s_.ram[kC] & kCPeriodic) ? 0 : 1);
      if (SlewsPeriodic()) {
        s_.lost_ticks = std::min(s_.lost_ticks + static_cast<uint64_t>(lost), kMostLostTicks);
      }
      s_.ram[kC] |= kCPeriodic;
    }
  }
  s_.periods_until_ns = source_ns;
}

// Register C was read: the next lost tick may follow.
void CmosRtc::PlanCatchUp() {
  if (s_.lost_ticks == 0) return;
  const uint64_t parts = std::min(s_.lost_ticks, kMostCatchUp) + 1;
  s_.catch_up_ns = source_() + PeriodNs() / static_cast<int64_t>(parts);
}

// The guest has set registers A or B. What was lost is a time: at another rate it is another
// number.
void CmosRtc::KeepLostTicks(unsigned old_rate) {
  const unsigned rate = Rate();
  if (!SlewsPeriodic()) {
    s_.lost_ticks = 0;
  } else if (rate > old_rate) {
    s_.lost_ticks >>= rate - old_rate;
  } else {
    s_.lost_ticks = std::min(s_.lost_ticks << (old_rate - rate), kMostLostTicks);
  }
  PlanCatchUp();
}

// Puts into register C what has happened since it was last looked at.
void CmosRtc::GatherFlags() {
  GatherTicks();
  if (halted()) return;
  const int64_t now = Seconds();
  const int64_t seen = s_.flags_until_second;
  if (now > seen) {
    s_.ram[kC] |= kCUpdate;
    const int64_t alarm = NextAlarm(seen);
    if (alarm <= now && alarm <= seen + kDaySeconds) s_.ram[kC] |= kCAlarm;
  }
  s_.flags_until_second = now;
}

void CmosRtc::UpdateIrq() {
  const bool level = s_.ram[kC] & s_.ram[kB] & kCFlags;
  s_.ram[kC] = static_cast<uint8_t>((s_.ram[kC] & kCFlags) | (level ? kCIrq : 0));
  irq_.Set(level);
}

// To the next event that would interrupt.
void CmosRtc::ArmTimer() {
  const uint8_t wanted = s_.ram[kB] & static_cast<uint8_t>(~s_.ram[kC]);
  int64_t wait = INT64_MAX;
  if (const int64_t period = PeriodNs(); period && (wanted & kBPeriodic)) {
    const int64_t now = source_();
    wait = period - FloorMod(now, period);
    if (s_.lost_ticks != 0) wait = std::min(wait, std::max<int64_t>(s_.catch_up_ns - now, 0));
  }
  if (!halted() && (wanted & (kBUpdate | kBAlarm))) {
    const int64_t now = Seconds();
    const int64_t next = (wanted & kBUpdate) ? now + 1 : NextAlarm(now);
    wait = std::min(wait, (next - now) * kSecond - SubSecond());
  }
  if (wait == INT64_MAX) {
    timer_.Cancel();
  } else {
    timer_.Arm(loop_.Now() + std::chrono::nanoseconds(wait));
  }
}

void CmosRtc::OnTimer() {
  std::lock_guard lock(mutex_);
  GatherFlags();
  UpdateIrq();
  ArmTimer();
}

uint8_t CmosRtc::ReadIndexed() {
  switch (s_.index) {
    case kSeconds:
    case kMinutes:
    case kHours:
    case kWeekday:
    case kDay:
    case kMonth:
    case kYear:
    case kCentury:
      if (!halted()) TimeToRegisters(Seconds());
      break;
    case kA:
      return s_.ram[kA] | (kSecond - SubSecond() <= kUpdateTime ? kAUpdate : 0);
    case kC: {
      GatherFlags();
      UpdateIrq();
      const uint8_t value = s_.ram[kC];
      s_.ram[kC] = 0;
      PlanCatchUp();
      UpdateIrq();
      ArmTimer();
      return value;
    }
    default:
      break;
  }
  return s_.ram[s_.index];
}

void CmosRtc::WriteIndexed(uint8_t value) {
  const bool was_halted = halted();
  switch (s_.index) {
    case kSeconds:
    case kMinutes:
    case kHours:
    case kWeekday:
    case kDay:
    case kMonth:
    case kYear:
    case kCentury:
      if (was_halted) {
        s_.ram[s_.index] = value;
        return;
      }
      TimeToRegisters(Seconds());
      s_.ram[s_.index] = value;
      SetCalendar(RegistersToTime());
      break;
    case kA:
    case kB: {
      const unsigned old_rate = Rate();
      GatherFlags();
      if (!was_halted) {
        s_.halted_seconds = Seconds();
        TimeToRegisters(s_.halted_seconds);
      }
      if (s_.index == kA) {
        s_.ram[kA] = value & static_cast<uint8_t>(~kAUpdate);
      } else {
        s_.ram[kB] = (value & kBSet) ? value & static_cast<uint8_t>(~kBUpdate) : value;
      }
      KeepLostTicks(old_rate);
      if (was_halted && !halted()) SetCalendar(RegistersToTime());
      break;
    }
    case kC:
    case kD:
      return;
    default:
      s_.ram[s_.index] = value;
      if (s_.index > kHoursAlarm) return;
      break;
  }
  UpdateIrq();
  ArmTimer();
}

void CmosRtc::Read(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0xff);
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < data.size(); ++i) {
    if (offset + i == 1) data[i] = ReadIndexed();
  }
}

void CmosRtc::Write(uint64_t offset, std::span<const uint8_t> data) {
  std::lock_guard lock(mutex_);
  for (size_t i = 0; i < data.size(); ++i) {
    if (offset + i == 0) {
      s_.index = data[i] & 0x7f;  // bit 7 masks NMI on a PC
    } else if (offset + i == 1) {
      WriteIndexed(data[i]);
    }
  }
}

int64_t UtcNow() { return time(nullptr); }

int64_t LocalTimeNow() {
  const time_t now = time(nullptr);
  tm local{};
  localtime_r(&now, &local);
  return now + local.tm_gmtoff;
}

namespace {

int64_t ClockNs(clockid_t clock) {
  timespec ts{};
  clock_gettime(clock, &ts);
  return int64_t{ts.tv_sec} * kSecond + ts.tv_nsec;
}

}  // namespace

int64_t HostClockNs() { return ClockNs(CLOCK_REALTIME); }
int64_t MonotonicClockNs() { return ClockNs(CLOCK_MONOTONIC); }

}  // namespace davit::devices
