// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The probe guest as bytes: what davitd boots when no kernel is given. The bzImage form is entered
// by the 64-bit Linux boot protocol and so is handed the device tree through setup_data; the ELF
// form is entered by PVH. Thread-safe, the bytes live for ever.

#pragma once

#include <cstddef>
#include <span>

namespace davit {

std::span<const std::byte> ProbeGuestImage();
std::span<const std::byte> ProbeGuestElf();

}  // namespace davit
