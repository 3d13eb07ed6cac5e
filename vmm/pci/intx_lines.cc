// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See intx_lines.h.
#include "vmm/pci/intx_lines.h"

#include "vmm/base/check.h"

namespace davit::pci {

IntxLines::IntxLines(std::vector<irq::IrqLine*> lines, Map map)
    : lines_(std::move(lines)), map_(std::move(map)), counts_(lines_.size()) {}

void IntxLines::SetIntx(uint8_t slot, uint8_t pin, bool level) {
  const unsigned line = map_(slot, pin);
  DAVIT_CHECK(line < lines_.size());
  const std::lock_guard lock(mutex_);
  DAVIT_CHECK(level || counts_[line] > 0);
  counts_[line] += level ? 1 : -1;
  if (counts_[line] == (level ? 1u : 0u)) lines_[line]->Set(level);
}

}  // namespace davit::pci
