// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The serial device under the abuse suite, with a console and a channel on character devices that
// always have bytes for the guest and room for few of its own; and with a console alone.
#include <array>

#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/base/check.h"
#include "vmm/virtio/console/port.h"
#include "vmm/virtio/console/serial.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio {
namespace {

// The console on the first one, the channel, which the host has open, on the second.
struct Ports {
  explicit Ports(Serial& serial, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      chardevs[i].room = 100;
      SerialPortConfig config;
      config.console = i == 0;
      config.chardev = &chardevs[i];
      auto port = SerialPort::Create(serial, std::move(config));
      DAVIT_CHECK(port);
      ports.push_back(std::move(*port));
      chardevs[i].Send(backend::ChardevEvent::kOpened);
    }
  }
  void Work() {
    for (size_t i = 0; i < ports.size(); ++i) {
      chardevs[i].Feed("bytes of the host");
      chardevs[i].MakeRoom(100);
    }
  }

  std::array<backend::FakeChardev, 2> chardevs;
  std::vector<std::unique_ptr<SerialPort>> ports;
};

testing::AbuseTarget With(uint32_t max_ports, size_t ports, std::vector<uint16_t> served) {
  const auto current = std::make_shared<std::weak_ptr<Ports>>();
  return {.make =
              [max_ports](io::FakeEventLoop&) {
                SerialConfig config;
                config.max_ports = max_ports;
                return std::make_unique<Serial>(config);
              },
          .served = std::move(served),
          .settle =
              [current](testing::Driver&) {
                if (const auto ports = current->lock()) ports->Work();
              },
          .equip =
              [current, ports](testing::Driver& driver) {
                auto made = std::make_shared<Ports>(
                    static_cast<Serial&>(driver.frontend().device()), ports);
                *current = made;
                return made;
              }};
}

// Queues: of port 0, of the control messages, of the other ports; each to the guest and from it.
DAVIT_VIRTIO_ABUSE_SUITE(ConsoleAndChannel, (With(3, 2, {1, 3, 5})));
DAVIT_VIRTIO_ABUSE_SUITE(ConsoleAlone, (With(1, 1, {0, 1})));

}  // namespace
}  // namespace davit::virtio
