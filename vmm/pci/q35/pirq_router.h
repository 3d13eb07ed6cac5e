// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// From the INTx pins of the root bus to the interrupt controllers, as the ICH9 does it (data book,
// 5.8 and 10.1): pins of a device go to PIRQA to PIRQH; a PIRQ is always on pin 16 to 23 of the
// IOAPIC, and on an input of the 8259s too when its routing register says so. The SCI shares those
// inputs. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

#include "vmm/irq/irq_line.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {

class PirqRouter final : public IntxSink {
 public:
  static constexpr unsigned kPirqs = 8;
  static constexpr unsigned kGsis = 24;
  static constexpr uint8_t kNotRouted = 0x80;
  using Lines = std::array<irq::IrqLine*, kGsis>;

  explicit PirqRouter(const Lines& lines);  // by GSI; outlive the router

  void SetIntx(uint8_t slot, uint8_t pin, bool level) override;
  // PIRQx_ROUT: bit 7 set: not at the 8259s; else bits 0-3 are the input.
  void SetRoute(unsigned pirq, uint8_t value);
  // DxxIR: four bits a pin, of which three are the PIRQ.
  void SetSlot(unsigned slot, uint16_t value);
  // Routing of slots and PIRQs as at reset.
  void Reset();

  irq::IrqLine& sci() { return sci_; }
  // Which GSI the SCI drives; nullopt: none.
  void SetSciGsi(std::optional<unsigned> gsi);

 private:
  class Sci final : public irq::IrqLine {
   public:
    explicit Sci(PirqRouter& router) : router_(router) {}
    void Set(bool level) override;

   private:
    PirqRouter& router_;
  };

  void ResetRouting();
  void Update();  // mutex_ held

  const Lines lines_;
  Sci sci_{*this};
  std::mutex mutex_;  // guards what follows
  std::array<std::array<uint8_t, 4>, 32> pirq_of_{};
  std::array<std::array<uint16_t, 4>, 32> sources_{};  // that assert a pin
  std::array<uint8_t, kPirqs> routes_{};
  std::optional<unsigned> sci_gsi_;
  bool sci_level_ = false;
  uint32_t driven_ = 0;  // GSIs held high
};

}  // namespace davit::pci
