// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// PCI as far as the probe guest needs it: configuration space by ports CF8/CFC
// (PCI 3.0, 3.2.2.3.2), buses behind bridges numbered and BARs placed where no firmware has done
// so.

#pragma once

#include <cstdint>

namespace probe {

struct PciAddress {
  uint8_t bus;
  uint8_t device;
  uint8_t function;
};

uint32_t PciRead32(PciAddress at, uint32_t offset);
uint16_t PciRead16(PciAddress at, uint32_t offset);
uint8_t PciRead8(PciAddress at, uint32_t offset);
void PciWrite32(PciAddress at, uint32_t offset, uint32_t value);

// Base of a memory BAR below 4 GiB, with decoding on; placed if nobody has. 0: there is none.
uint64_t PciBar(PciAddress at, uint32_t index);
// Memory decoding and bus mastering.
void PciEnable(PciAddress at);

constexpr uint32_t kMaxPciFunctions = 64;
struct PciBus {
  uint32_t functions;
  PciAddress function[kMaxPciFunctions];
};

bool PciIsBridge(PciAddress at);
// Function 0 of the card behind a bridge that is open, there or not.
PciAddress PciCardBehind(PciAddress bridge);
// Gives addresses to the memory BARs of the card behind a bridge that is open, from the start of
// its window, and opens it if it is a bridge, too: for a card that came later. The number of its
// functions; 0: it does not answer.
uint32_t PciPlaceBehind(PciAddress bridge);
// The offset of a capability; 0: it has none.
uint32_t PciCapability(PciAddress at, uint8_t id);

// Makes this the message of entry 0 of its MSI-X table, and switches MSI-X on. False: it has none.
bool PciSetMessage(PciAddress at, uint32_t address, uint32_t data);

// All functions, bridges opened on the way. False: the machine has no PCI.
bool ScanPci(PciBus& found);
void PrintPci();

}  // namespace probe
