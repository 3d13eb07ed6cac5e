// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/machine only: the serial ports of a board, at the first of the four places that a PC
// has for them (boot::kQ35Serials); those of one parity share an interrupt. Owner: control thread;
// the guest comes by the bus.
#pragma once

#include <array>
#include <memory>

#include "vmm/boot/q35_layout.h"
#include "vmm/bus/bus.h"
#include "vmm/devices/uart16550.h"
#include "vmm/irq/shared_line.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/serial_host.h"

namespace davit::machine {

class SerialPorts final : public SerialHost {
 public:
  static constexpr size_t kPorts = boot::kQ35Serials.size();

  // Both outlive this. places: how many of the four the board has.
  SerialPorts(bus::Bus& ports, Accel& accel, size_t places = kPorts);

  Result<SerialPlace> Add(std::optional<uint32_t> index, backend::Chardev* chardev) override;
  void Remove(uint32_t index) override;
  void Reset();
  std::array<bool, kPorts> present() const;

 private:
  bus::Bus& ports_;
  Accel& accel_;
  const size_t places_;
  irq::SharedLine irq3_, irq4_;
  std::array<std::unique_ptr<devices::Uart16550>, kPorts> uarts_;
};

}  // namespace davit::machine
