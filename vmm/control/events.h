// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a VM tells its control plane. Plain structs through an interface that vmm owns; the
// receiver (qmp/event_hub by way of daemon/) turns them into QMP events.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "vmm/control/types.h"

namespace davit::control {

struct ShutdownEvent {
  ShutdownCause cause;
};
struct ResetEvent {
  ShutdownCause cause;
};
struct PowerdownEvent {};
struct StopEvent {};
struct ResumeEvent {};
struct SuspendEvent {};
struct WakeupEvent {};
struct WatchdogEvent {
  WatchdogAction action;
};
struct BalloonChangeEvent {
  uint64_t actual;  // guest RAM less the balloon, bytes
};
struct SerialPortChangeEvent {
  std::string id;  // of the port
  bool open;       // by the guest
};
struct GuestPanickedEvent {
  enum class Action { kPause, kPoweroff, kRun };
  Action action;
};

// The guest has panicked and goes on in its crash kernel.
struct GuestCrashLoadedEvent {};

// The guest's operating system has reported on a slot (ACPI_DEVICE_OST).
struct AcpiDeviceOstEvent {
  AcpiSlotStatus info;
};

// A request of a disk has failed (BLOCK_IO_ERROR).
struct BlockIoErrorEvent {
  enum class Action { kIgnore, kReport, kStop };
  std::string device;  // of -drive; may be empty
  std::string node_name;
  bool read = false;
  Action action = Action::kReport;
  std::optional<bool> nospace;
  std::string reason;
};

// A tray was opened or closed, by a client or by the guest (DEVICE_TRAY_MOVED).
struct DeviceTrayMovedEvent {
  std::string device;  // of -drive; may be empty
  std::string id;      // of the device, or its object path
  bool open = false;
};

// A virtio-mem has another size (MEMORY_DEVICE_SIZE_CHANGE).
struct MemoryDeviceSizeChangeEvent {
  std::string id;  // of the device; empty: anonymous
  uint64_t size;   // bytes
  std::string path;
};

// NIC_RX_FILTER_CHANGED
struct NicRxFilterEvent {
  std::string name;  // empty: anonymous
  std::string path;
};
// NETDEV_STREAM_CONNECTED, NETDEV_STREAM_DISCONNECTED
struct NetdevStreamEvent {
  struct Peer {
    enum class Family : uint8_t { kInet, kInet6, kUnix };
    Family family;
    std::string host;  // or the path
    std::string port;
    bool abstract = false;
  };
  std::string netdev;
  std::optional<Peer> peer;  // nullopt: it went
};

// DEVICE_DELETED
struct DeviceDeletedEvent {
  std::string id;  // empty: anonymous, or a part of another device
  std::string path;
};

// The guest was asked for a device and has said that it will not give it
// (DEVICE_UNPLUG_GUEST_ERROR).
struct DeviceUnplugGuestErrorEvent {
  std::string id;  // empty: anonymous
  std::string path;
};

using Event =
    std::variant<ShutdownEvent, ResetEvent, PowerdownEvent, StopEvent, ResumeEvent, SuspendEvent,
                 WakeupEvent, WatchdogEvent, GuestPanickedEvent, GuestCrashLoadedEvent,
                 BalloonChangeEvent, SerialPortChangeEvent, BlockIoErrorEvent, DeviceTrayMovedEvent,
                 NicRxFilterEvent, NetdevStreamEvent, AcpiDeviceOstEvent,
                 MemoryDeviceSizeChangeEvent, DeviceDeletedEvent, DeviceUnplugGuestErrorEvent>;

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Control thread. `when` is the wall clock when it happened. Must not call back into VmControl.
  virtual void Emit(const Event& event, std::chrono::system_clock::time_point when) = 0;
};

}  // namespace davit::control
