// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The devices that can be made, one row each (row.h). Order: by name.
#include <algorithm>
#include <iterator>

#include "vmm/machine/devices/makers.h"
#include "vmm/machine/devices/row.h"

namespace davit::machine {
namespace {

// clang-format off: one row a line.
constexpr DeviceRow kRows[] = {
    {.name = "host-x86_64-cpu", .make_busless = MakeCpu},
    {.name = "i6300esb", .make_function = MakeI6300esb},
    {.name = "isa-serial",
     .run_time = kSerialRunTime,
     .parent_bus = "ISA",
     .make_busless = MakeIsaSerial},
    {.name = "max-x86_64-cpu", .make_busless = MakeCpu},
    {.name = "pc-dimm", .run_time = kDimmRunTime, .make_busless = MakePcDimm},
    {.name = "pcie-root-port", .make_function = MakeRootPort},
    {.name = "pvpanic-pci", .make_function = MakePvpanic},
    {.name = "scsi-cd", .parent_bus = "SCSI", .make_child = MakeScsiUnit},
    {.name = "scsi-hd", .parent_bus = "SCSI", .make_child = MakeScsiUnit},
    {.name = "vhost-vsock", .make_virtio = MakeVsock},
    {.name = "vmcoreinfo", .make_busless = MakeVmCoreInfo, .hotpluggable = false},
    {.name = "virtconsole", .parent_bus = "virtio-serial-bus", .make_child = MakeSerialPort},
    {.name = "virtio-balloon",
     .make_virtio = MakeBalloon,
     .run_time = kBalloonRunTime,
     .get_property = GetBalloonProperty,
     .set_property = SetBalloonProperty},
    {.name = "virtio-blk", .make_virtio = MakeBlock, .get_property = GetBlockProperty},
    {.name = "virtio-mem",
     .virtio_type = "virtio-mem",
     .make_virtio = MakeMem,
     .run_time = kMemRunTime,
     .get_property = GetMemProperty,
     .set_property = SetMemProperty,
     .unplug_error = "virtio based memory devices cannot be unplugged."},
    {.name = "virtio-net", .make_virtio = MakeNet, .get_property = GetNetProperty},
    {.name = "virtio-rng", .make_virtio = MakeRng},
    {.name = "virtio-scsi",
     .child_bus = "SCSI",
     .make_virtio = MakeScsi,
     .get_property = GetScsiProperty},
    {.name = "virtio-serial", .child_bus = "virtio-serial-bus", .make_virtio = MakeSerial},
    {.name = "virtserialport", .parent_bus = "virtio-serial-bus", .make_child = MakeSerialPort},
};
// clang-format on

bool IsVirtio(std::string_view driver) {
  return driver.starts_with("virtio-") || driver.starts_with("vhost-");
}

// "virtio-rng-pci" -> "virtio-rng".
std::string_view WithoutTransport(std::string_view driver) {
  if (!IsVirtio(driver)) return driver;
  for (const std::string_view suffix : {"-non-transitional", "-pci", "-device"}) {
    if (driver.ends_with(suffix)) driver.remove_suffix(suffix.size());
  }
  return driver;
}

}  // namespace

std::span<const DeviceRow> DeviceRows() { return kRows; }

const DeviceRow* FindDeviceRow(std::string_view driver) {
  const std::string_view name = WithoutTransport(driver);
  const auto it = std::find_if(std::begin(kRows), std::end(kRows),
                               [&](const DeviceRow& row) { return row.name == name; });
  return it == std::end(kRows) ? nullptr : &*it;
}

std::string_view BusTypeOf(std::string_view driver) {
  const DeviceRow* row = FindDeviceRow(driver);
  if (row != nullptr && (row->make_child != nullptr || row->make_busless != nullptr)) {
    return row->parent_bus;
  }
  return IsVirtio(driver) && driver.ends_with("-device") ? "virtio-bus" : "PCI";
}

}  // namespace davit::machine
