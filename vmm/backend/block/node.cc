// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See node.h.
#include "vmm/backend/block/node.h"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

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
    : name_(std::move(name)),
      driver_(spec.driver),
      read_only_(read_only),
      force_share_(spec.force_share),
      direct_(spec.direct.value_or(false)),
      no_flush_(spec.no_flush.value_or(false)),
      discard_(spec.discard.value_or(DiscardMode::kIgnore) == DiscardMode::kUnmap),
      detect_zeroes_(spec.detect_zeroes) {}

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

Status BlockNode::CheckConflict(const Entry& entry) const {
  for (const Entry& other : users_) {
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

Status BlockNode::Apply() {
  BlockPermissions used = 0;
  BlockPermissions shared = kPermAll;
  for (const Entry& entry : users_) {
    used |= entry.user.used;
    shared &= entry.user.shared;
  }
  return ApplyPermissions(used, shared);
}

Status BlockNode::SetUser(const void* key, BlockNodeUser user) {
  Entry entry{key, std::move(user)};
  DAVIT_TRY(CheckConflict(entry));
  if (read_only_ && (entry.user.used & kPermWrite)) return Fail("Block node is read-only");
  const std::vector<Entry> before = users_;
  std::erase_if(users_, [key](const Entry& other) { return other.key == key; });
  users_.insert(users_.begin(), std::move(entry));
  Status status = Apply();
  if (!status) users_ = before;
  return status;
}

void BlockNode::RemoveUser(const void* key) {
  std::erase_if(users_, [key](const Entry& entry) { return entry.key == key; });
  (void)Apply();  // less is never refused
}

}  // namespace davit::backend
