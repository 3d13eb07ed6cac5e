// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Headers and checksums for ACPI tables. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "vmm/boot/acpi/tables.h"

namespace davit::boot::acpi {

// A header as all of davit's tables have it; length and checksum are still to be set.
Header MakeHeader(std::string_view signature, uint8_t revision);

// A table of header and body, complete.
std::vector<std::byte> MakeTable(std::string_view signature, uint8_t revision,
                                 std::span<const std::byte> body);

// Appends the bytes of a wire structure.
template <typename T>
void Append(std::vector<std::byte>* table, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  table->insert(table->end(), bytes.begin(), bytes.end());
}

// Sets length and checksum of a table that starts with a Header.
void FinishTable(std::vector<std::byte>* table);

}  // namespace davit::boot::acpi
