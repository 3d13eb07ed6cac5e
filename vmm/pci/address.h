// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The property addr= of a PCI device: SLOT or SLOT.FUNCTION in hexadecimal, as QEMU takes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace davit::pci {

// The devfn; nullopt: malformed, a slot above 1f or a function above 7.
std::optional<uint8_t> ParseAddress(std::string_view text);

}  // namespace davit::pci
