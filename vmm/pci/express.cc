// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See express.h.
#include "vmm/pci/express.h"

namespace davit::pci {

uint32_t AddExpressEndpoint(ConfigSpace& config, uint32_t offset) {
  const uint32_t at = config.AddCapability(kCapExpress, kExpressCapSize, offset);
  config.Set16(at + 2, 0x0002);  // version 2, endpoint
  // Role-based error reporting, function-level reset.
  config.Set32(at + 4, 0x8000 | kDeviceCapabilityFlr);
  config.SetWritable(at + kExpressDeviceControl, 2, 0x000f);  // error reporting
  config.SetWriteOneToClear(at + kExpressDeviceStatus, 2, 0x000f);
  config.Set32(at + kExpressLinkCapabilities, 0x0411);  // 2.5 GT/s, x1, L0s
  config.SetWritable(at + kExpressLinkControl, 2, 0x00c0);
  config.Set16(at + kExpressLinkStatus, 0x0011);
  config.Set32(at + 0x24, 0x00300000);       // device capabilities 2: end-end TLP prefixes
  config.SetWritable(at + 0x28, 2, 0x8000);  // and their block
  return at;
}

uint32_t AddPowerManagement(ConfigSpace& config, uint32_t offset) {
  const uint32_t at = config.AddCapability(kCapPower, 8, offset);
  config.Set16(at + 2, 0x0003);           // version 1.2
  config.SetWritable(at + 4, 2, 0x0003);  // the power state
  return at;
}

uint32_t AddSubsystemIds(ConfigSpace& config, uint16_t vendor, uint16_t device, uint32_t offset) {
  const uint32_t at = config.AddCapability(kCapSubsystem, 8, offset);
  config.Set16(at + 4, vendor);
  config.Set16(at + 6, device);
  return at;
}

}  // namespace davit::pci
