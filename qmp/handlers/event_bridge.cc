// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See event_bridge.h.
#include "qmp/handlers/event_bridge.h"

#include "qmp/handlers/acpi.h"
#include "qmp/handlers/enums.h"
#include "schema/qapi/events.h"

namespace davit::qmp {
namespace {

qapi::SocketAddress ToAddress(const control::NetdevStreamEvent::Peer& peer) {
  using Family = control::NetdevStreamEvent::Peer::Family;
  qapi::SocketAddress address;
  if (peer.family == Family::kUnix) {
    address.type = qapi::SocketAddressType::kUnix;
    qapi::UnixSocketAddress name;
    name.path = peer.host;
    if (peer.abstract) name.abstract = true;
    address.u = std::move(name);
    return address;
  }
  address.type = qapi::SocketAddressType::kInet;
  qapi::InetSocketAddress inet;
  inet.host = peer.host;
  inet.port = peer.port;
  (peer.family == Family::kInet ? inet.ipv4 : inet.ipv6) = true;
  address.u = std::move(inet);
  return address;
}

struct Convert {
  qapi::Event operator()(const control::ShutdownEvent& event) const {
    return qapi::events::Shutdown({control::CausedByGuest(event.cause), ToQapi(event.cause)});
  }
  qapi::Event operator()(const control::ResetEvent& event) const {
    return qapi::events::Reset({control::CausedByGuest(event.cause), ToQapi(event.cause)});
  }
  qapi::Event operator()(control::PowerdownEvent) const { return qapi::events::Powerdown(); }
  qapi::Event operator()(control::StopEvent) const { return qapi::events::Stop(); }
  qapi::Event operator()(control::ResumeEvent) const { return qapi::events::Resume(); }
  qapi::Event operator()(control::SuspendEvent) const { return qapi::events::Suspend(); }
  qapi::Event operator()(control::WakeupEvent) const { return qapi::events::Wakeup(); }
  qapi::Event operator()(const control::WatchdogEvent& event) const {
    return qapi::events::Watchdog({ToQapi(event.action)});
  }
  qapi::Event operator()(const control::BalloonChangeEvent& event) const {
    return qapi::events::BalloonChange({static_cast<int64_t>(event.actual)});
  }
  qapi::Event operator()(const control::SerialPortChangeEvent& event) const {
    return qapi::events::VserportChange({event.id, event.open});
  }
  qapi::Event operator()(const control::GuestPanickedEvent& event) const {
    return qapi::events::GuestPanicked({.action = ToQapi(event.action), .info = std::nullopt});
  }
  qapi::Event operator()(control::GuestCrashLoadedEvent) const {
    return qapi::events::GuestCrashloaded(
        {.action = qapi::GuestPanicAction::kRun, .info = std::nullopt});
  }
  qapi::Event operator()(const control::BlockIoErrorEvent& event) const {
    return qapi::events::BlockIoError(
        {.device = event.device,
         .node_name = event.node_name,
         .operation = event.read ? qapi::IoOperationType::kRead : qapi::IoOperationType::kWrite,
         .action = static_cast<qapi::BlockErrorAction>(event.action),
         .nospace = event.nospace,
         .reason = event.reason});
  }
  qapi::Event operator()(const control::DeviceTrayMovedEvent& event) const {
    return qapi::events::DeviceTrayMoved(
        {.device = event.device, .id = event.id, .tray_open = event.open});
  }
  qapi::Event operator()(const control::AcpiDeviceOstEvent& event) const {
    return qapi::events::AcpiDeviceOst({ToQapi(event.info)});
  }
  qapi::Event operator()(const control::MemoryDeviceSizeChangeEvent& event) const {
    qapi::MemoryDeviceSizeChangeEventArgs args{
        .id = std::nullopt, .size = event.size, .qom_path = event.path};
    if (!event.id.empty()) args.id = event.id;
    return qapi::events::MemoryDeviceSizeChange(args);
  }
  qapi::Event operator()(const control::NicRxFilterEvent& event) const {
    qapi::NicRxFilterChangedEventArgs args{.name = std::nullopt, .path = event.path};
    if (!event.name.empty()) args.name = event.name;
    return qapi::events::NicRxFilterChanged(args);
  }
  qapi::Event operator()(const control::NetdevStreamEvent& event) const {
    if (!event.peer) return qapi::events::NetdevStreamDisconnected({event.netdev});
    return qapi::events::NetdevStreamConnected({event.netdev, ToAddress(*event.peer)});
  }
  qapi::Event operator()(const control::DeviceDeletedEvent& event) const {
    qapi::DeviceDeletedEventArgs args{.device = std::nullopt, .path = event.path};
    if (!event.id.empty()) args.device = event.id;
    return qapi::events::DeviceDeleted(args);
  }
  qapi::Event operator()(const control::DeviceUnplugGuestErrorEvent& event) const {
    qapi::DeviceUnplugGuestErrorEventArgs args{.device = std::nullopt, .path = event.path};
    if (!event.id.empty()) args.device = event.id;
    return qapi::events::DeviceUnplugGuestError(args);
  }
};

}  // namespace

qapi::Event ToQapiEvent(const control::Event& event) { return std::visit(Convert(), event); }

}  // namespace davit::qmp
