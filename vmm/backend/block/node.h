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

class BlockNode {
 public:
  virtual ~BlockNode() = default;
  BlockNode(const BlockNode&) = delete;
  BlockNode& operator=(const BlockNode&) = delete;

  const std::string& name() const { return name_; }
  BlockDriver driver() const { return driver_; }
  bool read_only() const { return read_only_; }
  bool direct() const { return direct_; }
  bool no_flush() const { return no_flush_; }
  bool discard() const { return discard_; }
  DetectZeroes detect_zeroes() const { return detect_zeroes_; }
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

  // Adds a user or changes what it uses. `key` tells users apart. Error: it conflicts with another,
  // here or in another process; nothing has changed.
  Status SetUser(const void* key, BlockNodeUser user);
  void RemoveUser(const void* key);
  bool in_use() const { return !users_.empty(); }
  bool force_share() const { return force_share_; }

 protected:
  // Checks what does not depend on the driver.
  static Status CheckSpec(const BlockNodeSpec& spec);
  BlockNode(const BlockNodeSpec& spec, std::string name, bool read_only);
  // What all users together use, and let others have.
  virtual Status ApplyPermissions(BlockPermissions used, BlockPermissions shared) = 0;

 private:
  struct Entry {
    const void* key;
    BlockNodeUser user;
  };
  Status CheckConflict(const Entry& entry) const;
  Status Apply();

  const std::string name_;
  const BlockDriver driver_;
  const bool read_only_, force_share_, direct_, no_flush_, discard_;
  const DetectZeroes detect_zeroes_;
  std::atomic<uint64_t> wr_highest_{0};
  std::vector<Entry> users_;  // newest first
};

}  // namespace davit::backend
