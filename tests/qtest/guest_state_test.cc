// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices by which a guest tells how it is: the watchdog i6300esb, whose time the test steps, and
// pvpanic-pci.
#include <gtest/gtest.h>

#include "tests/support/virtio/pci.h"

namespace davit::qtest {
namespace {

// i6300esb: BAR 0 and configuration space.
constexpr uint32_t kTimer1 = 0x00, kTimer2 = 0x04, kReload = 0x0c;
constexpr uint32_t kLock = 0x68;
constexpr uint8_t kEnable = 0x02;

class Watchdog {
 public:
  explicit Watchdog(Machine& m) : m_(m), function_(m, Only(m)) {}
  void Set(uint32_t reg, uint32_t value) {
    m_.Write(function_.bar(0) + kReload, 2, 0x80);
    m_.Write(function_.bar(0) + kReload, 2, 0x86);
    m_.Write(function_.bar(0) + reg, reg == kReload ? 2 : 4, value);
  }
  void Ping() { Set(kReload, 0x100); }
  void Enable() { function_.Write(kLock, 1, kEnable); }

 private:
  static Bdf Only(Machine& m) {
    const auto found = PciFind(m, 0x8086, 0x25ab);
    if (found.size() != 1) m.Die("there is no i6300esb");
    return found[0];
  }
  Machine& m_;
  PciFunction function_;
};

constexpr int64_t kMs = 1'000'000;

TEST(WatchdogQtest, RunsOutAfterBothStagesAndNotBefore) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m({"-M", "q35", "-device", "i6300esb", "-action", "watchdog=pause"});
  Watchdog watchdog(m);
  watchdog.Set(kTimer1, 100);  // ticks of 2^15 / 33 MHz, 0.993 ms
  watchdog.Set(kTimer2, 100);
  watchdog.Enable();
  watchdog.Ping();
  m.ClockStep(190 * kMs);
  EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("running"));
  m.ClockStep(10 * kMs);
  auto event = m.qmp().WaitEvent("WATCHDOG");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["action"], json::Value("pause"));
  EXPECT_TRUE(m.qmp().WaitEvent("STOP"));
  EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("watchdog"));
}

TEST(WatchdogQtest, GuestThatPingsIsLeftAlone) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m({"-M", "q35", "-device", "i6300esb", "-action", "watchdog=pause"});
  Watchdog watchdog(m);
  watchdog.Set(kTimer1, 100);
  watchdog.Set(kTimer2, 100);
  watchdog.Enable();
  for (int i = 0; i < 10; ++i) {
    watchdog.Ping();
    m.ClockStep(150 * kMs);
  }
  EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("running"));
}

TEST(WatchdogQtest, DoesWhatItWasLastToldTo) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m({"-M", "q35", "-device", "i6300esb"});
  const auto run_out = [&](const char* action) {
    Watchdog watchdog(m);
    watchdog.Set(kTimer1, 100);
    watchdog.Set(kTimer2, 100);
    watchdog.Enable();
    watchdog.Ping();
    m.ClockStep(200 * kMs);
    const auto event = m.qmp().WaitEvent("WATCHDOG");
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(event->data["action"], json::Value(action));
  };
  run_out("reset");
  ASSERT_TRUE(m.qmp().WaitEvent("RESET"));
  m.Qmp("watchdog-set-action", {{"action", "none"}});
  run_out("none");
  m.Qmp("set-action", {{"watchdog", "poweroff"}});
  run_out("poweroff");
  const auto status = m.process().Wait(testing::kPatience);
  ASSERT_TRUE(status) << status.error();
  EXPECT_EQ(*status, 0);
}

TEST(PvpanicQtest, OffersTheEventsThatWereAskedFor) {
  Machine m({"-M", "q35", "-device", "pvpanic-pci,events=1"});
  PciFunction function(m, PciFind(m, 0x1b36, 0x0011).at(0));
  EXPECT_EQ(m.Read(function.bar(0), 1), 1U);
}

TEST(PvpanicQtest, PanicIsToldAndPauses) {
  Machine m({"-M", "q35", "-device", "pvpanic-pci", "-action", "panic=pause"});
  const auto found = PciFind(m, 0x1b36, 0x0011);
  ASSERT_EQ(found.size(), 1U);
  PciFunction function(m, found[0]);
  EXPECT_EQ(m.Read(function.bar(0), 1), 3U);  // panicked, crash loaded
  m.Write(function.bar(0), 1, 1);
  auto event = m.qmp().WaitEvent("GUEST_PANICKED");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["action"], json::Value("pause"));
  EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("guest-panicked"));
}

}  // namespace
}  // namespace davit::qtest
