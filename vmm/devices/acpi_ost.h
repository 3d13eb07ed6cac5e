// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a guest's _OST method says of an ejection that it was asked for (ACPI 6.4, 6.3.5, tables
// 6.19 and 6.21). Pure.
#pragma once

#include <cstdint>

namespace davit::devices {

// The answer is neither that the ejection is done nor that it is under way. source: the event that
// is reported on; status: the code that the guest gives.
constexpr bool RefusesEjection(uint32_t source, uint32_t status) {
  constexpr uint32_t kEjectRequest = 3, kEjectByGuest = 0x103, kSuccess = 0, kInProgress = 0x84;
  return (source == kEjectRequest || source == kEjectByGuest) && status != kSuccess &&
         status != kInProgress;
}

}  // namespace davit::devices
