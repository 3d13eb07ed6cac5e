// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// blockdev-reopen: see graph.h. First all names and options are looked at; then, with the disks
// above quiet, everything that can fail is prepared (descriptors opened, the users that each node
// will have looked at, locks taken for them); then, with the devices locked, the nodes change at
// once. Until there each step can be undone.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "vmm/backend/block/file_node.h"
#include "vmm/backend/block/graph.h"
#include "vmm/backend/block/simple_nodes.h"

namespace davit::backend {
namespace {

// Those that a node keeps for life, where they are not the default.
std::map<std::string, std::string> FixedOptions(const BlockNodeSpec& spec) {
  std::map<std::string, std::string> options;
  if (spec.force_share) options["force-share"] = "on";
  switch (spec.driver) {
    case BlockDriver::kFile:
    case BlockDriver::kHostDevice:
      options["filename"] = spec.filename;
      if (spec.aio != AioMode::kAuto) options["aio"] = std::to_string(static_cast<int>(spec.aio));
      if (spec.locking != ImageLocking::kAuto) {
        options["locking"] = std::to_string(static_cast<int>(spec.locking));
      }
      break;
    case BlockDriver::kNullCo:
      if (spec.null_size != BlockNodeSpec().null_size) {
        options["size"] = std::to_string(spec.null_size);
      }
      if (spec.latency_ns != 0) options["latency-ns"] = std::to_string(spec.latency_ns);
      if (spec.read_zeroes) options["read-zeroes"] = "on";
      break;
    default:
      break;
  }
  return options;
}

Status CheckFixed(const BlockNodeSpec& from, const BlockNodeSpec& to) {
  const auto before = FixedOptions(from);
  const auto after = FixedOptions(to);
  for (const auto& [name, value] : before) {
    if (after.contains(name)) continue;
    return Fail(fmt::format("Option '{}' cannot be reset to its default value", name));
  }
  if (from.driver != to.driver) return Fail("Cannot change the option 'driver'");
  for (const auto& [name, value] : after) {
    const auto it = before.find(name);
    if (it != before.end() && it->second == value) continue;
    return Fail(fmt::format("Cannot change the option '{}'", name));
  }
  return {};
}

}  // namespace

class Reopening {
 public:
  explicit Reopening(BlockGraph& graph) : graph_(graph), nodes_(graph.Nodes()) {}
  Status Run(const std::vector<BlockNodeSpec>& specs);

 private:
  struct Step {
    std::shared_ptr<BlockNode> node;
    BlockNodeSpec spec;
    std::shared_ptr<BlockNode> child, old_child;  // of raw and throttle
    std::unique_ptr<NodeChange> change;
    bool named = true;  // by the client, and not by way of its parent
  };

  Status Collect(std::shared_ptr<BlockNode> node, BlockNodeSpec spec, bool named);
  Status CollectChild(Step& step);
  Status CheckLimits(const Step& step) const;
  Status Prepare();
  Status PrepareOne(Step& step);
  Status Share();
  void Undo();
  void Do(const std::vector<BlockBackend*>& disks);

  // The graph as the steps make it.
  const Step* StepOf(const BlockNode& node) const;
  std::shared_ptr<BlockNode> ChildThen(const BlockNode& node) const;
  bool StandsOnThen(const BlockNode& node, const BlockNode& below) const;
  std::vector<std::shared_ptr<BlockNode>> TopDownThen() const;
  std::vector<BlockNode::Entry> StayingUsers(const BlockNode& node) const;

