// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The types of objects: what there is in the tree of objects and what can be made, each with what
// it is a kind of, as in QEMU. Devices and objects come from the schema, machines, CPUs and
// character devices from the VM; a table has what lies between them and "object". Owner: control
// thread.
#pragma once

#include <string>
#include <vector>

#include "schema/qapi/types.h"
#include "vmm/base/error.h"
#include "vmm/control/chardev_control.h"
#include "vmm/control/vm_control.h"

namespace davit::qmp {

class QomTypes {
 public:
  QomTypes(const control::VmControl& vm, const control::ChardevControl& chardevs);

  // Those that are, or come from, `implements`; sorted by name. An unknown one: none.
  std::vector<qapi::ObjectTypeInfo> List(const std::string& implements, bool abstract) const;
  // Error: class DeviceNotFound.
  Result<std::vector<qapi::ObjectPropertyInfo>> Properties(const std::string& name) const;
  // What -device takes. Error: class DeviceNotFound when there is no such type; it is none of a
  // device that can be made.
  Result<std::vector<qapi::ObjectPropertyInfo>> DeviceProperties(const std::string& name) const;

 private:
  struct Type {
    std::string name, parent;
    bool abstract = false;
    bool user_creatable = false;  // QEMU's interface of what object-add makes
  };
  void Add(std::string name, std::string parent, bool user_creatable = false);
  const Type* Find(const std::string& name) const;
  bool Is(const Type& type, const std::string& ancestor) const;

  const control::VmControl& vm_;
  std::vector<Type> types_;  // sorted by name
};

}  // namespace davit::qmp
