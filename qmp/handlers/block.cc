// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/block-nodes.json, qapi/block.json and qapi/block-media.json.
#include "qmp/handlers/block_spec.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

using control::BlockDiskInfo;
using control::BlockLimit;
using control::BlockLimits;
using control::BlockNodeInfo;

void SetLimit(const BlockLimit& limit, int64_t& average, std::optional<int64_t>& max,
              std::optional<int64_t>& length) {
  average = limit.average;
  if (limit.max == 0) return;
  max = limit.max;
  length = limit.length;
}

void SetLimits(const BlockLimits& limits, qapi::BlockDeviceInfo& info) {
  SetLimit(limits.bps, info.bps, info.bps_max, info.bps_max_length);
  SetLimit(limits.bps_read, info.bps_rd, info.bps_rd_max, info.bps_rd_max_length);
  SetLimit(limits.bps_write, info.bps_wr, info.bps_wr_max, info.bps_wr_max_length);
  SetLimit(limits.iops, info.iops, info.iops_max, info.iops_max_length);
  SetLimit(limits.iops_read, info.iops_rd, info.iops_rd_max, info.iops_rd_max_length);
  SetLimit(limits.iops_write, info.iops_wr, info.iops_wr_max, info.iops_wr_max_length);
  if (limits.iops_size != 0) info.iops_size = limits.iops_size;
  info.group = limits.group;
}

qapi::ImageInfo ToImage(const BlockNodeInfo& node) {
  qapi::ImageInfo image;
  image.filename = node.filename;
  image.format = node.driver;
  image.actual_size = static_cast<int64_t>(node.actual_size);
  image.virtual_size = static_cast<int64_t>(node.virtual_size);
  if (node.has_dirty_flag) image.dirty_flag = false;
  return image;
}

qapi::BlockDeviceInfo ToQapi(const BlockNodeInfo& node) {
  qapi::BlockDeviceInfo info;
  info.file = node.filename;
  info.node_name = node.name;
  info.ro = node.read_only;
  info.drv = node.driver;
  info.backing_file_depth = 0;
  info.detect_zeroes = static_cast<qapi::BlockdevDetectZeroesOptions>(node.detect_zeroes);
  info.image = ToImage(node);
  if (node.driver == "throttle") {  // a filter: what is below counts as the image behind it
    info.backing_file_depth = 1;
    info.image.backing_image = ToImage(node.child.at(0));
  }
  info.cache = {.writeback = true, .direct = node.direct, .no_flush = node.no_flush};
  return info;
}

qapi::BlockInfo ToQapi(const BlockDiskInfo& disk) {
  qapi::BlockInfo info;
  info.device = disk.device;
  if (!disk.qdev.empty()) info.qdev = disk.qdev;
  info.type = "unknown";
  info.removable = disk.removable;
  if (disk.io_status) info.io_status = static_cast<qapi::BlockDeviceIoStatus>(*disk.io_status);
  info.tray_open = disk.tray_open;
  info.locked = disk.locked;
  if (!disk.node) return info;
  info.inserted = ToQapi(*disk.node);
  info.inserted->cache.writeback = disk.write_cache;
  if (disk.limits) SetLimits(*disk.limits, *info.inserted);
  return info;
}

qapi::BlockStats ToStats(const BlockNodeInfo& node, bool with_driver) {
  qapi::BlockStats stats;
  stats.node_name = node.name;
  stats.stats.wr_highest_offset = static_cast<int64_t>(node.wr_highest_offset);
  if (with_driver && node.file_stats) {
    const auto& file = *node.file_stats;
    stats.driver_specific = qapi::BlockStatsSpecific{
        .driver =
            node.driver == "file" ? qapi::BlockdevDriver::kFile : qapi::BlockdevDriver::kHostDevice,
        .u = qapi::BlockStatsSpecificFile{.discard_nb_ok = file.discard_ok,
                                          .discard_nb_failed = file.discard_failed,
                                          .discard_bytes_ok = file.discard_bytes_ok}};
  }
  if (!node.child.empty()) stats.parent = qapi::BlockStats(ToStats(node.child[0], with_driver));
  return stats;
}

qapi::BlockStats ToStats(const BlockDiskInfo& disk) {
  qapi::BlockStats all;
  if (disk.node) all = ToStats(*disk.node, true);
  all.device = disk.device;
  if (!disk.qdev.empty()) all.qdev = disk.qdev;
  qapi::BlockDeviceStats& stats = all.stats;
  const auto n = [](uint64_t value) { return static_cast<int64_t>(value); };
  stats.rd_bytes = n(disk.read.bytes);
  stats.wr_bytes = n(disk.write.bytes);
  stats.unmap_bytes = n(disk.unmap.bytes);
  stats.rd_operations = n(disk.read.operations);
  stats.wr_operations = n(disk.write.operations);
  stats.flush_operations = n(disk.flush.operations);
  stats.unmap_operations = n(disk.unmap.operations);
  stats.rd_total_time_ns = n(disk.read.time_ns);
  stats.wr_total_time_ns = n(disk.write.time_ns);
  stats.flush_total_time_ns = n(disk.flush.time_ns);
  stats.unmap_total_time_ns = n(disk.unmap.time_ns);
  stats.failed_rd_operations = n(disk.read.failed);
  stats.failed_wr_operations = n(disk.write.failed);
  stats.failed_flush_operations = n(disk.flush.failed);
  stats.failed_unmap_operations = n(disk.unmap.failed);
  stats.invalid_rd_operations = n(disk.read.invalid);
  stats.invalid_wr_operations = n(disk.write.invalid);
  stats.invalid_flush_operations = n(disk.flush.invalid);
  stats.invalid_unmap_operations = n(disk.unmap.invalid);
  stats.account_invalid = true;
  stats.account_failed = true;
  if (disk.idle_ns >= 0) stats.idle_time_ns = disk.idle_ns;
  return all;
}

