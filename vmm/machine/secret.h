// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The object `secret`: bytes that are given inline or in a file, raw or in base64. They are read
// and checked when the object is made, as in QEMU; no part of davit takes one yet, so that nothing
// is kept of a file. Secrets that are encrypted with another (keyid=) are refused. Control thread.
#pragma once

#include <optional>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/control/types.h"

namespace davit::machine {

// Error: QEMU's words; of the file: why it cannot be read. A file of more than 1 MiB is refused.
Status CheckSecret(const control::ObjectSpec& spec);
// The value of a property, given or not. nullopt: there is none of this name.
std::optional<control::PropertyValue> ReadSecret(const control::ObjectSpec& spec,
                                                 std::string_view name);

}  // namespace davit::machine
