// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The serial device under the abuse suite: control queues, a console and a channel.
#include "vmm/virtio/console/port.h"
#include "vmm/virtio/console/serial.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio {
namespace {

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop&) {
  SerialConfig config;
  config.max_ports = 3;
  return std::make_unique<Serial>(config);
}

DAVIT_VIRTIO_ABUSE_SUITE(Serial, (AbuseTarget{.make = Make, .served = {3}}));

}  // namespace
}  // namespace davit::virtio
