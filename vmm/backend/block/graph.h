// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The nodes and disks of the process, by name: -blockdev, blockdev-add and -drive make them,
// devices attach to them, queries list them. Outlives the VM. Owner: control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vmm/backend/block/backend.h"
#include "vmm/backend/block/node.h"
#include "vmm/backend/block/spec.h"
#include "vmm/backend/block/worker_pool.h"
#include "vmm/backend/file/file_opener.h"

namespace davit::backend {

// -drive
struct DriveSpec {
  std::string id;
  bool id_made_up = false;  // none was given: it is a name alone
  bool empty = false;       // no medium; of `node`, read_only alone counts
  BlockNodeSpec node;
  ErrorPolicy rerror = ErrorPolicy::kAuto;
  ErrorPolicy werror = ErrorPolicy::kAuto;
  bool write_cache = true;
  ThrottleConfig throttle;
  std::string throttle_group;  // empty: the id
};

class BlockGraph {
 public:
  explicit BlockGraph(FileOpener& opener) : opener_(opener) {}
  // No device is attached any more.
  ~BlockGraph();

  // Where failed requests are reported; called on any thread.
  void SetErrorSink(std::function<void(const BlockIoError&)> sink);
  // Where trays that move are reported.
  void SetTraySink(std::function<void(const TrayMoved&)> sink);

  // -blockdev, blockdev-add. Error: QEMU's words; nothing was made.
  Status AddNode(const BlockNodeSpec& spec);
  // A node that lives as long as the caller or a user keeps it.
  Result<std::shared_ptr<BlockNode>> OpenNode(const BlockNodeSpec& spec) { return Make(spec); }
  Status RemoveNode(const std::string& name);
  // blockdev-reopen: other options for nodes that are there, of all or of none. What is under way
  // on the disks above ends before, and nothing is lost. Error: QEMU's words.
  Status Reopen(const std::vector<BlockNodeSpec>& specs);
  std::shared_ptr<BlockNode> FindNode(const std::string& name) const;
  std::vector<std::shared_ptr<BlockNode>> Nodes() const;  // newest first

  Status AddDrive(const DriveSpec& spec);
  // drive_del: a drive, or a node that is nobody's. A device keeps its disk, without a medium, and
  // hears of errors; an id that was given is free again when it goes. Error: QEMU's.
  Status RemoveDrive(const std::string& id);
  // The -drives of a device that is about to go for good: they go when the caller lets them.
  std::vector<std::shared_ptr<BlockBackend>> TakeDrivesOf(const std::vector<std::string>& qdevs);
  // drive: the id of a -drive, or a node name. A drive is free for another device when the last
  // reference goes, on any thread. Error: none such ("can't find value"), taken, or in conflict
  // with another user.
  Result<std::shared_ptr<BlockBackend>> Attach(const std::string& drive, AttachOptions options);
  // A disk without a medium.
  std::shared_ptr<BlockBackend> AttachEmpty(AttachOptions options);
  // In order of their making. Those of -drive and those with a device.
  std::vector<BlockBackend*> Disks() const;
  BlockBackend* FindDrive(const std::string& name) const;
  // Whether the node is some disk's, itself and not by way of others.
  bool HasDisk(const BlockNode& node) const;

  // block_resize: the node and all that stand on it. What is under way on them ends before.
  Status Resize(BlockNode& node, uint64_t bytes);
  // A group of limits that outlives its disks, for as long as the caller keeps it. Error: there is
  // one of this name, or QEMU's about the limits.
  Result<std::shared_ptr<ThrottleGroup>> MakeGroup(const std::string& name,
                                                   const ThrottleConfig& config);
  // New limits for all whose group it is. Error: QEMU's; the old ones hold.
  Status SetLimits(ThrottleGroup& group, const ThrottleConfig& config);
  Status SetThrottle(BlockBackend& disk, const std::string& group, const ThrottleConfig& config);
  void ResetIoStatus();

  WorkerPool& workers() { return workers_; }

 private:
  friend class BlockBackend;
  friend class Reopening;
  Result<std::shared_ptr<BlockNode>> Make(const BlockNodeSpec& spec);
  std::shared_ptr<ThrottleGroup> FindGroup(const std::string& name) const;
  Status CheckName(const std::string& name) const;
  std::string NewName();
  void Report(const BlockIoError& error);
  void Report(const TrayMoved& moved);
  void Forget(BlockBackend* disk);
  std::vector<BlockBackend*> DisksOn(const std::vector<const BlockNode*>& nodes) const;
  // Runs fn while none of the disks has anything under way.
  static void WhileQuiet(const std::vector<BlockBackend*>& disks, const std::function<void()>& fn);

  FileOpener& opener_;
  WorkerPool workers_;
  std::mutex sink_mutex_;
  std::function<void(const BlockIoError&)> sink_;
  std::function<void(const TrayMoved&)> tray_sink_;
  std::vector<std::weak_ptr<BlockNode>> nodes_;        // all, newest last
  std::vector<std::shared_ptr<BlockNode>> owned_;      // made by name, newest last
  std::vector<std::shared_ptr<BlockBackend>> drives_;  // of -drive
  std::vector<BlockBackend*> disks_;                   // all, in order
  std::map<std::string, std::weak_ptr<ThrottleGroup>> groups_;
  unsigned next_name_ = 1;
};

}  // namespace davit::backend
