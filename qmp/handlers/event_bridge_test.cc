// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Each event of the VM beside what a client reads of it.
#include "qmp/handlers/event_bridge.h"

#include <gtest/gtest.h>

#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

using control::ShutdownCause;
using control::WatchdogAction;
using Panic = control::GuestPanickedEvent::Action;

// "NAME", or "NAME {data}".
std::string Text(const control::Event& event) {
  const qapi::Event encoded = ToQapiEvent(event);
  const std::string name(encoded.name);
  return encoded.has_data ? name + " " + json::Write(encoded.data) : name;
}

TEST(EventBridgeTest, EventsWithoutDataHaveNoDataMember) {
  EXPECT_EQ(Text(control::SuspendEvent{}), "SUSPEND");
  EXPECT_EQ(Text(control::WakeupEvent{}), "WAKEUP");
  EXPECT_EQ(Text(control::PowerdownEvent{}), "POWERDOWN");
  EXPECT_EQ(Text(control::StopEvent{}), "STOP");
  EXPECT_EQ(Text(control::ResumeEvent{}), "RESUME");
}

TEST(EventBridgeTest, WatchdogTellsEachAction) {
  EXPECT_EQ(Text(control::WatchdogEvent{WatchdogAction::kReset}),
            R"(WATCHDOG {"action": "reset"})");
  EXPECT_EQ(Text(control::WatchdogEvent{WatchdogAction::kShutdown}),
            R"(WATCHDOG {"action": "shutdown"})");
  EXPECT_EQ(Text(control::WatchdogEvent{WatchdogAction::kPoweroff}),
            R"(WATCHDOG {"action": "poweroff"})");
  EXPECT_EQ(Text(control::WatchdogEvent{WatchdogAction::kPause}),
            R"(WATCHDOG {"action": "pause"})");
  EXPECT_EQ(Text(control::WatchdogEvent{WatchdogAction::kDebug}),
            R"(WATCHDOG {"action": "debug"})");
  EXPECT_EQ(Text(control::WatchdogEvent{WatchdogAction::kNone}), R"(WATCHDOG {"action": "none"})");
  EXPECT_EQ(Text(control::WatchdogEvent{WatchdogAction::kInjectNmi}),
            R"(WATCHDOG {"action": "inject-nmi"})");
}

TEST(EventBridgeTest, SerialPortTellsItsNameAndState) {
  EXPECT_EQ(Text(control::SerialPortChangeEvent{"channel0", true}),
            R"(VSERPORT_CHANGE {"open": true, "id": "channel0"})");
}

TEST(EventBridgeTest, TrayTellsWhoseItIs) {
  EXPECT_EQ(Text(control::DeviceTrayMovedEvent{"", "cd0", true}),
            R"(DEVICE_TRAY_MOVED {"device": "", "tray-open": true, "id": "cd0"})");
}

TEST(EventBridgeTest, ShutdownAndResetTellWhoCausedThem) {
  EXPECT_EQ(Text(control::ShutdownEvent{ShutdownCause::kGuestShutdown}),
            R"(SHUTDOWN {"guest": true, "reason": "guest-shutdown"})");
  EXPECT_EQ(Text(control::ShutdownEvent{ShutdownCause::kHostQmpQuit}),
            R"(SHUTDOWN {"guest": false, "reason": "host-qmp-quit"})");
  EXPECT_EQ(Text(control::ResetEvent{ShutdownCause::kGuestReset}),
            R"(RESET {"guest": true, "reason": "guest-reset"})");
  EXPECT_EQ(Text(control::ResetEvent{ShutdownCause::kHostQmpSystemReset}),
            R"(RESET {"guest": false, "reason": "host-qmp-system-reset"})");
}

TEST(EventBridgeTest, DeletedDeviceTellsItsIdWhenItHadOne) {
  EXPECT_EQ(Text(control::DeviceDeletedEvent{"c3", "/machine/peripheral/c3"}),
            R"(DEVICE_DELETED {"device": "c3", "path": "/machine/peripheral/c3"})");
  EXPECT_EQ(Text(control::DeviceDeletedEvent{"", "/machine/unattached/device[2]"}),
            R"(DEVICE_DELETED {"path": "/machine/unattached/device[2]"})");
}

TEST(EventBridgeTest, DeviceThatTheGuestKeepsIsNamedAsOneThatIsGone) {
  EXPECT_EQ(Text(control::DeviceUnplugGuestErrorEvent{"c3", "/machine/peripheral/c3"}),
            R"(DEVICE_UNPLUG_GUEST_ERROR {"device": "c3", "path": "/machine/peripheral/c3"})");
  EXPECT_EQ(Text(control::DeviceUnplugGuestErrorEvent{"", "/machine/unattached/device[2]"}),
            R"(DEVICE_UNPLUG_GUEST_ERROR {"path": "/machine/unattached/device[2]"})");
}

TEST(EventBridgeTest, OstTellsTheSlotAndTheCode) {
  EXPECT_EQ(
      Text(control::AcpiDeviceOstEvent{{control::AcpiSlotStatus::Type::kCpu, "c3", "3", 3, 0x82}}),
      R"(ACPI_DEVICE_OST {"info": {"device": "c3", "source": 3, "status": 130, "slot": "3", )"
      R"("slot-type": "CPU"}})");
}

TEST(EventBridgeTest, MemoryDeviceSizeChangeNamesTheDevice) {
  EXPECT_EQ(Text(control::MemoryDeviceSizeChangeEvent{"v", 4096, "/machine/peripheral/v"}),
            R"(MEMORY_DEVICE_SIZE_CHANGE {"size": 4096, )"
            R"("qom-path": "/machine/peripheral/v", "id": "v"})");
  EXPECT_EQ(Text(control::MemoryDeviceSizeChangeEvent{"", 0, "/machine/peripheral-anon/device[0]"}),
            R"(MEMORY_DEVICE_SIZE_CHANGE {"size": 0, )"
            R"("qom-path": "/machine/peripheral-anon/device[0]"})");
}

TEST(EventBridgeTest, BalloonChangeTellsTheActualSize) {
  EXPECT_EQ(Text(control::BalloonChangeEvent{1 << 20}), R"(BALLOON_CHANGE {"actual": 1048576})");
}

TEST(EventBridgeTest, GuestPanickedWithoutInformationOfTheGuest) {
  EXPECT_EQ(Text(control::GuestPanickedEvent{Panic::kPause}),
            R"(GUEST_PANICKED {"action": "pause"})");
  EXPECT_EQ(Text(control::GuestPanickedEvent{Panic::kPoweroff}),
            R"(GUEST_PANICKED {"action": "poweroff"})");
  EXPECT_EQ(Text(control::GuestPanickedEvent{Panic::kRun}), R"(GUEST_PANICKED {"action": "run"})");
  EXPECT_EQ(Text(control::GuestCrashLoadedEvent{}), R"(GUEST_CRASHLOADED {"action": "run"})");
}

}  // namespace
}  // namespace davit::qmp
