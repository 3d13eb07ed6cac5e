// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A node of the block graph: something that has bytes and a name. Leaves (file, host_device,
// null-co) do the I/O; raw and throttle stand above another node. Users of a node (devices, nodes
// above) say which permissions they use and which they let others have; two users that exclude each
// other are refused, within this process by the graph and between processes by the leaf's locks.
//
// Owner: control thread, but for what is marked. Nodes are shared by their users.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vmm/backend/block/image_locks.h"
#include "vmm/backend/block/spec.h"
#include "vmm/base/error.h"

namespace davit::backend {

class BlockNode;
class FileNode;
class NullNode;
class ThrottleGroup;

// Where a request on a node ends up. Any thread; the node keeps it valid.
struct BlockTarget {
  FileNode* file = nullptr;  // one of the two
  NullNode* null = nullptr;
  BlockNode* leaf = nullptr;
  uint64_t offset = 0;    // to add to a request's
  bool discard = true;    // every node on the way lets discards through
  bool no_flush = false;  // a node on the way has cache.no-flush
  DetectZeroes detect_zeroes = DetectZeroes::kOff;
  ThrottleGroup* throttle = nullptr;  // whose limits hold on the way; null: none
};

struct BlockNodeUser {
  std::string who;    // "block device 'x0'", "node 'r0'": for errors
  std::string child;  // "root", "file": the role the node has for its user
  BlockPermissions used = 0;
  BlockPermissions shared = kPermAll;
};

// What blockdev-reopen makes of a node (reopen.cc), all of it prepared so that it can be done or
// dropped. Dropped: the node is as it was. Done: what the node no longer needs goes with this.
class NodeChange {
 public:
  virtual ~NodeChange() = default;
  bool read_only() const { return read_only_; }  // then
  // When the users of the node are those that it will have. Error: others use the image.
  virtual Status Secure() { return {}; }
  // Nothing of the node is under way, and the devices above are locked.
  virtual void Do() = 0;

 protected:
  explicit NodeChange(bool read_only) : read_only_(read_only) {}

 private:
  const bool read_only_;
};

class BlockNode {
 public:
  virtual ~BlockNode() = default;
  BlockNode(const BlockNode&) = delete;
  BlockNode& operator=(const BlockNode&) = delete;

  const std::string& name() const { return name_; }
  BlockDriver driver() const { return spec_.driver; }
  // As it was asked for, with what it inherits.
  const BlockNodeSpec& spec() const { return spec_; }
  bool read_only() const { return read_only_; }
  bool direct() const { return spec_.direct.value_or(false); }
  bool no_flush() const { return spec_.no_flush.value_or(false); }
  bool discard() const {
    return spec_.discard.value_or(DiscardMode::kIgnore) == DiscardMode::kUnmap;
  }
  DetectZeroes detect_zeroes() const { return spec_.detect_zeroes; }
  // Highest end of a write so far. Any thread.
  uint64_t wr_highest_offset() const { return wr_highest_.load(std::memory_order_relaxed); }
  void NoteWrite(uint64_t end);

  // In bytes, a multiple of 512 (the last sector of a file may be partly behind its end: zeros).
  // Any thread.
  virtual uint64_t length() const = 0;
  // For people: a path, "null-co://", or "json:{...}".
  virtual std::string filename() const = 0;
  virtual uint64_t actual_size() const = 0;  // bytes that storage spends on it
  virtual std::shared_ptr<BlockNode> child() const { return nullptr; }
  virtual BlockTarget Target() = 0;
  // Error: QEMU's words ("Cannot grow device files").
  virtual Status Resize(uint64_t bytes) = 0;
  // Some image formats have a dirty flag; QEMU shows it false for files and devices.
  virtual bool has_dirty_flag() const = 0;

  // Prepares other options. child, group: of raw and throttle. Error: QEMU's words.
  virtual Result<std::unique_ptr<NodeChange>> PrepareReopen(const BlockNodeSpec& spec,
                                                            std::shared_ptr<BlockNode> child,
                                                            std::shared_ptr<ThrottleGroup> group);
  // Other options for a child that was given inline.
  void set_inline(std::shared_ptr<const BlockNodeSpec> file) { spec_.file = std::move(file); }

  // Adds a user or changes what it uses. `key` tells users apart. Error: it conflicts with another,
  // here or in another process; nothing has changed.
  Status SetUser(const void* key, BlockNodeUser user);
  void RemoveUser(const void* key);
  bool in_use() const { return !users_.empty(); }
  bool force_share() const { return spec_.force_share; }

  // --- blockdev-reopen, which gives all nodes the users they will have at once ---
  struct Entry {
    const void* key;
    BlockNodeUser user;
  };
  const std::vector<Entry>& users() const { return users_; }
  // Error: two of those exclude each other, or one writes and the node is read-only then.
  Status CheckUsers(const std::vector<Entry>& users, bool read_only_then) const;
  // A leaf keeps other processes away for the users that it has and for those. Error: it cannot.
  Status LockFor(const std::vector<Entry>& users);
  // Follows CheckUsers() and LockFor(). Does not pass on to the node below.
  void SetUsers(std::vector<Entry> users);

 protected:
  // Checks what does not depend on the driver.
  static Status CheckSpec(const BlockNodeSpec& spec);
  BlockNode(const BlockNodeSpec& spec, std::string name, bool read_only);
  void set_spec(const BlockNodeSpec& spec) { spec_ = spec; }
  void set_read_only(bool on) { read_only_ = on; }
  // What all users together use, and let others have.
  static std::pair<BlockPermissions, BlockPermissions> Totals(const std::vector<Entry>& users);
  virtual Status ApplyPermissions(BlockPermissions used, BlockPermissions shared) = 0;

 private:
  Status CheckConflict(const Entry& entry, const std::vector<Entry>& users) const;
  Status Apply();

  const std::string name_;
  BlockNodeSpec spec_;
  bool read_only_;
  std::atomic<uint64_t> wr_highest_{0};
  std::vector<Entry> users_;  // newest first
};

// Whether requests to the node reach `below`, or it is that.
bool StandsOn(const BlockNode& node, const BlockNode& below);

}  // namespace davit::backend
