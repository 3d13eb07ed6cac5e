// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/protocol/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace davit::qmp {
namespace {

// The bucket of a member name in QEMU's dictionaries, which fixes the order of their members.
uint32_t Bucket(std::string_view name) {
  uint32_t sum = 0x238f13afu * static_cast<uint32_t>(name.size());
  for (size_t i = 0; i < name.size(); ++i) {
    sum += static_cast<uint32_t>(static_cast<uint8_t>(name[i])) << (i * 5 % 24);
  }
  return (sum * 1103515243u + 12345u) % 512;
}

Error Faulty(std::string_view member, std::string_view fault) {
  return Error{ErrorCode::kGeneric, fmt::format("QMP input member '{}' {}", member, fault), {}};
}

// What is wrong with one member; `seen` is the command member met before, if any.
std::optional<Error> CheckMember(const json::Member& member, bool oob_enabled,
                                 std::string_view& seen) {
  const auto& [name, value] = member;
  if (name == "execute" || (name == "exec-oob" && oob_enabled)) {
    if (!value.is_string()) return Faulty(name, "must be a string");
    if (!seen.empty()) return Faulty(name, fmt::format("clashes with '{}'", seen));
    seen = name;
    return std::nullopt;
  }
  if (name != "arguments") return Faulty(name, "is unexpected");
  if (!value.is_object()) return Faulty(name, "must be an object");
  return std::nullopt;
}

// The first fault in QEMU's order of the members.
std::optional<Error> FirstFault(const json::Object& object, bool oob_enabled) {
  std::vector<const json::Member*> members;
  for (const json::Member& member : object.members()) members.push_back(&member);
  std::stable_sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
    return Bucket(a->first) < Bucket(b->first);
  });
  std::string_view seen;
  for (const json::Member* member : members) {
    if (std::optional<Error> error = CheckMember(*member, oob_enabled, seen)) return error;
  }
  return std::nullopt;
}

}  // namespace

bool IsOutOfBand(const json::Value& input) {
  const json::Object* object = input.AsObject();
  return object != nullptr && object->Has("exec-oob") && !object->Has("execute");
}

std::optional<json::Value> TakeId(json::Value& input) {
  json::Object* object = input.AsObject();
  json::Value* id = object == nullptr ? nullptr : object->Find("id");
  if (id == nullptr) return std::nullopt;
  json::Value taken = std::move(*id);
  object->Erase("id");
  return taken;
}

Result<Request> CheckRequest(json::Value input, bool oob_enabled) {
  json::Object* object = input.AsObject();
  if (object == nullptr) return Fail("QMP input must be a JSON object");
  Request request;
  std::string_view seen;
  for (json::Member& member : object->members()) {
    if (CheckMember(member, oob_enabled, seen)) return Fail(*FirstFault(*object, oob_enabled));
    if (json::Object* arguments = member.second.AsObject()) {
      request.arguments = std::move(*arguments);
    }
  }
  if (seen.empty()) return Fail("QMP input lacks member 'execute'");
  request.oob = seen == "exec-oob";
  for (json::Member& member : object->members()) {
    if (const std::string* command = member.second.AsString()) request.command = *command;
  }
  return request;
}

}  // namespace davit::qmp
