// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See port.h.
#include "vmm/virtio/console/port.h"

#include <algorithm>
#include <array>
#include <utility>

#include "vmm/base/units.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kPiece = 4096;  // bytes copied from guest memory at a time
// Bytes that a port moves before others have their turn: a chain may be 4 GiB long, and many back
// ends take all that comes.
constexpr uint64_t kBytesATurn = 256 * kKiB;

}  // namespace

Result<std::unique_ptr<SerialPort>> SerialPort::Create(Serial& serial, SerialPortConfig config) {
  std::unique_ptr<SerialPort> port(new SerialPort(serial, std::move(config)));
  {
    const auto lock = serial.device_host().Lock();
    DAVIT_ASSIGN(port->number_, serial.AddPort(*port, port->config_.number));
    port->added_ = true;
    // A console is open on the host's side whether or not somebody looks.
    port->host_open_ = port->console();
    port->guest_open_ = serial.only_port_works() && port->number_ == 0;
  }
  if (backend::Chardev* const chardev = port->config_.chardev; chardev != nullptr) {
    // Opened already: the event comes within the call.
    DAVIT_TRY(chardev->Attach(port.get()));
    {
      const auto lock = serial.device_host().Lock();
      port->attached_ = true;
      if (!port->console()) chardev->set_frontend_listens(port->guest_open_);
    }
    chardev->OnWritable([self = port.get()] {
      const auto lock = self->serial_.device_host().Lock();
      self->Transmit();
    });
  }
  return port;
}

SerialPort::~SerialPort() {
  if (attached_) {
    config_.chardev->OnWritable({});
    (void)config_.chardev->Attach(nullptr);
    const auto lock = serial_.device_host().Lock();
    attached_ = false;
    config_.chardev->set_frontend_listens(true);  // what comes next does until it says otherwise
  }
  if (!added_) return;
  const auto lock = serial_.device_host().Lock();
  Stop();
  serial_.RemovePort(*this);
}

void SerialPort::SetGuestOpen(bool open) {
  if (guest_open_ == open) return;
  guest_open_ = open;
  if (attached_ && !console()) config_.chardev->set_frontend_listens(open);
  if (config_.on_guest_open) config_.on_guest_open(open);
  if (open) ReceiveBuffers();
}

void SerialPort::DropChains(const VirtQueue& queue) {
  if (&queue == serial_.receive_queue(number_)) DropReceive();
  if (&queue == serial_.transmit_queue(number_)) DropTransmit();
}

// A held buffer of the driver goes with its queue; one that is still there gets it back.
void SerialPort::DropReceive() {
  if (!rx_) return;
  if (VirtQueue* const queue = serial_.receive_queue(number_)) queue->Unpop(std::move(*rx_));
  rx_.reset();
}

void SerialPort::DropTransmit() {
  if (!tx_) return;
  if (VirtQueue* const queue = serial_.transmit_queue(number_)) {
    (void)queue->Complete(std::move(*tx_), 0);
  }
  tx_.reset();
}

void SerialPort::Stop() {
  DropReceive();
  DropTransmit();
  SetGuestOpen(false);
}

// --- guest to host
// -------------------------------------------------------------------------------------

void SerialPort::EmergencyWrite(uint8_t byte) {
  if (config_.chardev == nullptr) return;
  const std::byte data{byte};
  (void)config_.chardev->Write({&data, 1});
}

void SerialPort::FollowMemory(const memory::GuestMemory& next) {
  if (rx_) rx_->FollowMemory(next);
  if (tx_) tx_->FollowMemory(next);
}

bool SerialPort::WriteOut(const DescriptorChain& chain, uint64_t& done, uint64_t& left) {
  // Nobody listens: dropped.
  if (config_.chardev == nullptr || !host_open_) return true;
  Reader reader = chain.reader();
  if (!reader.Skip(done)) return true;
  std::array<std::byte, kPiece> piece;
  while (reader.remaining() != 0) {
    if (left == 0) return false;
    const auto data = std::span(piece).first(std::min({reader.remaining(), kPiece, left}));
    if (!reader.Read(data)) return true;
    const size_t n = config_.chardev->Write(data);
    done += n;
    left -= n;
    if (n < data.size()) return false;
  }
  return true;
}

