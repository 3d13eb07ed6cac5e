// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A virtio serial device (virtio 1.2, 5.3): ports for consoles and for byte channels such as a
// guest agent's, each with a pair of queues, and a pair of control queues over which ports come,
// go, open and close. Ports: port.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/virtio/console/wire.h"
#include "vmm/virtio/core/device.h"

namespace davit::virtio {

class SerialPort;

struct SerialConfig {
  uint32_t max_ports = 31;  // 1..511
  bool emergency_write = true;
};

class Serial final : public VirtioDevice {
 public:
  explicit Serial(const SerialConfig& config);
  ~Serial() override;

  // --- ports: control thread, lock held ---
  // Takes the port in under `number` (nullopt: QEMU's choice). Error: the number is taken, out of
  // range or reserved, the name is taken. The port outlives its stay (RemovePort).
  Result<uint32_t> AddPort(SerialPort& port, std::optional<uint32_t> number);
  void RemovePort(SerialPort& port);
  // A control message to the driver; kept until it has a buffer for it.
  void SendControl(uint32_t port, uint16_t event, uint16_t value, const std::string& text = {});
  // The queues of a port; null: not there (yet).
  VirtQueue* receive_queue(uint32_t port) const;
  VirtQueue* transmit_queue(uint32_t port) const;
  bool multiport() const { return (features_ & console::kMultiport) != 0; }
  // Without MULTIPORT there is one port, number 0, which the driver has open as soon as it runs.
  bool only_port_works() const { return !queues_.empty() && !multiport(); }
  bool running() const { return running_; }
  DeviceHost& device_host() const { return host(); }

  // --- VirtioDevice ---
  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override;
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in) override;
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  Status OnMemory() override;
  void OnRunning(bool running) override;

 private:
  // Messages that wait for buffers of the driver; a driver that gives none while ports flap loses
  // the rest and is reset.
  static constexpr size_t kMaxWaiting = 4096;

  VirtQueue* QueueAt(uint16_t index) const;
  void FlushControl();
  void ServeControl(VirtQueue& queue);
  void HandleControl(const console::Control& message);
  void Announce(SerialPort& port);

  const SerialConfig config_;
  DeviceTraits traits_;
  console::Config space_{};
  std::vector<SerialPort*> ports_;  // by number; null: free

  uint64_t features_ = 0;
  std::vector<VirtQueue*> queues_;  // empty: not active
  bool driver_ready_ = false;       // it knows the control queues
  bool running_ = true;
  std::deque<std::string> waiting_;
};

}  // namespace davit::virtio
