// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The real-time clock and CMOS RAM of a PC (Motorola MC146818A) at ports 0x70 and 0x71: time in BCD
// or binary, 12 or 24 hours, alarm, periodic and update-ended interrupts, 128 bytes of which the
// first 14 are registers. Flags of register C are computed when it is read; a timer runs only while
// an interrupt is enabled. A periodic tick that comes while the guest has not read register C since
// the one before is lost, or made up for (LostTicks). Registers: any thread. Construction,
// destruction: control thread (the loop's).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>

#include "vmm/bus/bus.h"
#include "vmm/io/event_loop.h"
#include "vmm/io/timer.h"
#include "vmm/irq/irq_line.h"

namespace davit::devices {

// What becomes of lost ticks of the periodic interrupt (-rtc driftfix=).
enum class LostTicks : uint8_t {
  kDiscard,
  kSlew,  // given later, at most eight in the time of one, so that a guest's clock on them is right
};

struct RtcState {
  uint8_t index = 0;
  std::array<uint8_t, 128> ram{};
  // Guest calendar in seconds since 1970-01-01 00:00:00 = floor((source + phase) / 1 s) + offset.
  int64_t phase_ns = 0;  // 0 .. 999999999
  int64_t offset_seconds = 0;
  int64_t halted_seconds = 0;      // the calendar while it stands still (register B: SET)
  int64_t flags_until_second = 0;  // calendar: updates and alarms up to here are in register C
  int64_t periods_until_ns = 0;    // source: periodic ticks up to here are in register C
  uint64_t lost_ticks = 0;         // kSlew: still to be given
  int64_t catch_up_ns = 0;         // source: not before, if register C is read until then
};

class CmosRtc final : public bus::BusDevice {
 public:
  static constexpr uint64_t kPorts = 2;
  // Nanoseconds of the clock that drives the RTC (-rtc clock=). Any thread.
  using Source = std::function<int64_t()>;

  // start: seconds since 1970-01-01 in the guest's calendar, now (-rtc base=).
  // The line, the loop and what the source uses outlive the device.
  CmosRtc(irq::IrqLine& irq, io::EventLoop& loop, Source source, int64_t start,
          LostTicks policy = LostTicks::kDiscard);

  // The sizes in bytes where firmware looks for them: below and above 4 GiB.
  void SetMemorySize(uint64_t below_4g, uint64_t above_4g);
  // A byte of CMOS RAM, index 14..127.
  void SetRam(uint8_t index, uint8_t value);
  // As the RESET line does: interrupts off; time and RAM stay.
  void Reset();
  RtcState state() const;
  int64_t now_seconds() const;  // the guest's calendar

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  // All below: mutex_ held.
  uint8_t ReadIndexed();
  void WriteIndexed(uint8_t value);
  bool halted() const;
  int64_t Seconds() const;    // the guest's calendar
  int64_t SubSecond() const;  // ns into that second
  void SetCalendar(int64_t seconds);
  void TimeToRegisters(int64_t seconds);
  int64_t RegistersToTime() const;
  uint8_t Encode(unsigned value) const;
  unsigned Decode(uint8_t value) const;
  uint8_t EncodeHour(unsigned hour) const;
  unsigned DecodeHour(uint8_t value) const;
  unsigned Rate() const;     // RS3..RS0 as they count; 0: off
  int64_t PeriodNs() const;  // 0: off
  int64_t NextAlarm(int64_t after_seconds) const;
  bool SlewsPeriodic() const;
  void GatherTicks();
  void PlanCatchUp();
  void KeepLostTicks(unsigned old_rate);
  void GatherFlags();
  void UpdateIrq();
  void ArmTimer();

  void OnTimer();  // control thread

  irq::IrqLine& irq_;
  io::EventLoop& loop_;
  const Source source_;
  const LostTicks policy_;
  mutable std::mutex mutex_;  // guards what follows
  RtcState s_;
  io::Timer timer_;
};

// The value of `start` for a base: UTC, or the host's local time.
int64_t UtcNow();
int64_t LocalTimeNow();
// Source of clock=host (follows the host's wall clock) and of clock=rt (never steps).
int64_t HostClockNs();
int64_t MonotonicClockNs();

}  // namespace davit::devices