void SerialPort::Transmit() {
  VirtQueue* const queue = serial_.transmit_queue(number_);
  if (queue == nullptr || !serial_.running()) return;
  DeviceHost& host = serial_.device_host();
  bool completed = false;
  uint64_t left = kBytesATurn;
  for (uint16_t n = 0;; ++n) {
    if (n == queue->size() || left == 0) {
      host.KickLater(console::TransmitQueue(number_));
      break;
    }
    if (!tx_) {
      auto popped = queue->Pop();
      if (!popped) return host.NeedsReset(popped.error().message);
      if (!*popped) break;
      tx_.emplace(std::move(**popped));
      tx_done_ = 0;
    }
    if (!WriteOut(*tx_, tx_done_, left)) {
      if (left == 0) continue;
      break;  // the rest when the chardev has room
    }
    DescriptorChain chain = std::move(*tx_);
    tx_.reset();
    if (Status status = queue->Complete(std::move(chain), 0); !status) {
      return host.NeedsReset(status.error().message);
    }
    completed = true;
  }
  if (completed) queue->Notify();
}

// --- host to guest
// -------------------------------------------------------------------------------------

void SerialPort::ReceiveBuffers() {
  if (!starved_ || !attached_ || !PopReceiveChain()) return;
  starved_ = false;
  config_.chardev->ResumeInput();
}

// Buffers without a writable byte go back as they are.
bool SerialPort::PopReceiveChain() {
  if (rx_) return true;
  VirtQueue* const queue = serial_.receive_queue(number_);
  // A channel that the guest has not opened takes nothing; the bytes wait in the chardev.
  if (queue == nullptr || !serial_.running() || !guest_open_) return false;
  DeviceHost& host = serial_.device_host();
  bool completed = false;
  for (uint16_t n = 0;; ++n) {
    if (n == queue->size()) {
      host.KickLater(console::ReceiveQueue(number_));
      break;
    }
    auto popped = queue->Pop();
    if (!popped) {
      host.NeedsReset(popped.error().message);
      return false;
    }
    if (!*popped) break;
    if ((*popped)->writable_bytes() != 0) {
      rx_.emplace(std::move(**popped));
      break;
    }
    if (Status status = queue->Complete(std::move(**popped), 0); !status) {
      host.NeedsReset(status.error().message);
      return false;
    }
    completed = true;
  }
  if (completed) queue->Notify();
  return rx_.has_value();
}

size_t SerialPort::CanReceive() {
  const auto lock = serial_.device_host().Lock();
  starved_ = !PopReceiveChain();
  return starved_ ? 0 : rx_->writable_bytes();
}

void SerialPort::Receive(std::span<const std::byte> data) {
  const auto lock = serial_.device_host().Lock();
  VirtQueue* const queue = serial_.receive_queue(number_);
  if (queue == nullptr || !rx_) return;  // the queue went in between
  DescriptorChain chain = std::move(*rx_);
  rx_.reset();
  Writer writer = chain.writer();
  Status status = writer.Write(data.first(std::min<uint64_t>(data.size(), writer.remaining())));
  if (status) status = queue->Complete(std::move(chain), writer.written());
  if (!status) return serial_.device_host().NeedsReset(status.error().message);
  queue->Notify();
}

void SerialPort::OnEvent(backend::ChardevEvent event) {
  // Consoles stay open; what a break means there is nobody's business.
  if (console() || event == backend::ChardevEvent::kBreak) return;
  const auto lock = serial_.device_host().Lock();
  const bool open = event == backend::ChardevEvent::kOpened;
  if (open == host_open_) return;
  host_open_ = open;
  serial_.SendControl(number_, console::kPortOpen, open ? 1 : 0);
  if (!open) Transmit();  // what waited for room is dropped
}

}  // namespace davit::virtio
