// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// ACPI tables that refer to one another, before their place in memory is known: what is handed to
// firmware (fw_cfg, with QEMU's table loader script) and what davit itself places when it boots a
// kernel without firmware. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace davit::boot::acpi {

class Blob {
 public:
  // Puts a table behind the others and returns its offset. plain: no header, no checksum (FACS).
  size_t Add(const std::vector<std::byte>& table, size_t align = 16, bool plain = false);
  // The `size` bytes at `at` hold an offset into the blob that becomes an address.
  void AddPointer(size_t at, uint8_t size);
  // Checksums as of offsets, for a guest that looks before it relocates.
  const std::vector<std::byte>& bytes() const { return bytes_; }

  // The bytes for this place, checksums right.
  std::vector<std::byte> At(uint64_t base) const;

  // QEMU's loader script ("etc/table-loader"): place both files, add their places to the pointers,
  // set the checksums. The RSDP has one 8-byte pointer to the XSDT at offset 24.
  std::vector<std::byte> LoaderScript(std::string_view rsdp_file,
                                      std::string_view tables_file) const;

 private:
  struct Pointer {
    size_t at;
    uint8_t size;
  };
  struct Table {
    size_t offset;
    size_t length;
  };
  std::vector<std::byte> bytes_;
  std::vector<Pointer> pointers_;
  std::vector<Table> tables_;  // with a checksum
};

}  // namespace davit::boot::acpi
