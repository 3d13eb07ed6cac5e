// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The root of a PCI hierarchy: root bus, the ways to configuration space (ports 0xcf8/0xcfc, and
// the ECAM window, PCI Express 4.0, 7.2), the address spaces that BARs are mapped into, and where
// interrupts go. The host bridge's own function (00:00.0) is the board's and attached like others.
//
// One lock serialises configuration accesses of all vCPUs. A BAR that the guest puts over RAM, over
// another claim or beyond its space decodes nowhere until it is moved or the obstacle goes away.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/bus/bus.h"
#include "vmm/irq/msi.h"
#include "vmm/pci/bus.h"
#include "vmm/pci/function.h"

namespace davit::pci {

// Where INTx of the root bus goes: the board's PIRQ router. Any thread; must not block, and takes
// no lock under which configuration space or a device is called.
class IntxSink {
 public:
  virtual ~IntxSink() = default;
  // One more (true) or one less source asserts `pin` (0 = INTA) of root-bus device `slot`. Devices
  // behind bridges arrive here swizzled. The sink counts: a line is low when its count is 0.
  virtual void SetIntx(uint8_t slot, uint8_t pin, bool level) = 0;
};

struct HostBridgeDeps {
  bus::Bus& ports;
  bus::Bus& mmio;
  irq::MsiController& msi;
  IntxSink& intx;
  // Whether a range touches guest RAM (or other space that no BAR may cover); may be empty.
  std::function<bool(uint64_t base, uint64_t size)> reserved;
};

// All of deps outlive it.
class HostBridge {
 public:
  HostBridge(const HostBridgeDeps& deps, std::string root_name);  // "pcie.0"
  ~HostBridge();                                                  // every bus empty
  HostBridge(const HostBridge&) = delete;
  HostBridge& operator=(const HostBridge&) = delete;

  // Claims ports 0xcf8 to 0xcff. Error: taken.
  Status ClaimPorts();
  // Who has port 0xcf9 (the reset control register), which lies inside the address register: byte
  // accesses there go to it at offset 0. Before the guest runs.
  void SetResetPort(bus::BusDevice* device) { reset_port_ = device; }
  // Puts the ECAM window of `buses` buses (1 MiB each) at `base`; nullopt: none. Host lock held, as
  // in a hook of the MCH's function; or by LockedSetEcam().
  void SetEcam(std::optional<uint64_t> base, unsigned buses);
  void LockedSetEcam(std::optional<uint64_t> base, unsigned buses);
  std::optional<uint64_t> ecam_base() const { return ecam_base_; }

  Bus& root() { return root_; }
  // By name, anywhere in the hierarchy; null: none (the caller says "Bus 'X' not found").
  Bus* FindBus(std::string_view name);
  // By device id; null: none.
  Function* FindFunction(std::string_view id);
  // Every function, parents before children. Control thread.
  std::vector<Function*> AllFunctions();

  // All functions, devices first, then the address register. Control thread, vCPUs parked.
  void Reset();

  // Configuration accesses by number, as a vCPU makes them. Absent: all ones / dropped.
  void Read(uint8_t bus, uint8_t devfn, uint32_t offset, std::span<uint8_t> data);
  void Write(uint8_t bus, uint8_t devfn, uint32_t offset, std::span<const uint8_t> data);

  std::unique_lock<std::mutex> Lock() { return std::unique_lock(mutex_); }
  irq::MsiController& msi() { return deps_.msi; }

 private:
  friend class Function;
  friend class Bus;
  friend class Bridge;

  class AddressPorts final : public bus::BusDevice {  // 0xcf8 to 0xcff
   public:
    explicit AddressPorts(HostBridge& host) : host_(host) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    HostBridge& host_;
  };
  class Ecam final : public bus::BusDevice {
   public:
    explicit Ecam(HostBridge& host) : host_(host) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    HostBridge& host_;
  };

  // --- mutex_ held ---
  Function* Route(uint8_t bus, uint8_t devfn);
  bool Map(const Function& function, int bar, uint64_t base);
  void Unmap(BarKind kind, uint64_t base);
  void UpdateBehind(Bus& bus);  // mappings of everything on it and below
  void RetryRefused();

  const HostBridgeDeps deps_;
  std::mutex mutex_;
  Bus root_;
  AddressPorts address_ports_{*this};
  Ecam ecam_{*this};
  bool ports_claimed_ = false;
  bus::BusDevice* reset_port_ = nullptr;
  uint32_t address_ = 0;  // 0xcf8
  std::optional<uint64_t> ecam_base_;
};

}  // namespace davit::pci
