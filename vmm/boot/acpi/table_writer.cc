// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Headers and checksums.
#include "vmm/boot/acpi/table_writer.h"

#include <algorithm>
#include <cstring>

#include "vmm/base/check.h"

namespace davit::boot::acpi {

Header MakeHeader(std::string_view signature, uint8_t revision) {
  Header header{};
  DAVIT_CHECK(signature.size() == header.signature.size());
  std::copy(signature.begin(), signature.end(), header.signature.begin());
  header.revision = revision;
  header.oem_id = {'D', 'A', 'V', 'I', 'T', ' '};
  header.oem_table_id = {'D', 'A', 'V', 'I', 'T', 'V', 'M', ' '};
  header.oem_revision = 1;
  header.creator_id = {'D', 'V', 'I', 'T'};
  header.creator_revision = 1;
  return header;
}

void FinishTable(std::vector<std::byte>* table) {
  DAVIT_CHECK(table->size() >= sizeof(Header));
  StoreLe(table->data() + offsetof(Header, length), 4, table->size());
  (*table)[offsetof(Header, checksum)] = std::byte{0};
  (*table)[offsetof(Header, checksum)] = std::byte{Checksum(*table)};
}

std::vector<std::byte> MakeTable(std::string_view signature, uint8_t revision,
                                 std::span<const std::byte> body) {
  const Header header = MakeHeader(signature, revision);
  std::vector<std::byte> table(sizeof(header) + body.size());
  std::memcpy(table.data(), &header, sizeof(header));
  if (!body.empty()) std::memcpy(table.data() + sizeof(header), body.data(), body.size());
  FinishTable(&table);
  return table;
}

}  // namespace davit::boot::acpi
