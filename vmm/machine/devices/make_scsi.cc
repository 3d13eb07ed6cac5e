// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-scsi, and scsi-hd and scsi-cd on its bus.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/machine/devices/disk_properties.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/virtio/scsi/scsi.h"

namespace davit::machine {
namespace {

using virtio::ScsiDevice;

constexpr unsigned kTargets = 256;

// Of the image, in bytes, as properties show them: a CD-ROM's own blocks are larger.
struct BlockSizes {
  uint32_t logical = 0, physical = 0;
};

class ScsiUnitChild final : public PlainDevice {
 public:
  ScsiUnitChild(ScsiDevice& host, virtio::ScsiUnitConfig config, BlockSizes sizes)
      : host_(host), config_(std::move(config)), sizes_(sizes) {}
  ~ScsiUnitChild() override { host_.RemoveUnit(config_.target, config_.lun); }
  std::optional<control::PropertyValue> Property(std::string_view name) const override {
    if (name == "scsi-id") return control::PropertyValue{uint64_t{config_.target}};
    if (name == "lun") return control::PropertyValue{uint64_t{config_.lun}};
    if (name == "vendor") return control::PropertyValue{config_.unit.vendor};
    if (name == "product") return control::PropertyValue{config_.unit.product};
    if (name == "ver") return control::PropertyValue{config_.unit.version};
    if (name == "device_id") return control::PropertyValue{config_.unit.device_id};
    if (name == "logical_block_size") return control::PropertyValue{uint64_t{sizes_.logical}};
    if (name == "physical_block_size") return control::PropertyValue{uint64_t{sizes_.physical}};
    return std::nullopt;
  }

