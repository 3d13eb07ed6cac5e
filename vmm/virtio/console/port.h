// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A port of a virtio serial device: virtconsole, or virtserialport with a name (guest agent), over
// a chardev. Flow control both ways: a full chardev holds the driver's buffers, a driver without
// buffers stops the chardev. Bytes for a chardev that nobody has connected to are dropped, as with
// QEMU. Owner: control thread; "lock" is the serial device's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vmm/backend/char/chardev.h"
#include "vmm/virtio/console/serial.h"

namespace davit::virtio {

struct SerialPortConfig {
  bool console = false;                 // virtconsole
  std::string name;                     // virtserialport: what the guest sees
  std::optional<uint32_t> number;       // nr=
  backend::Chardev* chardev = nullptr;  // may be null; outlives the port
  // The guest opened or closed the port. Lock held; a reset comes on a vCPU's thread.
  std::function<void(bool open)> on_guest_open;
};

class SerialPort final : private backend::ChardevClient {
 public:
  // Error: as Serial::AddPort(), or the chardev is in use. The device outlives the port.
  static Result<std::unique_ptr<SerialPort>> Create(Serial& serial, SerialPortConfig config);
  ~SerialPort() override;

  uint32_t number() const { return number_; }
  const std::string& name() const { return config_.name; }
  bool console() const { return config_.console; }

  // --- for Serial, lock held ---
  bool host_open() const { return host_open_; }
  bool guest_open() const { return guest_open_; }
  void SetGuestOpen(bool open);
  void Transmit();                          // the driver queued bytes
  void ReceiveBuffers();                    // the driver queued buffers
  void DropChains(const VirtQueue& queue);  // what is held here of this queue goes back
  void Stop();                              // the queues go, and the guest that had opened the port
  void EmergencyWrite(uint8_t byte);
  void FollowMemory(const memory::GuestMemory& next);  // what is held here

 private:
  SerialPort(Serial& serial, SerialPortConfig config)
      : serial_(serial), config_(std::move(config)) {}

  // --- backend::ChardevClient (no lock held) ---
  size_t CanReceive() override;
  void Receive(std::span<const std::byte> data) override;
  void OnEvent(backend::ChardevEvent event) override;

  bool PopReceiveChain();
  void DropReceive();
  void DropTransmit();
  // Writes at most `left` bytes of `chain` from `done` on, and counts both; true: its end is
  // reached. False with some of `left` over: the chardev is full.
  bool WriteOut(const DescriptorChain& chain, uint64_t& done, uint64_t& left);

  Serial& serial_;
  const SerialPortConfig config_;
  uint32_t number_ = 0;
  bool attached_ = false;
  bool added_ = false;
  bool host_open_ = false;
  bool guest_open_ = false;
  bool starved_ = false;               // the chardev was told that there is no room
  std::optional<DescriptorChain> rx_;  // a buffer ready for the chardev's bytes
  std::optional<DescriptorChain> tx_;  // one that the chardev has not taken whole
  uint64_t tx_done_ = 0;               // bytes of it
};

}  // namespace davit::virtio
