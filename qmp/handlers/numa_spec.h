// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// QAPI NumaOptions (set-numa-node, -numa) -> control::NumaOption. Pure.
#pragma once

#include "schema/qapi/types.h"
#include "vmm/control/numa_types.h"

namespace davit::qmp {

control::NumaOption ToNumaOption(const qapi::NumaOptions& options);

}  // namespace davit::qmp
