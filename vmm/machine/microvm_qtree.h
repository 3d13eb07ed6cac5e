// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which devices a microvm has, and the tree of them that "info qtree" shows. Pure.
#pragma once

#include <string>

#include "vmm/control/types.h"

namespace davit::machine {

struct MicrovmShape {
  bool split_irqchip = false;
  bool acpi = true;
  bool pic = false;
  bool pit = false;
  bool rtc = false;
  bool rtc_slew = false;
  bool serial = false;           // made by -serial; one made by name is a device as any
  std::string debugcon_chardev;  // empty: no debug port
};

control::QtreeNode::Bus BuildQtree(const MicrovmShape& shape);

}  // namespace davit::machine