BlockLimit FromQapi(int64_t average, const std::optional<int64_t>& max,
                    const std::optional<int64_t>& length) {
  return {.average = average, .max = max.value_or(0), .length = length.value_or(1)};
}

}  // namespace

Status BlockNodesHandlers::BlockdevAdd(Context&, const qapi::BlockdevOptions& args) {
  DAVIT_ASSIGN(const control::BlockNodeSpec spec, ToBlockNodeSpec(args));
  return blocks_.AddNode(spec);
}

Status BlockNodesHandlers::BlockdevDel(Context&, const qapi::BlockdevDelArgs& args) {
  return blocks_.RemoveNode(args.node_name);
}

Status BlockNodesHandlers::BlockdevReopen(Context&, const qapi::BlockdevReopenArgs& args) {
  std::vector<control::BlockNodeSpec> specs;
  for (const qapi::BlockdevOptions& options : args.options) {
    DAVIT_ASSIGN(control::BlockNodeSpec spec, ToBlockNodeSpec(options));
    specs.push_back(std::move(spec));
  }
  return blocks_.ReopenNodes(specs);
}

Result<std::vector<qapi::BlockInfo>> BlockHandlers::QueryBlock(Context&) {
  std::vector<qapi::BlockInfo> rows;
  for (const BlockDiskInfo& disk : blocks_.Disks()) rows.push_back(ToQapi(disk));
  return rows;
}

Result<std::vector<qapi::BlockDeviceInfo>> BlockHandlers::QueryNamedBlockNodes(
    Context&, const qapi::QueryNamedBlockNodesArgs&) {
  std::vector<qapi::BlockDeviceInfo> rows;
  for (const BlockNodeInfo& node : blocks_.Nodes()) rows.push_back(ToQapi(node));
  return rows;
}

Result<std::vector<qapi::BlockStats>> BlockHandlers::QueryBlockstats(
    Context&, const qapi::QueryBlockstatsArgs& args) {
  std::vector<qapi::BlockStats> rows;
  if (args.query_nodes.value_or(false)) {
    for (const BlockNodeInfo& node : blocks_.Nodes()) rows.push_back(ToStats(node, true));
  } else {
    for (const BlockDiskInfo& disk : blocks_.Disks()) rows.push_back(ToStats(disk));
  }
  return rows;
}

Status BlockHandlers::BlockResize(Context&, const qapi::BlockResizeArgs& args) {
  return blocks_.Resize(args.device.value_or(""), args.node_name.value_or(""), args.size);
}

Status BlockHandlers::BlockSetIoThrottle(Context&, const qapi::BlockIOThrottle& args) {
  BlockLimits limits;
  limits.bps = FromQapi(args.bps, args.bps_max, args.bps_max_length);
  limits.bps_read = FromQapi(args.bps_rd, args.bps_rd_max, args.bps_rd_max_length);
  limits.bps_write = FromQapi(args.bps_wr, args.bps_wr_max, args.bps_wr_max_length);
  limits.iops = FromQapi(args.iops, args.iops_max, args.iops_max_length);
  limits.iops_read = FromQapi(args.iops_rd, args.iops_rd_max, args.iops_rd_max_length);
  limits.iops_write = FromQapi(args.iops_wr, args.iops_wr_max, args.iops_wr_max_length);
  limits.iops_size = args.iops_size.value_or(0);
  limits.group = args.group.value_or("");
  return blocks_.SetLimits({args.device, args.id}, limits);
}

Status BlockMediaHandlers::Eject(Context&, const qapi::EjectArgs& args) {
  return blocks_.Eject({args.device, args.id}, args.force.value_or(false));
}

Status BlockMediaHandlers::BlockdevOpenTray(Context&, const qapi::BlockdevOpenTrayArgs& args) {
  return blocks_.OpenTray({args.device, args.id}, args.force.value_or(false));
}

Status BlockMediaHandlers::BlockdevCloseTray(Context&, const qapi::BlockdevCloseTrayArgs& args) {
  return blocks_.CloseTray({args.device, args.id});
}

Status BlockMediaHandlers::BlockdevRemoveMedium(Context&,
                                                const qapi::BlockdevRemoveMediumArgs& args) {
  return blocks_.RemoveMedium({std::nullopt, args.id});
}

Status BlockMediaHandlers::BlockdevInsertMedium(Context&,
                                                const qapi::BlockdevInsertMediumArgs& args) {
  return blocks_.InsertMedium({std::nullopt, args.id}, args.node_name);
}

Status BlockMediaHandlers::BlockdevChangeMedium(Context&,
                                                const qapi::BlockdevChangeMediumArgs& args) {
  using Mode = control::BlockMedium::Mode;
  static_assert(static_cast<int>(qapi::BlockdevChangeReadOnlyMode::kReadWrite) ==
                static_cast<int>(Mode::kReadWrite));
  control::BlockMedium medium{.filename = args.filename, .format = args.format};
  if (args.read_only_mode) medium.mode = static_cast<Mode>(*args.read_only_mode);
  return blocks_.ChangeMedium({args.device, args.id}, medium, args.force.value_or(false));
}

}  // namespace davit::qmp
