// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// pcie-root-port: an Express port on the root bus with one slot behind it, as QEMU's generic one
// (1b36:000c): MSI-X, AER, ACS and slot registers (PCI Express 4.0, 7.5.3.9 to 7.5.3.11). The slot
// shows presence and link of function 0 and completes commands at once; hot-plug events are raised
// by whoever plugs.
#pragma once

#include <cstdint>
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
};

class RootPort final : public Bridge {
 public:
  // host: on whose root bus it will be attached.
  RootPort(const RootPortConfig& config, HostBridge& host);
  ~RootPort() override;

  const RootPortConfig& config_values() const { return values_; }
  void OnChild(Function& child, bool present) override;

  bool powered() const override;

 protected:
  Status Realize(Bus& bus) override;  // error: chassis and slot in use by another port
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnConfigReset() override;

 private:
  // --- host lock ---
  void ShowChild(bool present);  // presence and link
  void Notify();                 // the hot-plug interrupt follows control and status

  const RootPortConfig values_;
  uint32_t express_ = 0;
  bool notified_ = false;
  bool was_powered_ = true;
  std::unique_ptr<Msix> msix_;
};

}  // namespace davit::pci
