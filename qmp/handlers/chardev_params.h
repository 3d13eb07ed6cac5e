// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// ChardevBackend of chardev-add and chardev-change -> the keys of -chardev, the one form that
// davit makes character devices from. Owner: control thread.
#pragma once

#include "schema/qapi/types.h"
#include "schema/runtime/named_fds.h"
#include "vmm/control/chardev_control.h"

namespace davit::qmp {

// Error: a named descriptor that is not there, an address that the kind cannot have.
Result<control::ChardevParams> ToChardevParams(const qapi::ChardevBackend& backend,
                                               qapi::NamedFds& fds);

}  // namespace davit::qmp