  BlockGraph& graph_;
  const std::vector<std::shared_ptr<BlockNode>> nodes_;  // all there are
  std::vector<Step> steps_;
  std::map<const BlockNode*, std::vector<BlockNode::Entry>> users_;  // then
};

Status Reopening::Run(const std::vector<BlockNodeSpec>& specs) {
  std::vector<std::shared_ptr<BlockNode>> nodes;
  for (const BlockNodeSpec& spec : specs) {
    if (spec.node_name.empty()) return Fail("node-name not specified");
    nodes.push_back(graph_.FindNode(spec.node_name));
    if (nodes.back() == nullptr) {
      return Fail(fmt::format("Failed to find node with node-name='{}'", spec.node_name));
    }
  }
  for (size_t i = 0; i < specs.size(); ++i) DAVIT_TRY(Collect(nodes[i], specs[i], true));

  std::vector<const BlockNode*> changing;
  for (const Step& step : steps_) changing.push_back(step.node.get());
  const std::vector<BlockBackend*> disks = graph_.DisksOn(changing);
  std::vector<uint64_t> lengths;
  Status status;
  BlockGraph::WhileQuiet(disks, [&] {
    for (const BlockBackend* disk : disks) lengths.push_back(disk->length());
    status = Prepare();
    if (status) {
      Do(disks);
    } else {
      Undo();
    }
  });
  for (size_t i = 0; i < disks.size(); ++i) {
    if (disks[i]->length() != lengths[i]) disks[i]->NoteResized();
  }
  return status;
}

Status Reopening::Collect(std::shared_ptr<BlockNode> node, BlockNodeSpec spec, bool named) {
  spec.node_name = node->spec().node_name;
  DAVIT_TRY(CheckFixed(node->spec(), spec));
  // Named twice, the last one counts.
  std::erase_if(steps_, [&](const Step& step) { return step.node == node; });
  Step step{.node = std::move(node), .spec = std::move(spec), .named = named};
  step.old_child = step.node->child();
  if (step.old_child != nullptr) DAVIT_TRY(CollectChild(step));
  steps_.push_back(std::move(step));
  return {};
}

// The child is another node that there is, or the one that was given inline, with other options.
Status Reopening::CollectChild(Step& step) {
  const std::shared_ptr<const BlockNodeSpec>& inline_before = step.node->spec().file;
  if (step.spec.file != nullptr) {
    if (inline_before == nullptr) return Fail("Cannot change the option 'file.driver'");
    step.child = step.old_child;
    const std::string& name = step.spec.file->node_name;
    if (!name.empty() && name != step.child->name()) {
      return Fail("Cannot change the option 'node-name'");
    }
  } else {
    step.child = graph_.FindNode(step.spec.file_node);
    if (step.child == nullptr) {
      return Fail(fmt::format("Cannot find device='' nor node-name='{}'", step.spec.file_node));
    }
    // Those before this one have their new children by now.
    if (StandsOnThen(*step.child, *step.node)) {
      return Fail(fmt::format("Making '{}' a file child of '{}' would create a cycle",
                              step.child->name(), step.node->name()));
    }
    if (step.child == step.old_child) step.spec.file = inline_before;
  }
  if (step.spec.file == nullptr) return {};
  const auto same = [&](const Step& other) { return other.node == step.child; };
  const bool kept = step.spec.file == inline_before;
  if (kept && std::any_of(steps_.begin(), steps_.end(), same)) return {};
  return Collect(step.child, Inherit(step.spec, *step.spec.file), false);
}

// Requests obey one throttle node at most.
Status Reopening::CheckLimits(const Step& step) const {
  if (step.child == step.old_child) return {};
  const auto limits = [](const BlockNode& node) { return node.driver() == BlockDriver::kThrottle; };
  std::shared_ptr<BlockNode> below = step.child;
  while (below != nullptr && !limits(*below)) below = ChildThen(*below);
  if (below == nullptr) return {};
  for (const std::shared_ptr<BlockNode>& node : nodes_) {
    if (!limits(*node) || !StandsOnThen(*node, *step.node)) continue;
    return Fail(fmt::format("Node '{}' is throttled already", step.child->name()));
  }
  return {};
}

const Reopening::Step* Reopening::StepOf(const BlockNode& node) const {
  const auto it = std::find_if(steps_.begin(), steps_.end(),
                               [&](const Step& step) { return step.node.get() == &node; });
  return it == steps_.end() ? nullptr : &*it;
}

std::shared_ptr<BlockNode> Reopening::ChildThen(const BlockNode& node) const {
  const Step* const step = StepOf(node);
  return step != nullptr ? step->child : node.child();
}

bool Reopening::StandsOnThen(const BlockNode& node, const BlockNode& below) const {
  if (&node == &below) return true;
  const std::shared_ptr<BlockNode> child = ChildThen(node);
  return child != nullptr && StandsOnThen(*child, below);
}

// Each node behind all that stand on it.
std::vector<std::shared_ptr<BlockNode>> Reopening::TopDownThen() const {
  std::map<const BlockNode*, size_t> above;
  for (const std::shared_ptr<BlockNode>& node : nodes_) {
    if (const auto child = ChildThen(*node)) ++above[child.get()];
  }
  std::vector<std::shared_ptr<BlockNode>> order;
  for (const std::shared_ptr<BlockNode>& node : nodes_) {
    if (!above.contains(node.get())) order.push_back(node);
  }
  for (size_t i = 0; i < order.size(); ++i) {
    std::shared_ptr<BlockNode> child = ChildThen(*order[i]);
    if (child != nullptr && --above[child.get()] == 0) order.push_back(std::move(child));
  }
  return order;
}

// Disks, and the nodes above that stay.
std::vector<BlockNode::Entry> Reopening::StayingUsers(const BlockNode& node) const {
  std::vector<BlockNode::Entry> users = node.users();
  std::erase_if(users, [&](const BlockNode::Entry& entry) {
    return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& other) {
      return other.get() == entry.key && ChildThen(*other).get() != &node;
    });
  });
  return users;
}

