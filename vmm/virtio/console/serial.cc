// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See serial.h.
#include "vmm/virtio/console/serial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/virtio/console/port.h"

namespace davit::virtio {

using console::Control;

namespace {

constexpr uint16_t kPortQueueSize = 128;
constexpr uint16_t kControlQueueSize = 32;

}  // namespace

Serial::Serial(const SerialConfig& config) : config_(config), ports_(config.max_ports) {
  traits_.name = "virtio-serial";
  traits_.id = kIdConsole;
  traits_.queue_sizes = {kPortQueueSize, kPortQueueSize, kControlQueueSize, kControlQueueSize};
  for (uint32_t port = 1; port < config.max_ports; ++port) {
    traits_.queue_sizes.push_back(kPortQueueSize);
    traits_.queue_sizes.push_back(kPortQueueSize);
  }
  if (config.max_ports > 1) traits_.features |= console::kMultiport;
  traits_.config_size = offsetof(console::Config, emergency_write);
  if (config.emergency_write) {
    traits_.features |= console::kEmergencyWrite;
    traits_.config_size = sizeof(console::Config);
  }
  space_.max_ports = config.max_ports;
}

Serial::~Serial() {
  for (const SerialPort* port : ports_) DAVIT_CHECK(port == nullptr);
}

// --- ports
// ---------------------------------------------------------------------------------------------

Result<uint32_t> Serial::AddPort(SerialPort& port, std::optional<uint32_t> number) {
  // Port 0 is a console's (5.3.2): drivers without MULTIPORT know no other.
  if (number == 0U && !port.console()) {
    return Fail(
        "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward "
        "compatibility.");
  }
  for (const SerialPort* other : ports_) {
    if (other != nullptr && !port.name().empty() && other->name() == port.name()) {
      return Fail(fmt::format("virtio-serial-bus: A port already exists by name {}", port.name()));
    }
  }
  if (!number) {
    uint32_t free = port.console() ? 0 : 1;
    while (free < ports_.size() && ports_[free] != nullptr) ++free;
    // QEMU takes numbers in groups of 32, and finds those out of range that are free but too high.
    if (free >= ports_.size() && ports_.size() % 32 == 0) {
      return Fail("virtio-serial-bus: Maximum port limit for this device reached");
    }
    number = free;
  }
  if (*number >= ports_.size()) {
    return Fail(fmt::format("virtio-serial-bus: Out-of-range port id specified, max. allowed: {}",
                            ports_.size() - 1));
  }
  if (ports_[*number] != nullptr) {
    return Fail(fmt::format("virtio-serial-bus: A port already exists at id {}", *number));
  }
  ports_[*number] = &port;
  if (driver_ready_) SendControl(*number, console::kPortAdd, 1);
  return *number;
}

void Serial::RemovePort(SerialPort& port) {
  const auto at = std::find(ports_.begin(), ports_.end(), &port);
  DAVIT_CHECK(at != ports_.end());
  if (driver_ready_) {
    SendControl(static_cast<uint32_t>(at - ports_.begin()), console::kPortRemove, 1);
  }
  *at = nullptr;
}

VirtQueue* Serial::QueueAt(uint16_t index) const {
  return index < queues_.size() ? queues_[index] : nullptr;
}

VirtQueue* Serial::receive_queue(uint32_t port) const {
  return QueueAt(console::ReceiveQueue(port));
}

VirtQueue* Serial::transmit_queue(uint32_t port) const {
  return QueueAt(console::TransmitQueue(port));
}

// --- control queues
// ------------------------------------------------------------------------------------

void Serial::SendControl(uint32_t port, uint16_t event, uint16_t value, const std::string& text) {
  if (!multiport() || QueueAt(console::kControlReceive) == nullptr) return;
  if (waiting_.size() == kMaxWaiting) {
    return host().NeedsReset("the driver takes no control messages");
  }
  const Control message{port, event, value};
  std::string bytes(sizeof(message), '\0');
  std::memcpy(bytes.data(), &message, sizeof(message));
  waiting_.push_back(bytes + text);
  FlushControl();
}

void Serial::FlushControl() {
  VirtQueue* const queue = QueueAt(console::kControlReceive);
  if (queue == nullptr || !running_) return;
  bool completed = false;
  while (!waiting_.empty()) {
    auto popped = queue->Pop();
    if (!popped) return host().NeedsReset(popped.error().message);
    if (!*popped) break;
    DescriptorChain chain = std::move(**popped);
    Writer writer = chain.writer();
    const std::string& message = waiting_.front();
    // A buffer too small for the message gets what fits, as a UDP socket would give it.
    const size_t n = std::min<uint64_t>(message.size(), writer.remaining());
    Status status = writer.Write(std::as_bytes(std::span(message.data(), n)));
    waiting_.pop_front();
    if (status) status = queue->Complete(std::move(chain), writer.written());
    if (!status) return host().NeedsReset(status.error().message);
    completed = true;
  }
  if (completed) queue->Notify();
}

void Serial::ServeControl(VirtQueue& queue) {
  bool completed = false;
  for (uint16_t n = 0;; ++n) {
    if (n == queue.size()) {
      host().KickLater(console::kControlTransmit);
      break;
    }
    auto popped = queue.Pop();
    if (!popped) return host().NeedsReset(popped.error().message);
    if (!*popped) break;
    DescriptorChain chain = std::move(**popped);
    const auto message = chain.reader().Read<Control>();
    // A short message says nothing.
    if (Status status = queue.Complete(std::move(chain), 0); !status) {
      return host().NeedsReset(status.error().message);
    }
    completed = true;
    if (message) HandleControl(*message);
  }
  if (completed) queue.Notify();
}

void Serial::HandleControl(const Control& message) {
  if (message.event == console::kDeviceReady) {
    driver_ready_ = message.value == 1;
    for (uint32_t i = 0; driver_ready_ && i < ports_.size(); ++i) {
      if (ports_[i] != nullptr) SendControl(i, console::kPortAdd, 1);
    }
    return;
  }
  if (message.port >= ports_.size() || ports_[message.port] == nullptr) return;
  SerialPort& port = *ports_[message.port];
  if (message.event == console::kPortReady && message.value == 1) {
    Announce(port);
  } else if (message.event == console::kPortOpen) {
    port.SetGuestOpen(message.value != 0);
  }
}

void Serial::Announce(SerialPort& port) {
  const uint32_t number = port.number();
  if (port.console()) SendControl(number, console::kConsolePort, 1);
  if (!port.name().empty()) {
    // The name is the rest of the message, with its NUL as QEMU sends it.
    SendControl(number, console::kPortName, 1, port.name() + '\0');
  }
  if (port.host_open()) SendControl(number, console::kPortOpen, 1);
}

// --- VirtioDevice
// --------------------------------------------------------------------------------------

void Serial::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  std::memcpy(out.data(), std::as_bytes(std::span(&space_, 1)).data() + offset, out.size());
}

