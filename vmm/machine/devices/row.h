// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One row a device: how it is made. table.cc lists the rows; the schema (schema/qapi/devices.json)
// says which drivers and properties there are. docs/howto/add-a-device.md goes through an example.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/machine/devices/context.h"
#include "vmm/machine/devices/properties.h"
#include "vmm/virtio/core/device.h"

namespace davit::machine {

// A device on the bus of another device: a port of a virtio-serial, a disk of a virtio-scsi. Made
// and destroyed on the control thread; it goes before its parent does.
class ChildDevice {
 public:
  virtual ~ChildDevice() = default;
  virtual void Reset() {}  // power-on state; the vCPUs are parked
  virtual void OnRunning(bool running) { (void)running; }
};

// Exactly one of the functions is set. An error is worded as QEMU's for the same mistake; nothing
// is left behind.
struct DeviceRow {
  // Of a virtio device without its transport: "virtio-rng" makes virtio-rng-pci,
  // virtio-rng-pci-non-transitional and virtio-rng-device. Of another device: the driver.
  std::string_view name;
  // The bus that the device has for others ("virtio-serial-bus"), called "<id>.0". Empty: none.
  std::string_view child_bus = {};

  Result<std::unique_ptr<virtio::VirtioDevice>> (*make_virtio)(
      DeviceContext& context, const DeviceProperties& props) = nullptr;
  // A device on another's bus; `parent` is the virtio device whose child_bus it sits on.
  Result<std::unique_ptr<ChildDevice>> (*make_child)(DeviceContext& context,
                                                     const DeviceProperties& props,
                                                     virtio::VirtioDevice& parent) = nullptr;
};

std::span<const DeviceRow> DeviceRows();
// The row that makes `driver`; null when there is none.
const DeviceRow* FindDeviceRow(std::string_view driver);

}  // namespace davit::machine
