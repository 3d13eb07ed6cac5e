// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See live_names.h.
#include "clients/qmp-shell/live_names.h"

#include <algorithm>

namespace davit::client {
namespace {

bool IsChild(const json::Value& row) {
  const std::string* const type = row["type"].AsString();
  return type != nullptr && type->starts_with("child<");
}

}  // namespace

LiveNames::Kind LiveNames::KindOf(std::string_view command, std::string_view key) {
  struct Row {
    std::string_view command;  // empty: any
    std::string_view key;
    Kind kind;
  };
  static constexpr Row kRows[] = {
      // names that are still to be given
      {"blockdev-add", "node-name", Kind::kNone},
      {"device_add", "id", Kind::kNone},
      {"object-add", "id", Kind::kNone},
      {"chardev-add", "id", Kind::kNone},
      {"netdev_add", "id", Kind::kNone},
      // of one command
      {"blockdev-add", "file", Kind::kNode},
      {"chardev-change", "id", Kind::kChardev},
      {"chardev-remove", "id", Kind::kChardev},
      {"chardev-send-break", "id", Kind::kChardev},
      {"device-list-properties", "typename", Kind::kType},
      {"device_add", "driver", Kind::kDeviceType},
      {"netdev_del", "id", Kind::kNone},
      {"object-del", "id", Kind::kObject},
      {"qom-list-properties", "typename", Kind::kType},
      {"qom-list-types", "implements", Kind::kType},
      {"query-rx-filter", "name", Kind::kDevice},
      {"ringbuf-read", "device", Kind::kChardev},
      {"ringbuf-write", "device", Kind::kChardev},
      {"set_link", "name", Kind::kDevice},
      // of all that have them
      {"", "chardev", Kind::kChardev},
      {"", "drive", Kind::kNode},
      {"", "id", Kind::kDevice},
      {"", "iothread", Kind::kObject},
      {"", "memdev", Kind::kObject},
      {"", "node-name", Kind::kNode},
      {"", "path", Kind::kPath},
      {"", "property", Kind::kProperty},
      {"", "rng", Kind::kObject},
  };
  const auto it = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& row) {
    return row.key == key && (row.command.empty() || row.command == command);
  });
  if (it == std::end(kRows)) return Kind::kNone;
  const bool of_object = it->kind == Kind::kPath || it->kind == Kind::kProperty;
  return of_object && !command.starts_with("qom-") ? Kind::kNone : it->kind;
}

json::Array LiveNames::Rows(std::string_view command, json::Object arguments) const {
  if (!ask_) return {};
  const Result<json::Value> answer = ask_(command, std::move(arguments));
  const json::Array* const rows = answer ? answer->AsArray() : nullptr;
  return rows != nullptr ? *rows : json::Array();
}

std::vector<std::string> LiveNames::Column(std::string_view command, json::Object arguments,
                                           std::string_view member) const {
  std::vector<std::string> names;
  for (const json::Value& row : Rows(command, std::move(arguments))) {
    if (const std::string* const name = row[member].AsString()) names.push_back(*name);
  }
  return names;
}

// The children of the path up to its last '/'. Those with children of their own end in '/'.
std::vector<std::string> LiveNames::Steps(std::string_view partial) const {
  const size_t slash = partial.rfind('/');
  if (slash == std::string_view::npos) return {"/"};
  const std::string parent(partial.substr(0, slash + 1));
  std::vector<std::string> paths;
  for (const json::Value& row : Rows("qom-list", {{"path", parent}})) {
    const std::string* const name = row["name"].AsString();
    if (name == nullptr || !IsChild(row)) continue;
    const std::string path = parent + *name;
    if (!path.starts_with(partial)) continue;
    const json::Array below = Rows("qom-list", {{"path", path}});
    paths.push_back(path + (std::any_of(below.begin(), below.end(), IsChild) ? "/" : ""));
  }
  return paths;
}

std::vector<std::string> LiveNames::Properties(const json::Object& so_far) const {
  const json::Value* const path = so_far.Find("path");
  if (path == nullptr || path->AsString() == nullptr) return {};
  std::vector<std::string> names;
  for (const json::Value& row : Rows("qom-list", {{"path", *path->AsString()}})) {
    const std::string* const name = row["name"].AsString();
    if (name != nullptr && !IsChild(row)) names.push_back(*name);
  }
  return names;
}

std::vector<std::string> LiveNames::ValuesOf(std::string_view command, std::string_view key,
                                             std::string_view partial,
                                             const json::Object& so_far) const {
  std::vector<std::string> names;
  const auto children_of = [&](const char* path) {
    for (const json::Value& row : Rows("qom-list", {{"path", path}})) {
      const std::string* const name = row["name"].AsString();
      if (name != nullptr && IsChild(row)) names.push_back(*name);
    }
    return names;
  };
  switch (KindOf(command, key)) {
    case Kind::kNone:
      return {};
    case Kind::kDevice:
      return children_of("/machine/peripheral");
    case Kind::kObject:
      return children_of("/objects");
    case Kind::kNode:
      return Column("query-named-block-nodes", {{"flat", true}}, "node-name");
    case Kind::kChardev:
      return Column("query-chardev", {}, "label");
    case Kind::kDeviceType:
      return Column("qom-list-types", {{"implements", "device"}, {"abstract", false}}, "name");
    case Kind::kType:
      return Column("qom-list-types", {}, "name");
    case Kind::kPath:
      return Steps(partial);
    case Kind::kProperty:
      return Properties(so_far);
  }
  return {};
}

std::vector<std::string> LiveNames::KeysOf(std::string_view command,
                                           const json::Object& so_far) const {
  const json::Value* const driver = so_far.Find("driver");
  if (command != "device_add" || driver == nullptr || driver->AsString() == nullptr) return {};
  return Column("device-list-properties", {{"typename", *driver->AsString()}}, "name");
}

}  // namespace davit::client
