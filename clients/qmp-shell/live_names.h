// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Names that only the running VM knows, for completion: ids of devices, objects, character devices
// and block nodes, types, paths of objects, properties. It asks when it is asked; what the server
// does not answer is left out. Owner: the shell's thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::client {

class LiveNames {
 public:
  using Ask = std::function<Result<json::Value>(std::string_view command, json::Object arguments)>;

  LiveNames() = default;  // knows none
  explicit LiveNames(Ask ask) : ask_(std::move(ask)) {}

  // What the member `key` of a command's arguments can be now. `partial`: what is typed of it (a
  // path is offered one step at a time, and goes on where it ends in '/'). so_far: the arguments
  // before it.
  std::vector<std::string> ValuesOf(std::string_view command, std::string_view key,
                                    std::string_view partial, const json::Object& so_far) const;
  // Members that the schema does not list: the properties of the device that device_add makes.
  std::vector<std::string> KeysOf(std::string_view command, const json::Object& so_far) const;

 private:
  enum class Kind {
    kNone,
    kDevice,
    kObject,
    kNode,
    kChardev,
    kDeviceType,
    kType,
    kPath,
    kProperty
  };

  static Kind KindOf(std::string_view command, std::string_view key);
  // The strings at `member` of the rows that a command returns.
  std::vector<std::string> Column(std::string_view command, json::Object arguments,
                                  std::string_view member) const;
  std::vector<std::string> Steps(std::string_view partial) const;
  std::vector<std::string> Properties(const json::Object& so_far) const;
  json::Array Rows(std::string_view command, json::Object arguments) const;

  Ask ask_;  // empty: nobody to ask
};

}  // namespace davit::client
