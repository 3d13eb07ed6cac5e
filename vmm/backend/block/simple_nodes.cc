// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See simple_nodes.h.
#include "vmm/backend/block/simple_nodes.h"

#include <fmt/format.h>

#include <algorithm>

#include "vmm/base/units.h"

namespace davit::backend {
namespace {

constexpr uint64_t kSector = 512;

// A string as JSON wants it.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// A node below as a member of the options of the one above.
std::string FileMember(const BlockNode& child) {
  const std::string inner = child.filename();
  if (inner.starts_with("json:")) return "\"file\": " + inner.substr(5);
  std::string text = fmt::format("\"file\": {{\"driver\": \"{}\"", BlockDriverName(child.driver()));
  if (!inner.starts_with("null-co:")) text += ", \"filename\": " + Quoted(inner);
  return text + "}";
}

Status CheckWindow(const BlockNodeSpec& spec, uint64_t have) {
  if (spec.offset > have) {
    return Fail(fmt::format("Offset ({}) cannot be greater than size of the containing file ({})",
                            spec.offset, have));
  }
  if (spec.offset % kSector != 0) return Fail("Specified offset is not multiple of 512");
  if (spec.size && have - spec.offset < *spec.size) {
    return Fail(
        fmt::format("The sum of offset ({}) and size ({}) has to be smaller or equal to "
                    "the  actual size of the containing file ({})",
                    spec.offset, *spec.size, have));
  }
  if (spec.size && *spec.size % kSector != 0) {
    return Fail("Specified size is not multiple of 512");
  }
  return {};
}

}  // namespace

// Other options, and another child or group.
class UpperChange final : public NodeChange {
 public:
  UpperChange(UpperNode& node, const BlockNodeSpec& spec, std::shared_ptr<BlockNode> child,
              std::shared_ptr<ThrottleGroup>* group, std::shared_ptr<ThrottleGroup> to)
      : NodeChange(spec.read_only),
        node_(node),
        spec_(spec),
        child_(std::move(child)),
        group_(group),
        to_(std::move(to)) {}
  void Do() override {
    node_.set_spec(spec_);
    node_.set_read_only(read_only());
    node_.child_.swap(child_);
    if (group_ != nullptr) group_->swap(to_);
  }

