// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Capabilities without a life of their own, with the values of QEMU 7.2's devices: PCI Express of
// an endpoint, power management, subsystem ids of a bridge (PCI Express 4.0, 7.5.3; PCI Power
// Management 1.2; PCI-to-PCI Bridge 1.2). Each returns the capability's offset.
#pragma once

#include <cstdint>

#include "vmm/pci/config_space.h"

namespace davit::pci {

// Offsets inside the PCI Express capability.
inline constexpr uint32_t kExpressDeviceControl = 0x08;
inline constexpr uint32_t kExpressDeviceStatus = 0x0a;
inline constexpr uint32_t kExpressLinkCapabilities = 0x0c;
inline constexpr uint32_t kExpressLinkControl = 0x10;
inline constexpr uint32_t kExpressLinkStatus = 0x12;
inline constexpr uint32_t kExpressSlotCapabilities = 0x14;
inline constexpr uint32_t kExpressSlotControl = 0x18;
inline constexpr uint32_t kExpressSlotStatus = 0x1a;
inline constexpr uint32_t kExpressCapSize = 0x3c;
inline constexpr uint32_t kDeviceCapabilityFlr = 0x10000000;
inline constexpr uint16_t kDeviceControlFlr = 0x8000;

// An endpoint with function-level reset, at 2.5 GT/s and one lane.
uint32_t AddExpressEndpoint(ConfigSpace& config, uint32_t offset = 0);
uint32_t AddPowerManagement(ConfigSpace& config, uint32_t offset = 0);
uint32_t AddSubsystemIds(ConfigSpace& config, uint16_t vendor, uint16_t device,
                         uint32_t offset = 0);

}  // namespace davit::pci
