// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// pcie-root-port: an Express port on the root bus with one slot behind it, as QEMU's generic one
// (1b36:000c): MSI-X, AER, ACS and slot registers (PCI Express 4.0, 7.5.3.9 to 7.5.3.11). The slot
// shows presence and link of function 0, completes commands at once, and is one for hot-plug (6.7).
//
// A card that comes is told by "presence detect changed" and the attention button. Who wants it out
// presses that button; the guest agrees by switching power and its lamp off. From then on the slot
// shows itself empty and answers nothing, and whoever owns the card is told to take it out.
//
// Or the slot is served by ACPI (FollowAcpi()): then others tell the guest, which ejects the card,
// and the slot's registers, as QEMU's, say nothing of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "vmm/pci/bridge.h"
#include "vmm/pci/msix.h"

namespace davit::pci {

struct RootPortConfig {
  FunctionOptions function{.driver = "pcie-root-port", .id = {}};
  std::string bus_name;  // the id, or "pcie.N"
  uint8_t chassis = 0;
  uint16_t slot = 0;
  uint8_t port = 0;
  bool hotplug = true;
  bool power_controller = true;
  // The guest lets the cards of the slot go: they are to be detached, then SlotEmptied(). Any
  // thread, the host lock held; must not block. May be empty.
  std::function<void(const Function* port)> powered_off = {};
};

class RootPort final : public Bridge {
 public:
  // host: on whose root bus it will be attached.
  RootPort(const RootPortConfig& config, HostBridge& host);
  ~RootPort() override;

  const RootPortConfig& config_values() const { return values_; }
  void OnChild(Function& child, ChildChange change) override;

  bool powered() const override;

  // The guest hears of the slot by ACPI, where it has this number. Before anything is behind it.
  void FollowAcpi(uint32_t number) { acpi_ = number; }
  std::optional<uint32_t> acpi() const { return acpi_; }
  // The guest ejects what is in the slot: as if it had switched it off. Any thread, no lock.
  void Eject();

  // --- hot-plug: control thread, no lock; errors are QEMU's ---
  // Whether a card may be plugged in now.
  Status CheckPlug();
  // A card shall go. True: the slot is off, and the guest is told that it is empty; the card may go
  // now. False: the guest was asked.
  Result<bool> AskUnplug();
  // The guest has let the cards go, and they are not out yet.
  bool emptying();
  // They are out.
  void SlotEmptied();

 protected:
  Status Realize(Bus& bus) override;  // error: chassis and slot in use by another port
  void OnConfigWriting(uint32_t offset, std::span<const uint8_t> data) override;
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnConfigReset() override;

 private:
  // --- host lock ---
  void ShowChild(bool present);  // presence and link
  void Notify();                 // the hot-plug interrupt follows control and status
  void AddStatus(uint16_t bits);
  bool SlotIsOff() const;  // power and lamp
  void OnControlWritten();
  void LetGo();

  const RootPortConfig values_;
  std::optional<uint32_t> acpi_;
  uint32_t express_ = 0;
  bool notified_ = false;
  bool was_powered_ = true;
  bool was_off_ = false;
  bool emptying_ = false;                // let go, and not yet out
  std::optional<uint16_t> kept_events_;  // of a write that clears too much
  bool interlock_ = false;               // the write asks for it
  std::unique_ptr<Msix> msix_;
};

}  // namespace davit::pci