 private:
  UpperNode& node_;
  const BlockNodeSpec spec_;
  std::shared_ptr<BlockNode> child_;
  std::shared_ptr<ThrottleGroup>* const group_;  // of the node; may be null
  std::shared_ptr<ThrottleGroup> to_;
};

BlockTarget UpperNode::Target() {
  BlockTarget target = child_->Target();
  target.discard = target.discard && discard();
  target.no_flush = target.no_flush || no_flush();
  if (detect_zeroes() != DetectZeroes::kOff) target.detect_zeroes = detect_zeroes();
  return target;
}

BlockNode::Entry UpperNode::UseOf(const BlockNode& child, const BlockNodeSpec& spec,
                                  const std::vector<Entry>& users) const {
  const auto [used, shared] = Totals(users);
  return {key(), Pass(child, spec, used, shared)};
}

Status UpperNode::ApplyPermissions(BlockPermissions used, BlockPermissions shared) {
  return child_->SetUser(key(), Pass(*child_, spec(), used, shared));
}

BlockNodeUser UpperNode::Pass(const BlockNode& child, const BlockNodeSpec& spec,
                              BlockPermissions used, BlockPermissions shared) const {
  // A window does not let the file below shrink away from under it.
  if ((spec.offset != 0 || spec.size) && used != 0) shared &= ~kPermResize;
  if (child.force_share()) shared = kPermAll;
  return {fmt::format("node '{}'", name()), "file", used, shared};
}

Result<std::shared_ptr<RawNode>> RawNode::Create(const BlockNodeSpec& spec, std::string name,
                                                 std::shared_ptr<BlockNode> child) {
  DAVIT_TRY(CheckSpec(spec));
  DAVIT_TRY(CheckWindow(spec, child->length()));
  std::shared_ptr<RawNode> node(new RawNode(spec, std::move(name), std::move(child)));
  DAVIT_TRY(node->ApplyPermissions(0, kPermAll));
  return node;
}

Result<std::unique_ptr<NodeChange>> RawNode::PrepareReopen(const BlockNodeSpec& spec,
                                                           std::shared_ptr<BlockNode> child,
                                                           std::shared_ptr<ThrottleGroup>) {
  DAVIT_TRY(CheckSpec(spec));
  DAVIT_TRY(CheckWindow(spec, child->length()));
  return std::make_unique<UpperChange>(*this, spec, std::move(child), nullptr, nullptr);
}

uint64_t RawNode::length() const {
  const uint64_t have = below().length();
  const uint64_t left = have > spec().offset ? have - spec().offset : 0;
  return spec().size ? std::min(*spec().size, left) : left;
}

std::string RawNode::filename() const {
  if (spec().offset == 0 && !spec().size) return below().filename();
  std::string text = "json:{";
  if (spec().offset != 0) text += fmt::format("\"offset\": {}, ", spec().offset);
  text += "\"driver\": \"raw\", ";
  if (spec().size) text += fmt::format("\"size\": {}, ", *spec().size);
  return text + FileMember(below()) + "}";
}

BlockTarget RawNode::Target() {
  BlockTarget target = UpperNode::Target();
  target.offset += spec().offset;
  return target;
}

Status RawNode::Resize(uint64_t bytes) {
  if (read_only()) return Fail("Image is read-only");
  if (spec().size) return Fail("Cannot resize fixed-size raw disks");
  if (bytes > INT64_MAX - spec().offset) return Fail("Disk size too large for the chosen offset");
  return below().Resize(bytes + spec().offset);
}

Result<std::shared_ptr<ThrottleNode>> ThrottleNode::Create(const BlockNodeSpec& spec,
                                                           std::string name,
                                                           std::shared_ptr<BlockNode> child,
                                                           std::shared_ptr<ThrottleGroup> group) {
  DAVIT_TRY(CheckSpec(spec));
  if (child->Target().throttle != nullptr) {
    return Fail(fmt::format("Node '{}' is throttled already", child->name()));
  }
  std::shared_ptr<ThrottleNode> node(
      new ThrottleNode(spec, std::move(name), std::move(child), std::move(group)));
  DAVIT_TRY(node->ApplyPermissions(0, kPermAll));
  return node;
}

Result<std::unique_ptr<NodeChange>> ThrottleNode::PrepareReopen(
    const BlockNodeSpec& spec, std::shared_ptr<BlockNode> child,
    std::shared_ptr<ThrottleGroup> group) {
  DAVIT_TRY(CheckSpec(spec));
  return std::make_unique<UpperChange>(*this, spec, std::move(child), &group_, std::move(group));
}

std::string ThrottleNode::filename() const {
  return fmt::format("json:{{\"throttle-group\": {}, \"driver\": \"throttle\", {}}}",
                     Quoted(group_->name()), FileMember(below()));
}

BlockTarget ThrottleNode::Target() {
  BlockTarget target = UpperNode::Target();
  target.throttle = group_.get();
  return target;
}

NullNode::NullNode(const BlockNodeSpec& spec, std::string name)
    : BlockNode(spec, std::move(name), spec.read_only),
      size_(spec.null_size),
      length_(AlignUp(spec.null_size, kSector)),
      latency_ns_(spec.latency_ns),
      read_zeroes_(spec.read_zeroes) {}

Result<std::shared_ptr<NullNode>> NullNode::Create(const BlockNodeSpec& spec, std::string name) {
  DAVIT_TRY(CheckSpec(spec));
  return std::shared_ptr<NullNode>(new NullNode(spec, std::move(name)));
}

std::string NullNode::filename() const {
  if (size_ == kGiB && !read_zeroes_) return "null-co://";
  std::string text = "json:{";
  if (read_zeroes_) text += "\"read-zeroes\": true, ";
  return text + fmt::format("\"driver\": \"null-co\", \"size\": {}}}", size_);
}

Status NullNode::Resize(uint64_t) {
  if (read_only()) return Fail("Image is read-only");
  return Fail("Image format driver does not support resize");
}

}  // namespace davit::backend
