// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The drivers raw (a window on another node, or all of it), throttle (the same bytes, within the
// limits of a group) and null-co (a disk of nothing, for benchmarks and tests). Owner: control
// thread; Target() and length() on any thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vmm/backend/block/node.h"
#include "vmm/backend/block/throttle.h"

namespace davit::backend {

// A node that stands on another.
class UpperNode : public BlockNode {
 public:
  ~UpperNode() override { child_->RemoveUser(key()); }
  uint64_t actual_size() const override { return child_->actual_size(); }
  std::shared_ptr<BlockNode> child() const override { return child_; }
  BlockTarget Target() override;
  bool has_dirty_flag() const override { return child_->has_dirty_flag(); }
  // As a user of what is, or will be, the child: with those options and users.
  Entry UseOf(const BlockNode& child, const BlockNodeSpec& spec,
              const std::vector<Entry>& users) const;

 protected:
  UpperNode(const BlockNodeSpec& spec, std::string name, std::shared_ptr<BlockNode> child)
      : BlockNode(spec, std::move(name), spec.read_only), child_(std::move(child)) {}
  Status ApplyPermissions(BlockPermissions used, BlockPermissions shared) override;
  const BlockNode& below() const { return *child_; }
  BlockNode& below() { return *child_; }

 private:
  friend class UpperChange;
  const BlockNode* key() const { return this; }
  BlockNodeUser Pass(const BlockNode& child, const BlockNodeSpec& spec, BlockPermissions used,
                     BlockPermissions shared) const;

  std::shared_ptr<BlockNode> child_;  // changes while the disks above are locked
};

class RawNode final : public UpperNode {
 public:
  static Result<std::shared_ptr<RawNode>> Create(const BlockNodeSpec& spec, std::string name,
                                                 std::shared_ptr<BlockNode> child);

  uint64_t length() const override;
  std::string filename() const override;
  BlockTarget Target() override;
  Status Resize(uint64_t bytes) override;
  Result<std::unique_ptr<NodeChange>> PrepareReopen(const BlockNodeSpec& spec,
                                                    std::shared_ptr<BlockNode> child,
                                                    std::shared_ptr<ThrottleGroup> group) override;

 private:
  using UpperNode::UpperNode;
};

class ThrottleNode final : public UpperNode {
 public:
  // Error: the child has limits of another throttle node already.
  static Result<std::shared_ptr<ThrottleNode>> Create(const BlockNodeSpec& spec, std::string name,
                                                      std::shared_ptr<BlockNode> child,
                                                      std::shared_ptr<ThrottleGroup> group);

  uint64_t length() const override { return below().length(); }
  std::string filename() const override;
  BlockTarget Target() override;
  Status Resize(uint64_t bytes) override { return below().Resize(bytes); }
  Result<std::unique_ptr<NodeChange>> PrepareReopen(const BlockNodeSpec& spec,
                                                    std::shared_ptr<BlockNode> child,
                                                    std::shared_ptr<ThrottleGroup> group) override;

 private:
  ThrottleNode(const BlockNodeSpec& spec, std::string name, std::shared_ptr<BlockNode> child,
               std::shared_ptr<ThrottleGroup> group)
      : UpperNode(spec, std::move(name), std::move(child)), group_(std::move(group)) {}

  std::shared_ptr<ThrottleGroup> group_;
};

class NullNode final : public BlockNode {
 public:
  static Result<std::shared_ptr<NullNode>> Create(const BlockNodeSpec& spec, std::string name);

  uint64_t length() const override { return length_; }
  std::string filename() const override;
  uint64_t actual_size() const override { return 0; }
  BlockTarget Target() override { return {.null = this, .leaf = this, .discard = discard()}; }
  Status Resize(uint64_t) override;
  bool has_dirty_flag() const override { return false; }

  uint64_t latency_ns() const { return latency_ns_; }
  bool read_zeroes() const { return read_zeroes_; }

 private:
  NullNode(const BlockNodeSpec& spec, std::string name);
  Status ApplyPermissions(BlockPermissions, BlockPermissions) override { return {}; }

  const uint64_t size_;  // as given
  const uint64_t length_;
  const uint64_t latency_ns_;
  const bool read_zeroes_;
};

}  // namespace davit::backend
