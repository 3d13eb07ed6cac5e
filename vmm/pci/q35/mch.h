// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory controller hub of a q35 (Intel 82G33, 8086:29c0), 00:00.0: PCIEXBAR places the ECAM
// window. PAM, SMRAM and TSEG registers keep what they are given and lock as QEMU's do, without
// effect on memory: there is no firmware to shadow and no SMM.
#pragma once

#include "vmm/pci/function.h"

namespace davit::pci {

class Mch final : public Function {
 public:
  static constexpr uint32_t kExtendedTseg = 0x50;
  static constexpr uint32_t kPciexbar = 0x60;
  static constexpr uint32_t kSmbase = 0x9c;
  static constexpr uint32_t kSmram = 0x9d;
  static constexpr uint32_t kEsmramc = 0x9e;

  Mch();

 protected:
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnConfigReset() override;

 private:
  void ResetMasks();
  void PlaceEcam();
};

}  // namespace davit::pci
