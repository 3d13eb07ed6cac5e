// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the rows of table.cc call, one function a device, each in a file make_DEVICE.cc: from
// properties to the device's own configuration. Errors are worded as QEMU's for the same value.
#pragma once

#include <memory>

#include "vmm/machine/devices/row.h"

namespace davit::machine {

// driver, id, multifunction.
pci::FunctionOptions FunctionOptionsOf(const DeviceProperties& props);

using MadeVirtio = Result<std::unique_ptr<virtio::VirtioDevice>>;
using MadePlain = Result<std::unique_ptr<PlainDevice>>;

Result<MadeFunction> MakeRootPort(DeviceContext& context, const DeviceProperties& props,
                                  pci::HostBridge& host);
Result<MadeFunction> MakePvpanic(DeviceContext& context, const DeviceProperties& props,
                                 pci::HostBridge& host);
Result<MadeFunction> MakeI6300esb(DeviceContext& context, const DeviceProperties& props,
                                  pci::HostBridge& host);
MadeVirtio MakeBalloon(DeviceContext& context, const DeviceProperties& props);
inline constexpr RunTimeProperty kBalloonRunTime[] = {
    {"guest-stats", "guest statistics"},
    {"guest-stats-polling-interval", "int"},
};
std::optional<Result<control::PropertyValue>> GetBalloonProperty(virtio::VirtioDevice& device,
                                                                 std::string_view name);
std::optional<Status> SetBalloonProperty(virtio::VirtioDevice& device, std::string_view name,
                                         const control::PropertyValue& value);
MadeVirtio MakeBlock(DeviceContext& context, const DeviceProperties& props);
MadeVirtio MakeMem(DeviceContext& context, const DeviceProperties& props);
inline constexpr RunTimeProperty kMemRunTime[] = {
    {"block-size", "size"},
    {"requested-size", "size"},
    {"size", "size"},
};
std::optional<Result<control::PropertyValue>> GetMemProperty(virtio::VirtioDevice& device,
                                                             std::string_view name);
std::optional<Status> SetMemProperty(virtio::VirtioDevice& device, std::string_view name,
                                     const control::PropertyValue& value);
std::optional<Result<control::PropertyValue>> GetBlockProperty(virtio::VirtioDevice& device,
                                                               std::string_view name);
MadeVirtio MakeNet(DeviceContext& context, const DeviceProperties& props);
std::optional<Result<control::PropertyValue>> GetNetProperty(virtio::VirtioDevice& device,
                                                             std::string_view name);
MadeVirtio MakeRng(DeviceContext& context, const DeviceProperties& props);
MadeVirtio MakeScsi(DeviceContext& context, const DeviceProperties& props);
std::optional<Result<control::PropertyValue>> GetScsiProperty(virtio::VirtioDevice& device,
                                                              std::string_view name);
MadePlain MakeScsiUnit(DeviceContext& context, const DeviceProperties& props,
                       virtio::VirtioDevice& parent);
MadeVirtio MakeSerial(DeviceContext& context, const DeviceProperties& props);
// On the board: it is not hot-pluggable.
MadePlain MakeIsaSerial(DeviceContext& context, const DeviceProperties& props);
inline constexpr RunTimeProperty kSerialRunTime[] = {{"iobase", "uint32"}, {"irq", "uint32"}};
MadePlain MakeSerialPort(DeviceContext& context, const DeviceProperties& props,
                         virtio::VirtioDevice& parent);
MadePlain MakeCpu(DeviceContext& context, const DeviceProperties& props);
MadePlain MakePcDimm(DeviceContext& context, const DeviceProperties& props);
inline constexpr RunTimeProperty kDimmRunTime[] = {{"size", "uint64"}};
MadePlain MakeVmCoreInfo(DeviceContext& context, const DeviceProperties& props);
MadeVirtio MakeVsock(DeviceContext& context, const DeviceProperties& props);

}  // namespace davit::machine
