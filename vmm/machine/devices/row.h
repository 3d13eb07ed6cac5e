// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One row a device: how it is made. table.cc lists the rows; the schema (schema/qapi/devices.json)
// says which drivers and properties there are. docs/howto/add-a-device.md goes through an example.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/machine/devices/context.h"
#include "vmm/machine/devices/properties.h"
#include "vmm/pci/function.h"
#include "vmm/pci/host_bridge.h"
#include "vmm/virtio/core/device.h"

namespace davit::machine {

// A device with neither transport nor configuration space: on the bus of another device (a port of
// a virtio-serial, a disk of a virtio-scsi), which it goes before, or on no bus. Made and destroyed
// on the control thread.
class PlainDevice {
 public:
  virtual ~PlainDevice() = default;
  virtual void Reset() {}  // power-on state; the vCPUs are parked
  virtual void OnRunning(bool running) { (void)running; }
  // device_del. True: it can go now. False: the guest was asked, and when it agrees
  // DeviceContext::unplugged() is called. Error: it cannot go.
  virtual Result<bool> AskUnplug() { return true; }
  // A property that only the device knows, such as the place that it got. nullopt: none of this
  // name.
  virtual std::optional<control::PropertyValue> Property(std::string_view name) const {
    (void)name;
    return std::nullopt;
  }
};

// A PCI function that is not virtio.
struct MadeFunction {
  std::unique_ptr<pci::Function> function;
  std::function<void(bool running)> on_running;  // the VM stops or goes on; may be empty
};

// A property that qom-list shows and -device does not have.
struct RunTimeProperty {
  std::string_view name;
  std::string_view type;  // as QEMU names it
};

// Exactly one of the functions that make is set. An error is worded as QEMU's for the same mistake;
// nothing is left behind.
struct DeviceRow {
  // Of a virtio device without its transport: "virtio-rng" makes virtio-rng-pci,
  // virtio-rng-pci-non-transitional and virtio-rng-device. Of another device: the driver.
  std::string_view name;
  // The bus that the device has for others ("virtio-serial-bus"), called "<id>.0". Empty: none.
  std::string_view child_bus = {};
  // Of a virtio device: its type among the objects, without its transport. Empty: NAME-device.
  std::string_view virtio_type = {};

  Result<std::unique_ptr<virtio::VirtioDevice>> (*make_virtio)(
      DeviceContext& context, const DeviceProperties& props) = nullptr;
  Result<MadeFunction> (*make_function)(DeviceContext& context, const DeviceProperties& props,
                                        pci::HostBridge& host) = nullptr;
  // Properties that change at run time, or that -device does not have: as qom-list shows them, and
  // how those of a virtio device are read and written (else: PlainDevice::Property()). nullopt:
  // none of this name.
  std::span<const RunTimeProperty> run_time = {};
  std::optional<Result<control::PropertyValue>> (*get_property)(virtio::VirtioDevice& device,
                                                                std::string_view name) = nullptr;
  std::optional<Status> (*set_property)(virtio::VirtioDevice& device, std::string_view name,
                                        const control::PropertyValue& value) = nullptr;
  // The child_bus of others that a device of make_child goes on; see make_busless.
  std::string_view parent_bus = {};
  // A device on another's bus; `parent` is the virtio device whose child_bus it sits on.
  Result<std::unique_ptr<PlainDevice>> (*make_child)(DeviceContext& context,
                                                     const DeviceProperties& props,
                                                     virtio::VirtioDevice& parent) = nullptr;
  // A device on no bus: of the machine (vmcoreinfo), or with a socket of its own kind (a CPU, a
  // memory module). With a parent_bus: on that bus of the board, which knows no hot-plug.
  Result<std::unique_ptr<PlainDevice>> (*make_busless)(DeviceContext& context,
                                                       const DeviceProperties& props) = nullptr;
  // Whether it can come and go while the VM lives, where its bus can take it.
  bool hotpluggable = true;
  // Why a client cannot ask one that can come to go; null: it can.
  const char* unplug_error = nullptr;
};

std::span<const DeviceRow> DeviceRows();
// The row that makes `driver`; null when there is none.
const DeviceRow* FindDeviceRow(std::string_view driver);
// The type of bus that it goes on: "virtio-bus", "PCI", the parent_bus of its row; empty: none.
std::string_view BusTypeOf(std::string_view driver);

}  // namespace davit::machine
