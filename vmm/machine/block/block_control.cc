// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See block_control.h.
#include "vmm/machine/block/block_control.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "vmm/backend/block/file_node.h"

namespace davit::machine {
namespace {

using backend::BlockBackend;
using backend::BlockCount;
using backend::BlockNode;
using backend::ThrottleConfig;
using backend::ThrottleLimit;

// The two sides spell their enumerations in the same order.
template <typename To, typename From>
constexpr To Same(From value) {
  return static_cast<To>(value);
}
static_assert(Same<backend::BlockDriver>(control::BlockDriver::kThrottle) ==
              backend::BlockDriver::kThrottle);
static_assert(Same<backend::ImageLocking>(control::BlockLocking::kOn) ==
              backend::ImageLocking::kOn);
static_assert(Same<backend::AioMode>(control::BlockAio::kIoUring) == backend::AioMode::kIoUring);
static_assert(Same<backend::DetectZeroes>(control::BlockDetectZeroes::kUnmap) ==
              backend::DetectZeroes::kUnmap);
static_assert(Same<backend::ErrorPolicy>(control::BlockErrorPolicy::kStop) ==
              backend::ErrorPolicy::kStop);
static_assert(Same<backend::IoStatus>(control::BlockIoStatus::kNoSpace) ==
              backend::IoStatus::kNoSpace);

backend::BlockNodeSpec ToSpec(const control::BlockNodeSpec& from) {
  backend::BlockNodeSpec spec;
  spec.driver = Same<backend::BlockDriver>(from.driver);
  spec.node_name = from.node_name;
  spec.read_only = from.read_only;
  spec.auto_read_only = from.auto_read_only;
  spec.force_share = from.force_share;
  spec.direct = from.direct;
  spec.no_flush = from.no_flush;
  if (from.discard) spec.discard = Same<backend::DiscardMode>(*from.discard);
  spec.detect_zeroes = Same<backend::DetectZeroes>(from.detect_zeroes);
  spec.filename = from.filename;
  spec.locking = Same<backend::ImageLocking>(from.locking);
  spec.aio = Same<backend::AioMode>(from.aio);
  spec.file_node = from.file_node;
  if (from.file != nullptr) {
    spec.file = std::make_shared<backend::BlockNodeSpec>(ToSpec(*from.file));
  }
  spec.throttle_group = from.throttle_group;
  spec.offset = from.offset;
  spec.size = from.size;
  spec.null_size = from.null_size;
  spec.latency_ns = from.latency_ns;
  spec.read_zeroes = from.read_zeroes;
  return spec;
}

// Negative numbers become large ones, which the check refuses.
ThrottleLimit ToLimit(const control::BlockLimit& limit) {
  return {.average = static_cast<uint64_t>(limit.average),
          .max = static_cast<uint64_t>(limit.max),
          .length = static_cast<uint64_t>(limit.length)};
}

ThrottleConfig ToThrottle(const control::BlockLimits& limits) {
  return {.bps = ToLimit(limits.bps),
          .bps_read = ToLimit(limits.bps_read),
          .bps_write = ToLimit(limits.bps_write),
          .iops = ToLimit(limits.iops),
          .iops_read = ToLimit(limits.iops_read),
          .iops_write = ToLimit(limits.iops_write),
          .iops_size = static_cast<uint64_t>(limits.iops_size)};
}

control::BlockLimit FromLimit(const ThrottleLimit& limit) {
  return {.average = static_cast<int64_t>(limit.average),
          .max = static_cast<int64_t>(limit.max),
          .length = static_cast<int64_t>(limit.length)};
}

control::BlockLimits FromThrottle(const backend::ThrottleGroup& group) {
  const ThrottleConfig config = group.config();
  return {.bps = FromLimit(config.bps),
          .bps_read = FromLimit(config.bps_read),
          .bps_write = FromLimit(config.bps_write),
          .iops = FromLimit(config.iops),
          .iops_read = FromLimit(config.iops_read),
          .iops_write = FromLimit(config.iops_write),
          .iops_size = static_cast<int64_t>(config.iops_size),
          .group = group.name()};
}

control::BlockNodeInfo InfoOf(const BlockNode& node) {
  control::BlockNodeInfo info;
  info.name = node.name();
  info.driver = backend::BlockDriverName(node.driver());
  info.filename = node.filename();
  info.read_only = node.read_only();
  info.detect_zeroes = Same<control::BlockDetectZeroes>(node.detect_zeroes());
  info.direct = node.direct();
  info.no_flush = node.no_flush();
  info.virtual_size = node.length();
  info.actual_size = node.actual_size();
  info.has_dirty_flag = node.has_dirty_flag();
  info.wr_highest_offset = node.wr_highest_offset();
  if (const auto* file = dynamic_cast<const backend::FileNode*>(&node)) {
    info.file_stats = {.discard_ok = file->discard_ok,
                       .discard_failed = file->discard_failed,
                       .discard_bytes_ok = file->discard_bytes_ok};
  }
  if (const auto child = node.child()) info.child.push_back(InfoOf(*child));
  return info;
}

control::BlockCounters CountersOf(const backend::BlockStats::Row& row) {
  return {.bytes = row.bytes,
          .operations = row.operations,
          .time_ns = row.time_ns,
          .failed = row.failed,
          .invalid = row.invalid};
}

}  // namespace

Status BlockControlImpl::AddNode(const control::BlockNodeSpec& spec) {
  return graph_.AddNode(ToSpec(spec));
}

Status BlockControlImpl::ReopenNodes(const std::vector<control::BlockNodeSpec>& specs) {
  std::vector<backend::BlockNodeSpec> nodes;
  nodes.reserve(specs.size());
  for (const control::BlockNodeSpec& spec : specs) nodes.push_back(ToSpec(spec));
  return graph_.Reopen(nodes);
}

Status BlockControlImpl::AddDrive(const control::DriveSpec& spec) {
  backend::DriveSpec drive;
  drive.id = spec.id;
  drive.id_made_up = spec.id_made_up;
  drive.empty = spec.empty;
  drive.node = ToSpec(spec.node);
  drive.rerror = Same<backend::ErrorPolicy>(spec.rerror);
  drive.werror = Same<backend::ErrorPolicy>(spec.werror);
  drive.write_cache = spec.write_cache;
  drive.throttle = ToThrottle(spec.limits);
  drive.throttle_group = spec.limits.group;
  return graph_.AddDrive(drive);
}

Status BlockControlImpl::AddDriveText(const std::string& text) {
  DAVIT_ASSIGN(control::DriveSpec spec, parse_drive_(text));
  spec.id_made_up = spec.id.empty();
  for (unsigned n = 0; spec.id.empty(); ++n) {
    const std::string id = fmt::format("none{}", n);
    if (graph_.FindDrive(id) == nullptr) spec.id = id;
  }
  return AddDrive(spec);
}

std::vector<control::BlockNodeInfo> BlockControlImpl::Nodes() const {
  std::vector<control::BlockNodeInfo> infos;
  for (const auto& node : graph_.Nodes()) infos.push_back(InfoOf(*node));
  return infos;
}

std::vector<control::BlockDiskInfo> BlockControlImpl::Disks() const {
  std::vector<control::BlockDiskInfo> infos;
  for (const BlockBackend* disk : graph_.Disks()) {
    control::BlockDiskInfo info;
    info.device = disk->name();
    info.qdev = disk->qdev();
    info.removable = disk->removable();
    if (disk->io_status_enabled()) {
      info.io_status = Same<control::BlockIoStatus>(disk->io_status());
    }
    info.write_cache = disk->write_cache();
    if (backend::Tray* const tray = disk->tray()) {
      info.tray_open = tray->tray_open();
      info.locked = tray->tray_locked();
    }
    if (disk->node() != nullptr) info.node = InfoOf(*disk->node());
    if (const auto group = disk->throttle()) info.limits = FromThrottle(*group);
    info.read = CountersOf(disk->stats()[BlockCount::kRead]);
    info.write = CountersOf(disk->stats()[BlockCount::kWrite]);
    info.flush = CountersOf(disk->stats()[BlockCount::kFlush]);
    info.unmap = CountersOf(disk->stats()[BlockCount::kUnmap]);
    info.idle_ns = disk->stats().IdleNs(disk->now());
    infos.push_back(std::move(info));
  }
  return infos;
}

Status BlockControlImpl::Resize(const std::string& device, const std::string& node_name,
                                int64_t size) {
  std::shared_ptr<BlockNode> node;
  if (const BlockBackend* disk = graph_.FindDrive(device)) {
    node = disk->node();
    if (node == nullptr) return Fail(fmt::format("Device '{}' has no medium", device));
  }
  if (node == nullptr) node = graph_.FindNode(node_name);
  if (node == nullptr) {
    return Fail(fmt::format("Cannot find device='{}' nor node-name='{}'", device, node_name));
  }
  if (size < 0) return Fail("Parameter 'size' expects a >0 size");
  return graph_.Resize(*node, static_cast<uint64_t>(size));
}

Result<BlockBackend*> BlockControlImpl::Find(const control::BlockDiskName& disk) const {
  if (disk.device.has_value() == disk.id.has_value()) {
    return Fail("Need exactly one of 'device' and 'id'");
  }
  const auto path_of = [](const std::string& qdev) {
    return qdev.starts_with('/') ? qdev : "/machine/peripheral/" + qdev;
  };
  const std::string& name = disk.device ? *disk.device : *disk.id;
  BlockBackend* found = disk.device ? graph_.FindDrive(name) : nullptr;
  for (BlockBackend* other : graph_.Disks()) {
    if (!disk.id || other->qdev().empty()) continue;
    const std::string path = path_of(other->qdev());
    if (path == path_of(name)) found = other;
    // The PCI function of a virtio disk is no disk itself.
    if (path == path_of(name) + "/virtio-backend") {
      return Fail("Device does not have a block device backend");
    }
  }
  if (found == nullptr) {
    return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", name));
  }
  return found;
}

Status BlockControlImpl::SetLimits(const control::BlockDiskName& disk,
                                   const control::BlockLimits& limits) {
  DAVIT_ASSIGN(BlockBackend* const found, Find(disk));
  return graph_.SetThrottle(*found, limits.group, ToThrottle(limits));
}

}  // namespace davit::machine
