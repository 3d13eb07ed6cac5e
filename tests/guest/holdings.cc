// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/guest/holdings.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace davit::testing {
namespace {

using json::Array;
using json::Object;
using json::Value;

Value Query(Vm& vm, std::string_view command, Object arguments = {}) {
  auto reply = vm.qmp().Execute(command, std::move(arguments));
  EXPECT_TRUE(reply) << command << ": " << reply.error();
  return reply ? *reply : Value();
}

void AddProcess(const std::string& proc, Holdings& holdings) {
  std::error_code error;
  for (const auto& fd : std::filesystem::directory_iterator(proc + "/fd", error)) {
    std::string name = std::filesystem::read_symlink(fd, error).string();
    if (const size_t at = name.find(":["); name.starts_with("socket")) name.erase(at);
    ++holdings["fd " + name];
  }
  for (const auto& task : std::filesystem::directory_iterator(proc + "/task", error)) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    // The kernel's own of io_uring end when they have been idle for a while.
    if (name.starts_with("iou-")) continue;
    ++holdings["thread " + name];
  }
}

// Of files alone: what the allocator maps comes and goes as it likes.
void AddMappings(const std::string& proc, Holdings& holdings) {
  std::istringstream maps(ReadFile(proc + "/maps"));
  for (std::string line; std::getline(maps, line);) {
    const size_t name = line.find('/');
    if (name == std::string::npos) continue;
    char* rest = nullptr;
    const uint64_t from = std::strtoull(line.c_str(), &rest, 16);
    const uint64_t to = std::strtoull(rest + 1, nullptr, 16);
    holdings["map " + line.substr(name)] += static_cast<int64_t>(to - from);
  }
}

void AddObjects(Vm& vm, const std::string& path, Holdings& holdings) {
  ++holdings["object " + path];
  const Value list = Query(vm, "qom-list", {{"path", path}});
  const Array* const properties = list.AsArray();
  if (properties == nullptr) return;
  for (const Value& property : *properties) {
    if (!property["type"].AsString()->starts_with("child<")) continue;
    AddObjects(vm, (path == "/" ? "" : path) + "/" + *property["name"].AsString(), holdings);
  }
}

void AddNamed(Vm& vm, std::string_view command, std::string_view key, Holdings& holdings) {
  const Value list = Query(vm, command);
  const Array* const entries = list.AsArray();
  if (entries == nullptr) return;
  for (const Value& entry : *entries) {
    if (const std::string* const name = entry[key].AsString()) {
      ++holdings[std::string(command) + " " + *name];
    }
  }
}

}  // namespace

Holdings HoldingsOf(Vm& vm) {
  Holdings holdings;
  const std::string proc = "/proc/" + std::to_string(vm.process().pid());
  AddProcess(proc, holdings);
  AddMappings(proc, holdings);
  AddObjects(vm, "/", holdings);
  AddNamed(vm, "query-named-block-nodes", "node-name", holdings);
  AddNamed(vm, "query-chardev", "label", holdings);
  AddNamed(vm, "query-iothreads", "id", holdings);
  AddNamed(vm, "query-memory-devices", "type", holdings);
  AddNamed(vm, "query-hotpluggable-cpus", "qom-path", holdings);
  const Value memory = Query(vm, "query-memory-size-summary");
  if (const int64_t* const plugged = memory["plugged-memory"].AsInt()) {
    holdings["memory plugged"] = *plugged;
  }
  return holdings;
}

void ExpectHoldings(Vm& vm, const Holdings& wanted) {
  if (Eventually([&] { return HoldingsOf(vm) == wanted; })) return;
  const Holdings have = HoldingsOf(vm);
  for (const auto& [name, count] : have) {
    const auto before = wanted.find(name);
    EXPECT_EQ(count, before != wanted.end() ? before->second : 0) << name;
  }
  for (const auto& [name, count] : wanted) EXPECT_TRUE(have.contains(name)) << name << " is gone";
}

}  // namespace davit::testing
