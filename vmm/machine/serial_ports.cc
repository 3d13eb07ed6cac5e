// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See serial_ports.h.
#include "vmm/machine/serial_ports.h"

#include <fmt/format.h>

#include <algorithm>

namespace davit::machine {

SerialPorts::SerialPorts(bus::Bus& ports, Accel& accel, size_t places)
    : ports_(ports), accel_(accel), places_(places), irq3_(accel.Line(3)), irq4_(accel.Line(4)) {}

Result<SerialPlace> SerialPorts::Add(std::optional<uint32_t> index, backend::Chardev* chardev) {
  const auto free = std::find(uarts_.begin(), uarts_.end(), nullptr);
  const size_t i = index.value_or(static_cast<uint32_t>(free - uarts_.begin()));
  if (i >= places_) {
    return Fail(fmt::format("Max. supported number of ISA serial ports is {}.", places_));
  }
  if (uarts_[i] != nullptr) return Fail(fmt::format("serial port {} is there already", i));
  const boot::SerialPlace& place = boot::kQ35Serials[i];
  irq::SharedLine& line = place.irq == 3 ? irq3_ : irq4_;
  auto uart = std::make_unique<devices::Uart16550>(line.NewInput(), accel_.device_loop());
  if (chardev != nullptr) DAVIT_TRY(uart->Connect(chardev));
  DAVIT_TRY(ports_.Claim(place.port, devices::Uart16550::kPorts, "serial", uart.get()));
  uarts_[i] = std::move(uart);
  return SerialPlace{static_cast<uint32_t>(i), place.port, place.irq};
}

void SerialPorts::Remove(uint32_t index) {
  (void)ports_.Release(boot::kQ35Serials[index].port);
  uarts_[index].reset();
}

void SerialPorts::Reset() {
  for (const auto& uart : uarts_) {
    if (uart != nullptr) uart->Reset();
  }
}

std::array<bool, SerialPorts::kPorts> SerialPorts::present() const {
  std::array<bool, kPorts> present{};
  std::transform(uarts_.begin(), uarts_.end(), present.begin(),
                 [](const auto& uart) { return uart != nullptr; });
  return present;
}

}  // namespace davit::machine
