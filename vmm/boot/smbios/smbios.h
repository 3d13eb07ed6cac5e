// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// SMBIOS tables (DMTF DSP0134 3.2): what the machine tells of itself as hardware, with the 64-bit
// entry point of version 3.0. Structures 0, 1, 3, 4, 16, 17, 19, 32 and 127, and 2, 8 and 11
// when asked for. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/memory_map.h"

namespace davit::boot {

// Empty texts are "not specified" in the tables.
struct SmbiosConfig {
  struct Bios {
    std::string vendor, version, date;
    uint8_t major = 0, minor = 0;  // release
    bool uefi = false;
  };
  struct System {
    std::string manufacturer, product, version, serial, sku, family;
    std::array<uint8_t, 16> uuid{};  // in the order of its text; zeros: none
  };
  struct Board {
    std::string manufacturer, product, version, serial, asset, location;
  };
  struct Chassis {
    std::string manufacturer, version, serial, asset, sku;
  };
  struct Processor {
    std::string prefix = "CPU ";  // of the socket's number
    std::string manufacturer, version, serial, asset, part;
    uint16_t max_speed = 2000, current_speed = 2000;  // MHz
    uint64_t id = 0;                                  // CPUID leaf 1: EAX, EDX
  };
  struct Port {
    std::string internal, external;   // designators
    uint8_t connector = 0, type = 0;  // of the external end (7.9.2, 7.9.3)
  };
  struct MemoryDevice {
    std::string prefix = "DIMM ";  // of the device's number
    std::string bank, manufacturer, serial, asset, part;
    uint16_t speed = 0;  // MT/s; 0: unknown
  };

  Bios bios;
  System system;
  std::optional<Board> board;
  Chassis chassis;
  Processor processor;
  uint32_t sockets = 1, cores = 1, threads = 1;  // cores and threads of one socket
  std::vector<Port> ports;
  std::vector<std::string> oem_strings;  // as long as they fit
  MemoryDevice memory;
  std::vector<MemoryRange> ram;
};

// The structures one behind another. Error: a text with more than kMaxText bytes, or more OEM
// strings than a structure can have.
inline constexpr size_t kSmbiosMaxText = 1024;  // bytes
Result<std::vector<std::byte>> BuildSmbios(const SmbiosConfig& config);

// The entry point for structures of `size` bytes at a guest address. Firmware that places them by
// itself (fw_cfg) sets the address and the checksum again.
std::vector<std::byte> SmbiosAnchor(size_t size, uint64_t address);

// Entry point and structures for a kernel that looks for them between 0xf0000 and 1 MiB.
struct SmbiosImage {
  uint64_t base = 0;  // guest address, of the entry point
  std::vector<std::byte> bytes;
};
// Behind `from`, which is the end of other tables. Error: they do not fit.
Result<SmbiosImage> PlaceSmbios(const std::vector<std::byte>& structures, uint64_t from);

}  // namespace davit::boot
