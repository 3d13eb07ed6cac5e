// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-blk: from properties to the device's configuration, and the disk it stands on.
#include <fmt/format.h>

#include "vmm/machine/devices/disk_properties.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/virtio/block/block.h"

namespace davit::machine {
namespace {

Result<uint32_t> Small(const DeviceProperties& props, const char* name) {
  const uint64_t size = props.Uint(name);
  if (size > UINT32_MAX) {
    return Fail(fmt::format("Property virtio-blk-device.{} doesn't take value {} (maximum: {})",
                            name, size, UINT32_MAX));
  }
  return static_cast<uint32_t>(size);
}

Result<virtio::BlockConfig> ConfigOf(const DeviceContext& context, const DeviceProperties& props) {
  virtio::BlockConfig config;
  const uint64_t queues = props.Uint("num-queues");
  const bool pci = !props.driver().ends_with("-device");
  config.num_queues = static_cast<uint16_t>(queues != 65535 ? queues : pci ? context.cpus : 1);
  config.queue_size = static_cast<uint16_t>(props.Uint("queue-size"));
  config.seg_max_adjust = props.Bool("seg-max-adjust");
  config.serial = props.Text("serial");
  config.config_wce = props.Bool("config-wce");
  config.discard = props.Bool("discard");
  config.write_zeroes = props.Bool("write-zeroes");
  config.max_discard_sectors = static_cast<uint32_t>(props.Uint("max-discard-sectors"));
  config.max_write_zeroes_sectors = static_cast<uint32_t>(props.Uint("max-write-zeroes-sectors"));
  config.report_discard_granularity = props.Bool("report-discard-granularity");
  DAVIT_ASSIGN(config.logical_block_size, BlockSizeOf(props, "logical_block_size"));
  DAVIT_ASSIGN(config.physical_block_size, BlockSizeOf(props, "physical_block_size"));
  DAVIT_ASSIGN(config.min_io_size, Small(props, "min_io_size"));
  DAVIT_ASSIGN(config.opt_io_size, Small(props, "opt_io_size"));
  DAVIT_ASSIGN(config.discard_granularity, Small(props, "discard_granularity"));
  return config;
}

}  // namespace

MadeVirtio MakeBlock(DeviceContext& context, const DeviceProperties& props) {
  if (props.Text("drive").empty()) return Fail("drive property not set");
  DAVIT_ASSIGN(const virtio::BlockConfig config, ConfigOf(context, props));
  DAVIT_TRY(virtio::BlockDevice::Check(config));
  backend::AttachOptions attach = AttachOptionsOf(props);
  if (!props.driver().ends_with("-device")) attach.qdev = props.path() + "/virtio-backend";
  DAVIT_ASSIGN(auto disk, AttachDrive(context, props, "virtio-blk-device", std::move(attach)));
  DAVIT_ASSIGN(auto device, virtio::BlockDevice::Create(config, std::move(disk)));
  return device;
}

std::optional<Result<control::PropertyValue>> GetBlockProperty(virtio::VirtioDevice& device,
                                                               std::string_view name) {
  const auto& disk = static_cast<virtio::BlockDevice&>(device);
  if (name == "num-queues") {
    return control::PropertyValue{uint64_t{disk.traits().queue_sizes.size()}};
  }
  if (name == "logical_block_size") {
    return control::PropertyValue{uint64_t{disk.config().logical_block_size}};
  }
  if (name == "physical_block_size") {
    return control::PropertyValue{uint64_t{disk.config().physical_block_size}};
  }
  return std::nullopt;
}

}  // namespace davit::machine
