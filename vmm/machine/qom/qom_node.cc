// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See qom_node.h.
#include "vmm/machine/qom/qom_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

namespace davit::machine {
namespace {

using control::PropertyValue;
using Parts = std::span<const std::string>;

constexpr int kMaxLinks = 16;  // one inside the other

// A node and the path that leads to it through children alone.
struct Place {
  const QomNode* node = nullptr;
  std::string path;  // empty: the root
};

std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (end != 0) parts.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

const QomNode* ChildOf(const QomNode& node, std::string_view name) {
  const auto it = std::find_if(node.children.begin(), node.children.end(),
                               [name](const QomNode& child) { return child.name == name; });
  return it == node.children.end() ? nullptr : &*it;
}

const QomNode::Fixed* FixedOf(const QomNode& node, std::string_view name) {
  const auto it = std::find_if(node.fixed.begin(), node.fixed.end(),
                               [name](const QomNode::Fixed& fixed) { return fixed.name == name; });
  return it == node.fixed.end() ? nullptr : &*it;
}

class Resolver {
 public:
  explicit Resolver(const QomNode& root) : root_(root) {}

  // nullopt: nothing is there. `ambiguous` is set when there is more than one.
  std::optional<Place> Find(const std::string& path, bool& ambiguous) {
    const std::vector<std::string> parts = Split(path);
    if (path.starts_with('/')) return Absolute({&root_, ""}, parts, kMaxLinks);
    return Partial({&root_, ""}, parts, ambiguous);
  }

 private:
  std::optional<Place> Absolute(Place from, Parts parts, int links) const {
    for (const std::string& part : parts) {
      if (const QomNode* child = ChildOf(*from.node, part)) {
        from = {child, from.path + "/" + part};
        continue;
      }
      const QomNode::Fixed* link = FixedOf(*from.node, part);
      if (link == nullptr || !link->type.starts_with("link<") || links == 0) return std::nullopt;
      const std::string* target = std::get_if<std::string>(&link->value.value);
      if (target == nullptr || target->empty()) return std::nullopt;
      auto there = Absolute({&root_, ""}, Split(*target), links - 1);
      if (!there) return std::nullopt;
      from = std::move(*there);
    }
    return from;
  }

  // From `from` or from anything below.
  std::optional<Place> Partial(const Place& from, Parts parts, bool& ambiguous) const {
    std::optional<Place> found = Absolute(from, parts, kMaxLinks);
    for (const QomNode& child : from.node->children) {
      std::optional<Place> below =
          Partial({&child, from.path + "/" + child.name}, parts, ambiguous);
      if (ambiguous) return std::nullopt;
      if (!below) continue;
      if (found) {
        ambiguous = true;
        return std::nullopt;
      }
      found = std::move(below);
    }
    return found;
  }

  const QomNode& root_;
};

tl::unexpected<Error> NoDevice(const std::string& path) {
  return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", path));
}

// QEMU says of a path that is ambiguous that there is no such device; qom-list alone tells.
Result<Place> FindPlace(const QomNode& root, const std::string& path) {
  bool ambiguous = false;
  if (auto place = Resolver(root).Find(path, ambiguous)) return *std::move(place);
  return NoDevice(path);
}

}  // namespace

QomNode& QomNode::Add(QomNode child) {
  children.push_back(std::move(child));
  return children.back();
}

QomNode& QomNode::At(std::string_view child_name, std::string_view child_type) {
  for (QomNode& child : children) {
    if (child.name == child_name) return child;
  }
  return Add({.name = std::string(child_name), .type = std::string(child_type)});
}

Result<control::QomObject> FindObject(const QomNode& root, const std::string& path) {
  bool ambiguous = false;
  const auto place = Resolver(root).Find(path, ambiguous);
  if (ambiguous) return Fail(fmt::format("Path '{}' is ambiguous", path));
  if (!place) return NoDevice(path);
  const QomNode& node = *place->node;
  control::QomObject object{node.type, node.id, {{"type", "string"}}};
  for (const QomNode::Fixed& fixed : node.fixed) {
    object.properties.push_back({fixed.name, fixed.type});
  }
  for (const control::QomProperty& live : node.live) object.properties.push_back(live);
  for (const QomNode& child : node.children) {
    object.properties.push_back({child.name, "child<" + child.type + ">"});
  }
  return object;
}

Result<std::optional<PropertyValue>> ReadProperty(const QomNode& root, const std::string& path,
                                                  const std::string& property) {
  DAVIT_ASSIGN(const Place place, FindPlace(root, path));
  const QomNode& node = *place.node;
  if (property == "type") return PropertyValue{node.type};
  if (const QomNode::Fixed* fixed = FixedOf(node, property)) return fixed->value;
  if (ChildOf(node, property) != nullptr) return PropertyValue{place.path + "/" + property};
  if (!node.get) return std::nullopt;
  auto value = node.get(property);
  if (!value) return std::nullopt;
  DAVIT_ASSIGN(PropertyValue got, std::move(*value));
  return got;
}

Status WriteProperty(const QomNode& root, const std::string& path, const std::string& property,
                     const PropertyValue& value) {
  DAVIT_ASSIGN(const Place place, FindPlace(root, path));
  const QomNode& node = *place.node;
  if (property == "type" || FixedOf(node, property) != nullptr ||
      ChildOf(node, property) != nullptr) {
    return Fail(fmt::format("Property '{}.{}' is not writable", node.type, property));
  }
  if (node.set) {
    if (const auto status = node.set(property, value)) return *status;
  }
  return Fail(fmt::format("Property '{}.{}' not found", node.type, property));
}

QomNode DeviceNode(std::string name, std::string type, const QomDeviceState& state) {
  QomNode node{.name = std::move(name), .type = std::move(type)};
  node.fixed = {{"parent_bus", "link<bus>", {state.parent_bus}},
                {"realized", "bool", {true}},
                {"hotplugged", "bool", {state.hotplugged}},
                {"hotpluggable", "bool", {state.hotpluggable}}};
  return node;
}

QomNode BusNode(std::string name, std::string type) {
  QomNode node{.name = std::move(name), .type = std::move(type)};
  node.fixed = {{"realized", "bool", {true}}};
  return node;
}

}  // namespace davit::machine
