// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// QAPI ObjectOptions (object-add, -object) -> control::ObjectSpec, and JSON <-> property values.
// Integers that are not negative become uint64_t.
#pragma once

#include <string>

#include "schema/qapi/types.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"
#include "vmm/control/types.h"

namespace davit::qmp {

control::ObjectSpec ToObjectSpec(const qapi::ObjectOptions& options);

json::Value ToJson(const control::PropertyValue& value);
// Error: null or a fraction, which no property takes; it names the property.
Result<control::PropertyValue> ToPropertyValue(const json::Value& value,
                                               const std::string& property);

}  // namespace davit::qmp
