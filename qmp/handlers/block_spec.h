// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// BlockdevOptions of the schema as the facade's value. Pure.
#pragma once

#include "schema/qapi/types.h"
#include "vmm/base/error.h"
#include "vmm/control/block_control.h"

namespace davit::qmp {

// Error: a number below zero, by name.
Result<control::BlockNodeSpec> ToBlockNodeSpec(const qapi::BlockdevOptions& options);

}  // namespace davit::qmp
