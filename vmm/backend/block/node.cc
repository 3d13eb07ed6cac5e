// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See node.h.
#include "vmm/backend/block/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace davit::backend {
namespace {

Error ConflictError(const std::string& node, const BlockNodeUser& requires_it,
                    const BlockNodeUser& refuses_it) {
  const BlockPermissions both = requires_it.used & ~refuses_it.shared & kPermAll;
  return {ErrorCode::kGeneric,
          fmt::format("Permission conflict on node '{0}': permissions '{1}' are both required by "
                      "{2} (uses node '{0}' as '{3}' child) and unshared by {4} (uses node '{0}' "
                      "as '{5}' child).",
                      node, PermissionNames(both), requires_it.who, requires_it.child,
                      refuses_it.who, refuses_it.child),
          {}};
}

// Of a node whose options are all there is of it.
class OptionsChange final : public NodeChange {
 public:
  OptionsChange(std::function<void()> change, bool read_only)
      : NodeChange(read_only), change_(std::move(change)) {}
  void Do() override { change_(); }

 private:
  const std::function<void()> change_;
};

}  // namespace

BlockNodeSpec Inherit(const BlockNodeSpec& parent, BlockNodeSpec child) {
  if (!child.direct) child.direct = parent.direct;
  if (!child.no_flush) child.no_flush = parent.no_flush;
  if (!child.discard) child.discard = DiscardMode::kUnmap;  // the upper one decides
  child.read_only |= parent.read_only;
  child.auto_read_only |= parent.auto_read_only;
  child.force_share |= parent.force_share;
  return child;
}

bool StandsOn(const BlockNode& node, const BlockNode& below) {
  if (&node == &below) return true;
  const std::shared_ptr<BlockNode> child = node.child();
  return child != nullptr && StandsOn(*child, below);
}

std::string_view BlockDriverName(BlockDriver driver) {
  switch (driver) {
    case BlockDriver::kFile:
      return "file";
    case BlockDriver::kHostDevice:
      return "host_device";
    case BlockDriver::kRaw:
      return "raw";
    case BlockDriver::kThrottle:
      return "throttle";
    default:
      return "null-co";
  }
}

BlockNode::BlockNode(const BlockNodeSpec& spec, std::string name, bool read_only)
    : name_(std::move(name)), spec_(spec), read_only_(read_only) {}

Status BlockNode::CheckSpec(const BlockNodeSpec& spec) {
  if (spec.detect_zeroes == DetectZeroes::kUnmap &&
      spec.discard.value_or(DiscardMode::kIgnore) != DiscardMode::kUnmap) {
    return Fail(
        "setting detect-zeroes to unmap is not allowed without setting discard operation to "
        "unmap");
  }
  if (spec.force_share && !spec.read_only) {
    return Fail("force-share=on can only be used with read-only images");
  }
  return {};
}

void BlockNode::NoteWrite(uint64_t end) {
  uint64_t have = wr_highest_.load(std::memory_order_relaxed);
  while (have < end && !wr_highest_.compare_exchange_weak(have, end, std::memory_order_relaxed)) {
  }
}

Status BlockNode::CheckConflict(const Entry& entry, const std::vector<Entry>& users) const {
  for (const Entry& other : users) {
    if (other.key == entry.key) continue;
    if (other.user.used & ~entry.user.shared) {
      return Fail(ConflictError(name_, other.user, entry.user));
    }
    if (entry.user.used & ~other.user.shared) {
      return Fail(ConflictError(name_, entry.user, other.user));
    }
  }
  return {};
}

std::pair<BlockPermissions, BlockPermissions> BlockNode::Totals(const std::vector<Entry>& users) {
  BlockPermissions used = 0;
  BlockPermissions shared = kPermAll;
  for (const Entry& entry : users) {
    used |= entry.user.used;
    shared &= entry.user.shared;
  }
  return {used, shared};
}

Status BlockNode::Apply() {
  const auto [used, shared] = Totals(users_);
  return ApplyPermissions(used, shared);
}

Status BlockNode::CheckUsers(const std::vector<Entry>& users, bool read_only_then) const {
  for (const Entry& entry : users) DAVIT_TRY(CheckConflict(entry, users));
  if (!read_only_then || !(Totals(users).first & kPermWrite)) return {};
  if (read_only_) return Fail("Block node is read-only");
  return Fail(fmt::format("Read-only block node '{}' cannot support read-write users", name_));
}

Status BlockNode::LockFor(const std::vector<Entry>& users) {
  const auto [used, shared] = Totals(users_);
  const auto [used_then, shared_then] = Totals(users);
  if (child() != nullptr || (used == used_then && shared == shared_then)) return {};
  return ApplyPermissions(used | used_then, shared & shared_then);
}

void BlockNode::SetUsers(std::vector<Entry> users) {
  users_ = std::move(users);
  if (child() == nullptr) (void)Apply();  // less is never refused
}

Status BlockNode::SetUser(const void* key, BlockNodeUser user) {
  Entry entry{key, std::move(user)};
  DAVIT_TRY(CheckConflict(entry, users_));
  if (read_only_ && (entry.user.used & kPermWrite)) return Fail("Block node is read-only");
  const std::vector<Entry> before = users_;
  std::erase_if(users_, [key](const Entry& other) { return other.key == key; });
  users_.insert(users_.begin(), std::move(entry));
  Status status = Apply();
  if (!status) users_ = before;
  return status;
}

Result<std::unique_ptr<NodeChange>> BlockNode::PrepareReopen(const BlockNodeSpec& spec,
                                                             std::shared_ptr<BlockNode>,
                                                             std::shared_ptr<ThrottleGroup>) {
  DAVIT_TRY(CheckSpec(spec));
  return std::make_unique<OptionsChange>(
      [this, spec] {
        spec_ = spec;
        read_only_ = spec.read_only;
      },
      spec.read_only);
}

void BlockNode::RemoveUser(const void* key) {
  std::erase_if(users_, [key](const Entry& entry) { return entry.key == key; });
  (void)Apply();  // less is never refused
}

}  // namespace davit::backend
