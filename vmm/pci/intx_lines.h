// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// IntxSink over fixed lines: device `slot`, pin p of the root bus drives one of `lines`, chosen by
// a map that does not change. For boards without a programmable router, and tests. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "vmm/irq/irq_line.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {

class IntxLines final : public IntxSink {
 public:
  using Map = std::function<unsigned(uint8_t slot, uint8_t pin)>;  // -> index into lines
  // lines outlive this.
  IntxLines(std::vector<irq::IrqLine*> lines, Map map);
  void SetIntx(uint8_t slot, uint8_t pin, bool level) override;

 private:
  const std::vector<irq::IrqLine*> lines_;
  const Map map_;
  std::mutex mutex_;
  std::vector<unsigned> counts_;
};

}  // namespace davit::pci
