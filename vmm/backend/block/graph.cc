// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See graph.h.
#include "vmm/backend/block/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "vmm/backend/block/file_node.h"
#include "vmm/backend/block/simple_nodes.h"
#include "vmm/base/check.h"

namespace davit::backend {
namespace {

constexpr size_t kMaxName = 31;

bool WellFormed(const std::string& name) {
  if (name.empty() || !std::isalpha(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

BlockGraph::~BlockGraph() {
  drives_.clear();
  DAVIT_CHECK(disks_.empty());
}

void BlockGraph::SetErrorSink(std::function<void(const BlockIoError&)> sink) {
  std::lock_guard lock(sink_mutex_);
  sink_ = std::move(sink);
}

void BlockGraph::Report(const BlockIoError& error) {
  std::lock_guard lock(sink_mutex_);
  if (sink_) sink_(error);
}

void BlockGraph::SetTraySink(std::function<void(const TrayMoved&)> sink) {
  std::lock_guard lock(sink_mutex_);
  tray_sink_ = std::move(sink);
}

void BlockGraph::Report(const TrayMoved& moved) {
  std::lock_guard lock(sink_mutex_);
  if (tray_sink_) tray_sink_(moved);
}

Status BlockGraph::CheckName(const std::string& name) const {
  if (!WellFormed(name)) return Fail(fmt::format("Invalid node-name: '{}'", name));
  if (name.size() > kMaxName) return Fail("Node name too long");
  if (FindDrive(name) != nullptr) {
    return Fail(fmt::format("node-name={} is conflicting with a device id", name));
  }
  if (FindNode(name) != nullptr) {
    return Fail(fmt::format("Duplicate nodes with node-name='{}'", name));
  }
  return {};
}

std::string BlockGraph::NewName() {
  for (;;) {
    std::string name = fmt::format("#block{:03}", next_name_++);
    if (FindNode(name) == nullptr) return name;
  }
}

Result<std::shared_ptr<BlockNode>> BlockGraph::Make(const BlockNodeSpec& spec) {
  if (!spec.node_name.empty()) DAVIT_TRY(CheckName(spec.node_name));
  std::shared_ptr<BlockNode> child;
  if (spec.file != nullptr) {
    DAVIT_ASSIGN(child, Make(Inherit(spec, *spec.file)));
    // The child may have taken the name.
    if (!spec.node_name.empty()) DAVIT_TRY(CheckName(spec.node_name));
  } else if (spec.driver == BlockDriver::kRaw || spec.driver == BlockDriver::kThrottle) {
    child = FindNode(spec.file_node);
    if (child == nullptr) {
      return Fail(fmt::format("Cannot find device='{0}' nor node-name='{0}'", spec.file_node));
    }
  }
  const std::string name = spec.node_name.empty() ? NewName() : spec.node_name;
  std::shared_ptr<BlockNode> node;
  switch (spec.driver) {
    case BlockDriver::kRaw: {
      DAVIT_ASSIGN(node, RawNode::Create(spec, name, std::move(child)));
      break;
    }
    case BlockDriver::kThrottle: {
      std::shared_ptr<ThrottleGroup> group = FindGroup(spec.throttle_group);
      if (group == nullptr) {
        return Fail(fmt::format("Throttle group '{}' does not exist", spec.throttle_group));
      }
      DAVIT_ASSIGN(node, ThrottleNode::Create(spec, name, std::move(child), std::move(group)));
      break;
    }
    case BlockDriver::kNullCo: {
      DAVIT_ASSIGN(node, NullNode::Create(spec, name));
      break;
    }
    default: {
      DAVIT_ASSIGN(node, FileNode::Open(spec, name, opener_));
    }
  }
  std::erase_if(nodes_, [](const auto& other) { return other.expired(); });
  nodes_.push_back(node);
  return node;
}

Status BlockGraph::AddNode(const BlockNodeSpec& spec) {
  if (spec.node_name.empty()) return Fail("'node-name' must be specified for the root node");
  DAVIT_ASSIGN(std::shared_ptr<BlockNode> node, Make(spec));
  owned_.push_back(std::move(node));
  return {};
}

Status BlockGraph::RemoveNode(const std::string& name) {
  const std::shared_ptr<BlockNode> node = FindNode(name);
  if (node == nullptr) return Fail(fmt::format("Failed to find node with node-name='{}'", name));
  if (HasDisk(*node)) return Fail(fmt::format("Node {} is in use", name));
  const auto owned = std::find(owned_.begin(), owned_.end(), node);
  if (owned == owned_.end()) {
    return Fail(fmt::format("Node {} is not owned by the monitor", name));
  }
  if (node->in_use()) return Fail(fmt::format("Block device {} is in use", name));
  owned_.erase(owned);
  return {};
}

std::shared_ptr<BlockNode> BlockGraph::FindNode(const std::string& name) const {
  for (const auto& weak : nodes_) {
    std::shared_ptr<BlockNode> node = weak.lock();
    if (node != nullptr && node->name() == name) return node;
  }
  return nullptr;
}

std::vector<std::shared_ptr<BlockNode>> BlockGraph::Nodes() const {
  std::vector<std::shared_ptr<BlockNode>> nodes;
  for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) {
    if (auto node = it->lock()) nodes.push_back(std::move(node));
  }
  return nodes;
}

Status BlockGraph::AddDrive(const DriveSpec& spec) {
  const auto has_id = [&](const auto& disk) {
    return disk->name_ == spec.id || (!spec.id_made_up && disk->id_ == spec.id);
  };
  if (std::any_of(drives_.begin(), drives_.end(), has_id)) {
    return Fail(fmt::format("Duplicate ID '{}' for drive", spec.id));
  }
  if (FindNode(spec.id) != nullptr) {
    return Fail(fmt::format("Device name '{}' conflicts with an existing node name", spec.id));
  }
  DAVIT_TRY(CheckThrottle(spec.throttle));
  std::shared_ptr<BlockNode> node;
  if (!spec.empty) {
    DAVIT_ASSIGN(node, Make(spec.node));
  }
  std::shared_ptr<BlockBackend> disk(new BlockBackend(*this, spec.id, std::move(node)));
  if (spec.id_made_up) disk->id_.clear();
  disks_.push_back(disk.get());
  disk->last_medium_.read_only = spec.node.read_only;
  if (!spec.empty) DAVIT_TRY(disk->node_->SetUser(disk.get(), disk->User()));
  disk->given_ = {spec.rerror, spec.werror, spec.write_cache};
  disk->write_cache_ = spec.write_cache;
  if (spec.throttle.enabled()) DAVIT_TRY(SetThrottle(*disk, spec.throttle_group, spec.throttle));
  drives_.push_back(std::move(disk));
  return {};
}

Status BlockGraph::RemoveDrive(const std::string& id) {
  BlockBackend* const disk = FindDrive(id);
  if (disk == nullptr && FindNode(id) != nullptr) return RemoveNode(id);
  if (disk == nullptr) {
    return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", id));
  }
  if (disk->attached()) {
    disk->Disown();
  } else {
    std::erase_if(drives_, [disk](const auto& drive) { return drive.get() == disk; });
  }
  return {};
}

std::vector<std::shared_ptr<BlockBackend>> BlockGraph::TakeDrivesOf(
    const std::vector<std::string>& qdevs) {
  std::vector<std::shared_ptr<BlockBackend>> taken;
  for (const std::shared_ptr<BlockBackend>& drive : drives_) {
    const bool of_it = std::find(qdevs.begin(), qdevs.end(), drive->qdev()) != qdevs.end();
    if (drive->attached() && of_it) taken.push_back(drive);
  }
  std::erase_if(drives_, [&](const auto& drive) {
    return std::find(taken.begin(), taken.end(), drive) != taken.end();
  });
  return taken;
}

Result<std::shared_ptr<BlockBackend>> BlockGraph::Attach(const std::string& drive,
                                                         AttachOptions options) {
  for (const std::shared_ptr<BlockBackend>& disk : drives_) {
    if (drive.empty() || disk->name() != drive) continue;
    if (disk->attached()) {
      return Fail(fmt::format("Drive '{}' is already in use by another device", drive));
    }
    DAVIT_TRY(disk->Attach(std::move(options)));
    return std::shared_ptr<BlockBackend>(disk.get(),
                                         [disk](BlockBackend* lent) { lent->Detach(); });
  }
  std::shared_ptr<BlockNode> node = FindNode(drive);
  if (node == nullptr) return Fail(fmt::format("can't find value '{}'", drive));
  std::shared_ptr<BlockBackend> disk(new BlockBackend(*this, "", std::move(node)));
  disks_.push_back(disk.get());
  DAVIT_TRY(disk->Attach(std::move(options)));
  return disk;
}

std::shared_ptr<BlockBackend> BlockGraph::AttachEmpty(AttachOptions options) {
  std::shared_ptr<BlockBackend> disk(new BlockBackend(*this, "", nullptr));
  disks_.push_back(disk.get());
  options.needs_medium = false;
  (void)disk->Attach(std::move(options));  // what can fail is in the medium
  return disk;
}

std::vector<BlockBackend*> BlockGraph::Disks() const { return disks_; }

bool BlockGraph::HasDisk(const BlockNode& node) const {
  return std::any_of(disks_.begin(), disks_.end(),
                     [&](const BlockBackend* disk) { return disk->node().get() == &node; });
}

BlockBackend* BlockGraph::FindDrive(const std::string& name) const {
  const auto it = std::find_if(disks_.begin(), disks_.end(), [&](const BlockBackend* disk) {
    return !name.empty() && disk->name() == name;
  });
  return it == disks_.end() ? nullptr : *it;
}

std::vector<BlockBackend*> BlockGraph::DisksOn(const std::vector<const BlockNode*>& nodes) const {
  std::vector<BlockBackend*> disks;
  for (BlockBackend* disk : disks_) {
    if (disk->node() == nullptr) continue;
    const auto on = [disk](const BlockNode* node) { return StandsOn(*disk->node(), *node); };
    if (std::any_of(nodes.begin(), nodes.end(), on)) disks.push_back(disk);
  }
  return disks;
}

void BlockGraph::WhileQuiet(const std::vector<BlockBackend*>& disks,
                            const std::function<void()>& fn) {
  std::set<DiskOwner*> owners;  // of several disks each
  for (const BlockBackend* disk : disks) {
    if (disk->owner() != nullptr) owners.insert(disk->owner());
  }
  std::function<void()> run = fn;
  for (DiskOwner* const owner : owners) {
    run = [owner, inner = std::move(run)] { owner->WhileQuiet(inner); };
  }
  run();
}

void BlockGraph::Forget(BlockBackend* disk) { std::erase(disks_, disk); }

Status BlockGraph::Resize(BlockNode& node, uint64_t bytes) {
  if (bytes > INT64_MAX) return Fail("Parameter 'size' expects a >0 size");
  const int key = 0;
  if (!node.read_only()) {
    DAVIT_TRY(node.SetUser(&key, {"block_resize", "root", kPermResize, kPermAll}));
  }
  const std::vector<BlockBackend*> disks = DisksOn({node.Target().leaf});
  Status status;
  // A write that the kernel has already would make a file that shrinks longer again.
  WhileQuiet(disks, [&] { status = node.Resize(bytes); });
  node.RemoveUser(&key);
  DAVIT_TRY(std::move(status));
  for (BlockBackend* disk : disks) disk->NoteResized();
  return {};
}

std::shared_ptr<ThrottleGroup> BlockGraph::FindGroup(const std::string& name) const {
  const auto it = groups_.find(name);
  return it == groups_.end() ? nullptr : it->second.lock();
}

Result<std::shared_ptr<ThrottleGroup>> BlockGraph::MakeGroup(const std::string& name,
                                                             const ThrottleConfig& config) {
  DAVIT_TRY(CheckThrottle(config));
  if (FindGroup(name) != nullptr) return Fail("A group with this name already exists");
  auto group = std::make_shared<ThrottleGroup>(name);
  group->SetConfig(config, {});
  std::erase_if(groups_, [](const auto& row) { return row.second.expired(); });
  groups_[name] = group;
  return group;
}

Status BlockGraph::SetLimits(ThrottleGroup& group, const ThrottleConfig& config) {
  DAVIT_TRY(CheckThrottle(config));
  io::Clock::time_point now{};
  for (const BlockBackend* disk : disks_) now = std::max(now, disk->now());
  group.SetConfig(config, now);
  for (BlockBackend* disk : disks_) disk->LimitsChanged();
  return {};
}

Status BlockGraph::SetThrottle(BlockBackend& disk, const std::string& name,
                               const ThrottleConfig& config) {
  if (disk.node() == nullptr) return Fail("Device has no medium");
  DAVIT_TRY(CheckThrottle(config));
  if (!config.enabled()) {
    disk.SetThrottle(nullptr, config);
    return {};
  }
  std::string key = name;
  if (key.empty()) {
    // Limits change, the group stays.
    const std::shared_ptr<ThrottleGroup> have = disk.throttle();
    key = have != nullptr ? have->name() : disk.name().empty() ? disk.qdev() : disk.name();
  }
  std::shared_ptr<ThrottleGroup> group = FindGroup(key);
  if (group == nullptr) {
    group = std::make_shared<ThrottleGroup>(key);
    groups_[key] = group;
  }
  disk.SetThrottle(std::move(group), config);
  std::erase_if(groups_, [](const auto& row) { return row.second.expired(); });
  return {};
}

void BlockGraph::ResetIoStatus() {
  for (BlockBackend* disk : disks_) disk->ResetIoStatus();
}

}  // namespace davit::backend
