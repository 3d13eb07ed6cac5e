// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See block.h.
#include "qmp/handlers/hmp/block.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace davit::qmp::hmp {
namespace {

using control::BlockDiskInfo;
using control::BlockNodeInfo;

// "1 MiB", "1.5 GiB": three digits.
std::string SizeText(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.3g} {}", value, kUnits[unit]);
}

void PrintDevice(Call& call, const BlockDiskInfo& disk) {
  if (!disk.qdev.empty()) call.out += fmt::format("    Attached to:      {}\n", disk.qdev);
  if (disk.io_status && *disk.io_status != control::BlockIoStatus::kOk) {
    call.out +=
        fmt::format("    I/O status:       {}\n",
                    *disk.io_status == control::BlockIoStatus::kFailed ? "failed" : "nospace");
  }
  if (!disk.removable) return;
  call.out += fmt::format("    Removable device: {}locked, tray {}\n", disk.locked ? "" : "not ",
                          disk.tray_open.value_or(false) ? "open" : "closed");
}

void PrintNode(Call& call, const BlockNodeInfo& node, const BlockDiskInfo* disk, bool verbose) {
  call.out +=
      fmt::format(": {} ({}{})\n", node.filename, node.driver, node.read_only ? ", read-only" : "");
  if (disk != nullptr) PrintDevice(call, *disk);
  call.out += fmt::format("    Cache mode:       {}{}{}\n",
                          disk == nullptr || disk->write_cache ? "writeback" : "writethrough",
                          node.direct ? ", direct" : "", node.no_flush ? ", ignore flushes" : "");
  if (node.detect_zeroes != control::BlockDetectZeroes::kOff) {
    call.out += fmt::format("    Detect zeroes:    {}\n",
                            node.detect_zeroes == control::BlockDetectZeroes::kOn ? "on" : "unmap");
  }
  if (disk != nullptr && disk->limits) {
    const control::BlockLimits& l = *disk->limits;
    call.out += fmt::format(
        "    I/O throttling:   bps={} bps_rd={} bps_wr={} bps_max={} bps_rd_max={} bps_wr_max={} "
        "iops={} iops_rd={} iops_wr={} iops_max={} iops_rd_max={} iops_wr_max={} iops_size={} "
        "group={}\n",
        l.bps.average, l.bps_read.average, l.bps_write.average, l.bps.max, l.bps_read.max,
        l.bps_write.max, l.iops.average, l.iops_read.average, l.iops_write.average, l.iops.max,
        l.iops_read.max, l.iops_write.max, l.iops_size, l.group);
  }
  if (!verbose) return;
  call.out += fmt::format(
      "\nImages:\nimage: {}\nfile format: {}\nvirtual size: {} ({} bytes)\ndisk size: {}\n",
      node.filename, node.driver, SizeText(node.virtual_size), node.virtual_size,
      SizeText(node.actual_size));
}

void PrintDisk(Call& call, const BlockDiskInfo& disk, bool verbose) {
  if (!disk.node) {
    call.out += (disk.device.empty() ? disk.qdev : disk.device) + ": [not inserted]\n";
    PrintDevice(call, disk);
    return;
  }
  call.out +=
      disk.device.empty() ? disk.node->name : fmt::format("{} ({})", disk.device, disk.node->name);
  PrintNode(call, *disk.node, &disk, verbose);
}

// Of old commands, whose errors stand without a word before them.
Status Bare(Call& call, const Status& status, const char* done) {
  if (status) {
    call.out += done;
    return {};
  }
  const Error& error = status.error();
  call.out += error.message + '\n';
  if (!error.where.empty()) call.out += error.where + '\n';
  return {};
}

}  // namespace

// Of a name, the disks that have it; where none has, the nodes. As in QEMU, an empty line stands
// before all but the first of the whole list, shown or not.
Status InfoBlock(Call& call) {
  const bool nodes_alone = call.flag, verbose = call.second_flag;
  bool printed = false, first = true;
  const auto chosen = [&](const std::string& name) {
    const bool separate = !std::exchange(first, false);
    if (call.maybe && *call.maybe != name) return false;
    if (separate) call.out += '\n';
    return printed = true;
  };
  if (!nodes_alone) {
    for (const BlockDiskInfo& disk : call.blocks.Disks()) {
      if (chosen(disk.device)) PrintDisk(call, disk, verbose);
    }
    if (printed || !call.maybe) return {};
  }
  first = true;
  for (const BlockNodeInfo& node : call.blocks.Nodes()) {
    if (!chosen(node.name)) continue;
    call.out += node.name;
    PrintNode(call, node, nullptr, verbose);
  }
  return {};
}

// The first word was the slot of a device that is made along, which if=none has not.
Status AddDrive(Call& call) { return Bare(call, call.blocks.AddDriveText(call.more), "OK\n"); }

Status DeleteDrive(Call& call) { return Bare(call, call.blocks.RemoveDrive(call.text), ""); }

Status EjectMedium(Call& call) { return call.blocks.Eject({call.text, std::nullopt}, call.flag); }

Status ChangeMedium(Call& call) {
  using Mode = control::BlockMedium::Mode;
  control::BlockMedium medium{.filename = call.more};
  medium.format = call.maybe;
  const std::string mode = call.maybe_more.value_or("retain");
  if (mode == "read-only") {
    medium.mode = Mode::kReadOnly;
  } else if (mode == "read-write") {
    medium.mode = Mode::kReadWrite;
  } else if (mode != "retain") {
    return Fail(fmt::format("invalid parameter value: {}", mode));
  }
  return call.blocks.ChangeMedium({call.text, std::nullopt}, medium, call.flag);
}

Status InfoBlockStats(Call& call) {
  for (const BlockDiskInfo& disk : call.blocks.Disks()) {
    call.out += fmt::format(
        "{}: rd_bytes={} wr_bytes={} rd_operations={} wr_operations={} flush_operations={} "
        "wr_total_time_ns={} rd_total_time_ns={} flush_total_time_ns={} rd_merged=0 wr_merged=0 "
        "idle_time_ns={}\n",
        disk.device, disk.read.bytes, disk.write.bytes, disk.read.operations, disk.write.operations,
        disk.flush.operations, disk.write.time_ns, disk.read.time_ns, disk.flush.time_ns,
        std::max<int64_t>(disk.idle_ns, 0));
  }
  return {};
}

}  // namespace davit::qmp::hmp