Status Reopening::Prepare() {
  for (Step& step : steps_) DAVIT_TRY(PrepareOne(step));
  DAVIT_TRY(Share());
  for (Step& step : steps_) DAVIT_TRY(step.change->Secure());
  return {};
}

Status Reopening::PrepareOne(Step& step) {
  // What is written so far is safe before a flush may go elsewhere.
  const BlockTarget target = step.node->Target();
  if (target.file != nullptr && !target.file->read_only() && !target.no_flush &&
      target.file->Flush() != 0) {
    return Fail("Error flushing drive");
  }
  std::shared_ptr<ThrottleGroup> group;
  if (step.child != nullptr) DAVIT_TRY(CheckLimits(step));
  if (step.spec.driver == BlockDriver::kThrottle) {
    group = graph_.FindGroup(step.spec.throttle_group);
    if (group == nullptr) {
      return Fail(fmt::format("Throttle group '{}' does not exist", step.spec.throttle_group));
    }
  }
  DAVIT_ASSIGN(step.change, step.node->PrepareReopen(step.spec, step.child, std::move(group)));
  return {};
}

// What the disks use is passed on from above along the new edges. The locks are those of before and
// of then together.
Status Reopening::Share() {
  for (const std::shared_ptr<BlockNode>& node : nodes_) users_[node.get()] = StayingUsers(*node);
  for (const std::shared_ptr<BlockNode>& node : TopDownThen()) {
    const std::vector<BlockNode::Entry>& users = users_[node.get()];
    const Step* const step = StepOf(*node);
    const bool read_only = step != nullptr ? step->change->read_only() : node->read_only();
    DAVIT_TRY(node->CheckUsers(users, read_only));
    const std::shared_ptr<BlockNode> child = ChildThen(*node);
    if (child == nullptr) continue;
    BlockNode::Entry entry = static_cast<const UpperNode&>(*node).UseOf(
        *child, step != nullptr ? step->spec : node->spec(), users);
    std::vector<BlockNode::Entry>& below = users_[child.get()];
    const auto same = [&](const BlockNode::Entry& other) { return other.key == entry.key; };
    const auto it = std::find_if(below.begin(), below.end(), same);
    if (it != below.end()) {
      *it = std::move(entry);
    } else {
      below.insert(below.begin(), std::move(entry));
    }
  }
  for (const std::shared_ptr<BlockNode>& node : nodes_) {
    DAVIT_TRY(node->LockFor(users_[node.get()]));
  }
  return {};
}

void Reopening::Undo() {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) step->change.reset();
  for (const std::shared_ptr<BlockNode>& node : nodes_) node->SetUsers(node->users());
}

void Reopening::Do(const std::vector<BlockBackend*>& disks) {
  std::set<DiskOwner*> owners;
  for (const BlockBackend* disk : disks) {
    if (disk->owner() != nullptr) owners.insert(disk->owner());
  }
  {
    std::vector<std::unique_lock<std::mutex>> locks;
    locks.reserve(owners.size());
    for (DiskOwner* const owner : owners) locks.push_back(owner->Lock());
    for (Step& step : steps_) step.change->Do();
    for (BlockBackend* disk : disks) disk->Retarget();
  }
  for (const std::shared_ptr<BlockNode>& node : graph_.Nodes()) {
    if (node->spec().file == nullptr) continue;
    for (const Step& step : steps_) {
      if (!step.named || node->child() != step.node) continue;
      node->set_inline(std::make_shared<BlockNodeSpec>(step.spec));
    }
  }
  // Descriptors that are of no more use, with their locks.
  for (Step& step : steps_) step.change.reset();
  for (const std::shared_ptr<BlockNode>& node : nodes_) {
    node->SetUsers(std::move(users_[node.get()]));
  }
}

Status BlockGraph::Reopen(const std::vector<BlockNodeSpec>& specs) {
  return Reopening(*this).Run(specs);
}

}  // namespace davit::backend