void Serial::WriteConfig(uint32_t offset, std::span<const uint8_t> in) {
  // A byte for the first console, at any time (5.3.4, emerg_wr).
  if (offset != offsetof(console::Config, emergency_write) || in.empty()) return;
  for (SerialPort* port : ports_) {
    if (port != nullptr && port->console()) return port->EmergencyWrite(in[0]);
  }
}

Status Serial::Activate(uint64_t features, std::span<VirtQueue* const> queues) {
  features_ = features;
  queues_.assign(queues.begin(), queues.end());
  for (VirtQueue* queue : queues_) {
    if (queue == nullptr) continue;
    queue->set_on_stop([this, queue] {
      for (SerialPort* port : ports_) {
        if (port != nullptr) port->DropChains(*queue);
      }
    });
  }
  if (only_port_works() && !ports_.empty() && ports_[0] != nullptr) ports_[0]->SetGuestOpen(true);
  return {};
}

bool Serial::Reset() {
  for (SerialPort* port : ports_) {
    if (port != nullptr) port->Stop();
  }
  queues_.clear();
  waiting_.clear();
  features_ = 0;
  driver_ready_ = false;
  return true;
}

Status Serial::OnMemory() {
  for (SerialPort* port : ports_) {
    if (port != nullptr) port->FollowMemory(host().memory());
  }
  return {};
}

void Serial::OnRunning(bool running) {
  running_ = running;
  if (!running) return;
  FlushControl();
  for (SerialPort* port : ports_) {
    if (port == nullptr) continue;
    port->Transmit();
    port->ReceiveBuffers();
  }
}

void Serial::HandleQueue(uint16_t index) {
  if (index == console::kControlReceive) return FlushControl();
  if (index == console::kControlTransmit) {
    // Without MULTIPORT there are no control queues.
    if (multiport()) ServeControl(*queues_[index]);
    return;
  }
  const uint32_t number = index < 2 ? 0U : static_cast<uint32_t>(index / 2) - 1;
  if (number >= ports_.size() || ports_[number] == nullptr) return;
  if (index % 2 == 0) {
    ports_[number]->ReceiveBuffers();
  } else {
    ports_[number]->Transmit();
  }
}

}  // namespace davit::virtio