 private:
  ScsiDevice& host_;
  const virtio::ScsiUnitConfig config_;
  const BlockSizes sizes_;
};

// Where it goes: as given, else at the first free place.
Status Place(const DeviceProperties& props, const ScsiDevice& host,
             virtio::ScsiUnitConfig& config) {
  const uint64_t target = props.Uint("scsi-id");
  const uint64_t lun = props.Uint("lun");
  if (const uint64_t channel = props.Uint("channel"); channel != 0) {
    return Fail(fmt::format("bad scsi channel id: {}", channel));
  }
  if (target != UINT32_MAX && target >= kTargets) {
    return Fail(fmt::format("bad scsi device id: {}", target));
  }
  if (lun != UINT32_MAX && lun > ScsiDevice::kMaxLun) {
    return Fail(fmt::format("bad scsi device lun: {}", lun));
  }
  config.lun = static_cast<uint16_t>(lun == UINT32_MAX ? 0 : lun);
  if (target == UINT32_MAX) {
    unsigned free = 0;
    while (free < kTargets && host.HasUnit(static_cast<uint8_t>(free), config.lun)) ++free;
    if (free == kTargets) return Fail("no free target");
    config.target = static_cast<uint8_t>(free);
    return {};
  }
  config.target = static_cast<uint8_t>(target);
  while (lun == UINT32_MAX && config.lun < ScsiDevice::kMaxLun &&
         host.HasUnit(config.target, config.lun)) {
    ++config.lun;
  }
  if (host.HasUnit(config.target, config.lun)) return Fail("lun already used by another device");
  return {};
}

Status Describe(const DeviceProperties& props, virtio::scsi::Unit& unit) {
  const auto text = [&](const char* name, const char* otherwise) {
    const std::string value = props.Text(name);
    return value.empty() ? std::string(otherwise) : value;
  };
  unit.cdrom = props.driver() == "scsi-cd";
  unit.vendor = text("vendor", "QEMU");
  unit.product = text("product", unit.cdrom ? "QEMU CD-ROM" : "QEMU HARDDISK");
  unit.version = text("ver", "2.5+");
  unit.serial = props.Text("serial");
  if (unit.serial.size() > 36) {
    return Fail("The serial number can't be longer than 36 characters");
  }
  unit.device_id = text("device_id", unit.serial.c_str());
  unit.wwn = props.Uint("wwn");
  unit.removable = unit.cdrom || props.Bool("removable");
  if (!unit.cdrom) unit.rotation_rate = static_cast<uint16_t>(props.Uint("rotation_rate"));
  DAVIT_ASSIGN(unit.block_size, BlockSizeOf(props, "logical_block_size"));
  DAVIT_ASSIGN(unit.physical_block_size, BlockSizeOf(props, "physical_block_size"));
  unit.min_io_size =
      static_cast<uint32_t>(std::min<uint64_t>(props.Uint("min_io_size"), UINT32_MAX));
  unit.opt_io_size =
      static_cast<uint32_t>(std::min<uint64_t>(props.Uint("opt_io_size"), UINT32_MAX));
  return {};
}

// Block sizes that were not given are the disk's. What properties show is returned.
BlockSizes FitToDisk(const backend::BlockBackend& disk, virtio::scsi::Unit& unit) {
  BlockSizes shown{unit.block_size, unit.physical_block_size};
  if (shown.logical == 0) {
    shown.logical = std::max<uint32_t>(disk.logical_sector(), 512);
    unit.block_size = std::max<uint32_t>(shown.logical, unit.cdrom ? 2048 : 512);
  }
  if (shown.physical == 0) {
    shown.physical = std::max<uint32_t>(disk.physical_sector(), 512);
    unit.physical_block_size = std::max(shown.physical, unit.cdrom ? unit.block_size : 512);
  }
  return shown;
}

}  // namespace

MadeVirtio MakeScsi(DeviceContext& context, const DeviceProperties& props) {
  virtio::ScsiConfig config;
  const bool pci = !props.driver().ends_with("-device");
  const uint64_t queues = props.Uint("num_queues");
  config.num_queues = static_cast<uint16_t>(
      queues == UINT32_MAX ? (pci ? context.cpus : 1) : std::min<uint64_t>(queues, UINT16_MAX));
  config.queue_size =
      static_cast<uint16_t>(std::min<uint64_t>(props.Uint("virtqueue_size"), UINT16_MAX));
  config.seg_max_adjust = props.Bool("seg_max_adjust");
  config.max_sectors = static_cast<uint32_t>(props.Uint("max_sectors"));
  config.cmd_per_lun = static_cast<uint32_t>(props.Uint("cmd_per_lun"));
  DAVIT_ASSIGN(auto device, ScsiDevice::Create(config));
  return device;
}

std::optional<Result<control::PropertyValue>> GetScsiProperty(virtio::VirtioDevice& device,
                                                              std::string_view name) {
  if (name != "num_queues") return std::nullopt;
  const size_t queues = device.traits().queue_sizes.size();
  return control::PropertyValue{uint64_t{queues - virtio::scsi::kFirstRequestQueue}};
}

Result<std::unique_ptr<PlainDevice>> MakeScsiUnit(DeviceContext& context,
                                                  const DeviceProperties& props,
                                                  virtio::VirtioDevice& parent) {
  auto& host = static_cast<ScsiDevice&>(parent);
  virtio::ScsiUnitConfig config;
  DAVIT_TRY(Place(props, host, config));
  DAVIT_TRY(Describe(props, config.unit));
  backend::AttachOptions attach = AttachOptionsOf(props);
  attach.read_only = config.unit.cdrom;
  attach.needs_medium = attach.resizable = !config.unit.cdrom;
  DAVIT_ASSIGN(auto disk, AttachDrive(context, props, props.driver(), std::move(attach)));
  if (config.unit.device_id.empty()) config.unit.device_id = disk->name();
  const BlockSizes sizes = FitToDisk(*disk, config.unit);
  DAVIT_TRY(host.AddUnit(config, std::move(disk)));
  return std::make_unique<ScsiUnitChild>(host, std::move(config), sizes);
}

}  // namespace davit::machine
