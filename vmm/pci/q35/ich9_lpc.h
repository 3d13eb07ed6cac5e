// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The LPC bridge of the ICH9 (8086:2918), 00:1f.0 (data book, 13.1): places the PM block
// (PMBASE, ACPI_CNTL), chooses the SCI, routes PIRQs, and has the root complex registers (RCBA,
// 10.1) that say which PIRQ the chipset's devices use. The devices behind it (serial ports, clock,
// ...) are the board's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "vmm/bus/bus.h"
#include "vmm/pci/function.h"
#include "vmm/pci/q35/pirq_router.h"

namespace davit::pci {

// All outlive the bridge.
struct Ich9LpcDeps {
  bus::Bus& ports;
  bus::Bus& mmio;
  bus::BusDevice& pm;  // the PM block of 128 ports
  PirqRouter& router;
  // The NO_REBOOT bit of the general control register, at each reset and write; may be empty. Any
  // thread; takes no lock but its own.
  std::function<void(bool)> no_reboot = {};
};

class Ich9Lpc final : public Function {
 public:
  static constexpr uint32_t kPmbase = 0x40;
  static constexpr uint32_t kAcpiControl = 0x44;
  static constexpr uint32_t kPirqRoute = 0x60;       // A to D
  static constexpr uint32_t kPirqRouteUpper = 0x68;  // E to H
  static constexpr uint32_t kLpcEnable = 0x82;
  static constexpr uint32_t kGenPmcon1 = 0xa0;
  static constexpr uint32_t kRcba = 0xf0;
  static constexpr uint8_t kAcpiEnable = 0x80;

  explicit Ich9Lpc(const Ich9LpcDeps& deps);
  ~Ich9Lpc() override;

  // Which of the first two serial ports are there: LPC_EN says so from the next reset on. The
  // vCPUs are parked.
  void SetSerialPorts(bool com1, bool com2);

 protected:
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnConfigReset() override;
  void OnReset() override;

 private:
  // A range that software moves: it decodes nowhere while something else is there.
  class Window {
   public:
    Window(bus::Bus& bus, uint64_t size, const char* name, bus::BusDevice& device)
        : bus_(bus), size_(size), name_(name), device_(device) {}
    ~Window() { Move(std::nullopt); }
    void Move(std::optional<uint64_t> base);

   private:
    bus::Bus& bus_;
    const uint64_t size_;
    const char* const name_;
    bus::BusDevice& device_;
    std::optional<uint64_t> base_;
  };

  // Root complex register block, 16 KiB.
  class Rcrb final : public bus::BusDevice {
   public:
    static constexpr uint64_t kSize = 0x4000;
    Rcrb(PirqRouter& router, std::function<void(bool)> no_reboot)
        : router_(router), no_reboot_(std::move(no_reboot)) {
      Reset();
    }
    void Reset();
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    PirqRouter& router_;
    const std::function<void(bool)> no_reboot_;
    std::mutex mutex_;  // guards bytes_
    std::array<uint8_t, kSize> bytes_{};
  };

  // Host lock held.
  void PlacePm();
  void PlaceRcrb();
  void Route(uint32_t offset, uint32_t size);

  const Ich9LpcDeps deps_;
  uint8_t serial_ports_ = 0;  // bits of LPC_EN
  Rcrb rcrb_;
  Window pm_window_;
  Window rcrb_window_;
};

}  // namespace davit::pci
