// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// QAPI Netdev (netdev_add, -netdev) -> control::NetdevSpec. Members of nested objects get dotted
// keys; integers that are not negative become uint64_t.
#pragma once

#include "schema/qapi/types.h"
#include "vmm/control/net_control.h"

namespace davit::qmp {

control::NetdevSpec ToNetdevSpec(const qapi::Netdev& netdev);

}  // namespace davit::qmp
