// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The PCI hierarchy of the VM as values: what query-pci and "info pci" show. As the guest has
// programmed it at the moment of the call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace davit::control {

struct PciRange {
  uint64_t base = 0;
  uint64_t limit = 0;  // last address; below base: closed
};

struct PciRegion {
  int bar = 0;
  bool io = false;
  bool prefetchable = false;
  bool wide = false;  // 64 bits
  uint64_t size = 0;
  std::optional<uint64_t> address;  // where it decodes
};

struct PciDevice;

struct PciBridge {
  uint8_t primary = 0, secondary = 0, subordinate = 0;
  PciRange io, memory, prefetchable;
  std::vector<PciDevice> devices;  // empty while secondary is 0
};

struct PciDevice {
  uint8_t bus = 0, slot = 0, function = 0;
  uint16_t class_code = 0;  // class and subclass
  std::string class_text;   // empty: none is known
  uint16_t vendor = 0, device = 0;
  std::optional<uint16_t> subsystem_vendor, subsystem;
  uint8_t pin = 0;  // 1: INTA; 0: none
  uint8_t irq = 0;  // the interrupt line register
  std::string id;
  std::vector<PciRegion> regions;
  std::optional<PciBridge> bridge;
};

struct PciBus {
  uint8_t number = 0;
  std::vector<PciDevice> devices;  // by address
};

}  // namespace davit::control
