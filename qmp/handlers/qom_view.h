// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Objects of the VM as qom-list, qom-get and qom-set show them, for QMP and the human monitor: what
// the VM has at run time (control::VmControl), joined with the properties that the schema gives the
// object's type. Errors are QEMU's. Owner: control thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/qapi/types.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"
#include "vmm/control/vm_control.h"

namespace davit::qmp {

// "type" first, then what is its own, then its type's.
Result<std::vector<qapi::ObjectPropertyInfo>> ListObject(const control::VmControl& vm,
                                                         const std::string& path);
Result<json::Value> GetProperty(const control::VmControl& vm, const std::string& path,
                                const std::string& property);
Status SetProperty(control::VmControl& vm, const std::string& path, const std::string& property,
                   const json::Value& value);
// The value as a person writes it: "on", "12", any text; read by the type of the property.
Status SetPropertyText(control::VmControl& vm, const std::string& path, const std::string& property,
                       const std::string& text);

}  // namespace davit::qmp
