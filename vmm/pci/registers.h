// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Offsets and bits of PCI configuration space that more than one file uses (PCI 3.0 section 6,
// PCI-to-PCI Bridge 1.2 section 3.2, PCI Express 4.0 section 7.5). Constants only.
#pragma once

#include <cstdint>

namespace davit::pci {

inline constexpr uint32_t kVendorId = 0x00;
inline constexpr uint32_t kDeviceId = 0x02;
inline constexpr uint32_t kCommand = 0x04;
inline constexpr uint32_t kStatus = 0x06;
inline constexpr uint32_t kRevision = 0x08;
inline constexpr uint32_t kProgIf = 0x09;
inline constexpr uint32_t kClass = 0x0a;
inline constexpr uint32_t kCacheLineSize = 0x0c;
inline constexpr uint32_t kHeaderType = 0x0e;
inline constexpr uint32_t kBar0 = 0x10;
inline constexpr uint32_t kSubsystemVendorId = 0x2c;
inline constexpr uint32_t kSubsystemId = 0x2e;
inline constexpr uint32_t kCapabilities = 0x34;
inline constexpr uint32_t kInterruptLine = 0x3c;
inline constexpr uint32_t kInterruptPin = 0x3d;

inline constexpr uint16_t kCommandIo = 0x0001;
inline constexpr uint16_t kCommandMemory = 0x0002;
inline constexpr uint16_t kCommandMaster = 0x0004;
inline constexpr uint16_t kCommandSerr = 0x0100;
inline constexpr uint16_t kCommandIntxDisable = 0x0400;
inline constexpr uint16_t kStatusInterrupt = 0x0008;
inline constexpr uint16_t kStatusCapabilities = 0x0010;

inline constexpr uint8_t kHeaderBridge = 0x01;
inline constexpr uint8_t kHeaderMultifunction = 0x80;

// Header type 1.
inline constexpr uint32_t kPrimaryBus = 0x18;
inline constexpr uint32_t kSecondaryBus = 0x19;
inline constexpr uint32_t kSubordinateBus = 0x1a;
inline constexpr uint32_t kIoBase = 0x1c;
inline constexpr uint32_t kIoLimit = 0x1d;
inline constexpr uint32_t kMemoryBase = 0x20;
inline constexpr uint32_t kMemoryLimit = 0x22;
inline constexpr uint32_t kPrefetchBase = 0x24;
inline constexpr uint32_t kPrefetchLimit = 0x26;
inline constexpr uint32_t kPrefetchBaseUpper = 0x28;
inline constexpr uint32_t kPrefetchLimitUpper = 0x2c;
inline constexpr uint32_t kBridgeControl = 0x3e;
inline constexpr uint16_t kBridgeControlBusReset = 0x0040;

// Capability ids.
inline constexpr uint8_t kCapPower = 0x01;
inline constexpr uint8_t kCapMsi = 0x05;
inline constexpr uint8_t kCapVendor = 0x09;
inline constexpr uint8_t kCapSubsystem = 0x0d;
inline constexpr uint8_t kCapExpress = 0x10;
inline constexpr uint8_t kCapMsix = 0x11;
inline constexpr uint16_t kExtCapAer = 0x0001;
inline constexpr uint16_t kExtCapAcs = 0x000d;

inline constexpr uint32_t kConventionalSize = 256;
inline constexpr uint32_t kExpressSize = 4096;

constexpr uint8_t Devfn(unsigned slot, unsigned function) {
  return static_cast<uint8_t>(slot << 3 | function);
}
constexpr unsigned SlotOf(uint8_t devfn) { return devfn >> 3; }
constexpr unsigned FunctionOf(uint8_t devfn) { return devfn & 7; }

}  // namespace davit::pci
