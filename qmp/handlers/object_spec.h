// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// QAPI ObjectOptions (object-add, -object) -> control::ObjectSpec. Integers that are not negative
// become uint64_t.
#pragma once

#include "schema/qapi/types.h"
#include "vmm/control/types.h"

namespace davit::qmp {

control::ObjectSpec ToObjectSpec(const qapi::ObjectOptions& options);

}  // namespace davit::qmp
