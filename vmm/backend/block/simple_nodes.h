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

#include "vmm/backend/block/node.h"
#include "vmm/backend/block/throttle.h"

namespace davit::backend {

class RawNode final : public BlockNode {
 public:
  static Result<std::shared_ptr<RawNode>> Create(const BlockNodeSpec& spec, std::string name,
                                                 std::shared_ptr<BlockNode> child);
  ~RawNode() override;

  uint64_t length() const override;
  std::string filename() const override;
  uint64_t actual_size() const override { return child_->actual_size(); }
  std::shared_ptr<BlockNode> child() const override { return child_; }
  BlockTarget Target() override;
  Status Resize(uint64_t bytes) override;
  bool has_dirty_flag() const override { return child_->has_dirty_flag(); }

 private:
  RawNode(const BlockNodeSpec& spec, std::string name, std::shared_ptr<BlockNode> child)
      : BlockNode(spec, std::move(name), spec.read_only),
        child_(std::move(child)),
        offset_(spec.offset),
        size_(spec.size) {}
  Status ApplyPermissions(BlockPermissions used, BlockPermissions shared) override;

  const std::shared_ptr<BlockNode> child_;
  const uint64_t offset_;
  const std::optional<uint64_t> size_;
};

class ThrottleNode final : public BlockNode {
 public:
  // Error: the child has limits of another throttle node already.
  static Result<std::shared_ptr<ThrottleNode>> Create(const BlockNodeSpec& spec, std::string name,
                                                      std::shared_ptr<BlockNode> child,
                                                      std::shared_ptr<ThrottleGroup> group);
  ~ThrottleNode() override;

  uint64_t length() const override { return child_->length(); }
  std::string filename() const override;
  uint64_t actual_size() const override { return child_->actual_size(); }
  std::shared_ptr<BlockNode> child() const override { return child_; }
  BlockTarget Target() override;
  Status Resize(uint64_t bytes) override { return child_->Resize(bytes); }
  bool has_dirty_flag() const override { return child_->has_dirty_flag(); }

 private:
  ThrottleNode(const BlockNodeSpec& spec, std::string name, std::shared_ptr<BlockNode> child,
               std::shared_ptr<ThrottleGroup> group)
      : BlockNode(spec, std::move(name), spec.read_only),
        child_(std::move(child)),
        group_(std::move(group)) {}
  Status ApplyPermissions(BlockPermissions used, BlockPermissions shared) override;

  const std::shared_ptr<BlockNode> child_;
  const std::shared_ptr<ThrottleGroup> group_;
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
