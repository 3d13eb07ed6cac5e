// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which devices a q35 has, and the tree of them that "info qtree" shows. Pure.
#pragma once

#include <array>
#include <string>

#include "vmm/boot/q35_layout.h"
#include "vmm/control/types.h"

namespace davit::machine {

struct Q35Shape {
  bool split_irqchip = false;
  bool acpi = true;
  bool pic = false;
  bool pit = false;
  bool i8042 = true;
  bool rtc_slew = false;
  std::array<bool, boot::kQ35Serials.size()> serials{};  // those of -serial
  std::string debugcon_chardev;                          // empty: no debug port
  boot::RamSplit ram;
};

control::QtreeNode::Bus BuildQtree(const Q35Shape& shape);

}  // namespace davit::machine
