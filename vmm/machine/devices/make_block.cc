// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-blk: from properties to the device's configuration, and the disk it stands on.
#include <fmt/format.h>

#include <bit>

#include "vmm/backend/block/graph.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/virtio/block/block.h"

namespace davit::machine {
namespace {

constexpr uint64_t kMaxBlockSize = 2 * 1024 * 1024;

backend::ErrorPolicy PolicyOf(const std::string& text) {
  if (text == "report") return backend::ErrorPolicy::kReport;
  if (text == "ignore") return backend::ErrorPolicy::kIgnore;
  if (text == "enospc") return backend::ErrorPolicy::kEnospc;
  if (text == "stop") return backend::ErrorPolicy::kStop;
  return backend::ErrorPolicy::kAuto;
}

// A power of two, or 0 for what the disk has.
Result<uint32_t> BlockSize(const DeviceProperties& props, const char* name) {
  const uint64_t size = props.Uint(name);
  if (size == 0) return 0;
  if (size < 512 || size > kMaxBlockSize) {
    return Fail(fmt::format("Property .{} doesn't take value {} (minimum: 512, maximum: {})", name,
                            size, kMaxBlockSize));
  }
  if (!std::has_single_bit(size)) {
    return Fail(
        fmt::format("Property .{} doesn't take value '{}', it's not a power of 2", name, size));
  }
  return static_cast<uint32_t>(size);
}

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
  DAVIT_ASSIGN(config.logical_block_size, BlockSize(props, "logical_block_size"));
  DAVIT_ASSIGN(config.physical_block_size, BlockSize(props, "physical_block_size"));
  DAVIT_ASSIGN(config.min_io_size, Small(props, "min_io_size"));
  DAVIT_ASSIGN(config.opt_io_size, Small(props, "opt_io_size"));
  DAVIT_ASSIGN(config.discard_granularity, Small(props, "discard_granularity"));
  return config;
}

}  // namespace

MadeVirtio MakeBlock(DeviceContext& context, const DeviceProperties& props) {
  const std::string drive = props.Text("drive");
  if (drive.empty()) return Fail("drive property not set");
  DAVIT_ASSIGN(const virtio::BlockConfig config, ConfigOf(context, props));
  DAVIT_TRY(virtio::BlockDevice::Check(config));
  if (context.blocks == nullptr) {
    return Fail(fmt::format("Property 'virtio-blk-device.drive' can't find value '{}'", drive));
  }
  backend::AttachOptions attach;
  attach.qdev = props.path();
  if (!props.driver().ends_with("-device")) attach.qdev += "/virtio-backend";
  attach.share_rw = props.Bool("share-rw");
  attach.rerror = PolicyOf(props.Text("rerror"));
  attach.werror = PolicyOf(props.Text("werror"));
  if (props.Text("write-cache") != "auto") attach.write_cache = props.OnOff("write-cache", true);
  auto disk = context.blocks->Attach(drive, std::move(attach));
  if (!disk) {
    Error error = std::move(disk).error();
    if (error.message.starts_with("can't find value")) {
      error.message = "Property 'virtio-blk-device.drive' " + error.message;
    }
    if (!error.where.empty()) error.message += "\n" + error.where;
    return Fail(std::move(error));
  }
  DAVIT_ASSIGN(auto device, virtio::BlockDevice::Create(config, std::move(*disk)));
  return device;
}

}  // namespace davit::machine
