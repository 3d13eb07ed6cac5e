// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The tree of objects that qom-list, qom-get and qom-set walk. It is made anew for each command
// from what there is (devices, objects, boards), so that there is no second record to keep in step;
// nodes must not outlive the call. Paths, links and ambiguity are QEMU's. Owner: control thread.
#pragma once

#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/qom_types.h"
#include "vmm/control/types.h"

namespace davit::machine {

struct QomNode {
  // A property that does not change while the node lives. Of a link: the path, or empty.
  struct Fixed {
    std::string name, type;
    control::PropertyValue value;
  };
  // nullopt: there is none of this name.
  using Get = std::function<std::optional<Result<control::PropertyValue>>(std::string_view name)>;
  using Set = std::function<std::optional<Status>(std::string_view name,
                                                  const control::PropertyValue& value)>;

  std::string name;  // in its parent; empty: the root
  std::string type;
  std::string id = {};                          // control::QomObject
  std::vector<Fixed> fixed = {};                // beside "type", which every node has
  std::vector<control::QomProperty> live = {};  // listed, read by `get`
  Get get = {};                                 // also of properties that are not listed
  Set set = {};
  std::list<QomNode> children = {};  // what Add() and At() return stays where it is

  QomNode& Add(QomNode child);
  // The child of this name; made where there is none.
  QomNode& At(std::string_view child_name, std::string_view child_type);
};

// The three commands; `root` is "/". Errors: control::VmControl.
Result<control::QomObject> FindObject(const QomNode& root, const std::string& path);
Result<std::optional<control::PropertyValue>> ReadProperty(const QomNode& root,
                                                           const std::string& path,
                                                           const std::string& property);
Status WriteProperty(const QomNode& root, const std::string& path, const std::string& property,
                     const control::PropertyValue& value);

// A device's node with what every device has.
struct QomDeviceState {
  std::string parent_bus;  // path; empty: it sits on none
  bool hotplugged = false;
  bool hotpluggable = false;
};
QomNode DeviceNode(std::string name, std::string type, const QomDeviceState& state);
// A bus's.
QomNode BusNode(std::string name, std::string type);

}  // namespace davit::machine
