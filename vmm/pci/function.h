// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One PCI function: configuration space, BARs, INTx pin (PCI 3.0, section 6). A device derives from
// it: the constructor and Realize() fill the configuration space, BARs point at its BusDevices,
// hooks tell it of changes.
//
// Threads: made, attached, detached and destroyed on the control thread. Configuration accesses
// come on vCPU threads with the lock of the host held, and so do the hooks that say "host lock".
// Lock order: host, then the device's own, then the interrupt's (inside SetIntx, Msix, Msi). A
// device that holds its own lock never calls into configuration space.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/bus/bus.h"
#include "vmm/pci/config_space.h"
#include "vmm/pci/registers.h"

namespace davit::pci {

class Bridge;
class Bus;
class HostBridge;

struct Identity {
  uint16_t vendor = 0;
  uint16_t device = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;  // 24 bits: class, subclass, programming interface
  uint16_t subsystem_vendor = 0x1af4;
  uint16_t subsystem = 0x1100;
};

struct FunctionOptions {
  std::string driver;  // "virtio-rng-pci": for errors and logs
  std::string id;      // may be empty
  bool multifunction = false;
};

enum class BarKind : uint8_t { kIo, kMemory32, kMemory64 };  // kMemory64 takes two indices

struct BarSpec {
  BarKind kind = BarKind::kMemory32;
  bool prefetchable = false;
  uint64_t size = 0;                 // power of two, at least 2
  bus::BusDevice* device = nullptr;  // outlives the function
};

// What a capability with state adds to a function (Msix, Msi). Host lock held.
class ConfigListener {
 public:
  virtual ~ConfigListener() = default;
  // Bytes [offset, offset + size) were written (masks applied).
  virtual void OnConfigWritten(uint32_t offset, uint32_t size) = 0;
  virtual void OnConfigReset() = 0;
};

class Function {
 public:
  static constexpr int kBars = 6;

  Function(const Identity& identity, FunctionOptions options);
  virtual ~Function();  // detached
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;

  const std::string& driver() const { return options_.driver; }
  const std::string& id() const { return options_.id; }
  virtual Bridge* as_bridge() { return nullptr; }
  bool multifunction() const { return options_.multifunction; }
  // Where it is; null while detached.
  Bus* bus() const { return bus_; }
  HostBridge* host() const { return host_; }
  uint8_t devfn() const { return devfn_; }

  ConfigSpace& config() { return config_; }
  const ConfigSpace& config() const { return config_; }

  // --- before it is attached, or in Realize() ---
  void AddBar(int index, const BarSpec& spec);
  void UsePin(uint8_t pin);                // 1 (INTA) to 4
  void AddListener(ConfigListener* one) {  // a member of the device
    listeners_.push_back(one);
  }

  // --- any thread, never blocks ---
  // The device's interrupt condition; the pin follows unless the driver disabled INTx.
  void SetIntx(bool level);
  bool bus_master() const { return bus_master_.load(std::memory_order_acquire); }

  // --- a vCPU's accesses, host lock held. offset < 4096, inside a dword or split by the caller ---
  void ConfigRead(uint32_t offset, std::span<uint8_t> data);
  void ConfigWrite(uint32_t offset, std::span<const uint8_t> data);

  // Back to power-on: the device first (OnReset, no lock), then configuration space and mappings.
  // Control thread, vCPUs parked.
  void Reset();

  struct BarInfo {
    int index = 0;
    BarSpec spec;
    uint64_t value = 0;              // as programmed
    std::optional<uint64_t> mapped;  // where it decodes now
  };
  // Host lock held.
  std::vector<BarInfo> bars() const;

 protected:
  // The function is about to be attached to `bus`: what depends on the place (an Express capability
  // only behind a port). After it the configuration space is what Reset() goes back to.
  virtual Status Realize(Bus& bus) {
    (void)bus;
    return {};
  }
  // Before configuration bytes are read: refresh those that have a life of their own. Host lock.
  virtual void OnConfigRead(uint32_t offset, uint32_t size) {
    (void)offset;
    (void)size;
  }
  // Software is about to write `data`, as it is. Host lock.
  virtual void OnConfigWriting(uint32_t offset, std::span<const uint8_t> data) {
    (void)offset;
    (void)data;
  }
  // After bytes were written (masks applied) and mappings have followed. Host lock.
  virtual void OnConfigWritten(uint32_t offset, uint32_t size) {
    (void)offset;
    (void)size;
  }
  // BAR `index` decodes at `base` now, or nowhere. Host lock.
  virtual void OnBarMapped(int index, std::optional<uint64_t> base) {
    (void)index;
    (void)base;
  }
  // Bus mastering was switched. Host lock.
  virtual void OnBusMaster(bool enabled) { (void)enabled; }
  // Power-on state of the device itself. Control thread, no lock.
  virtual void OnReset() {}
  // Function-level reset, reset of the bus, or loss of power (PCI Express 4.0, 6.6): the device
  // at once, without blocking; configuration space follows. Host lock.
  virtual void OnFunctionLevelReset() {}
  // Configuration space is back at power-on: registers that show a state are set anew. Host lock.
  virtual void OnConfigReset() {}

  // Host lock: for a device that resets itself (FLR).
  void ResetConfig();
  // Realize(): 4 KiB of configuration space, with the Express capability at `capability`. Function-
  // level reset is served when it offers that.
  void MakeExpress(uint32_t capability) {
    config_.MakeExpress();
    express_ = capability;
  }

 private:
  friend class Bridge;
  friend class Bus;
  friend class HostBridge;
  struct Bar {
    BarSpec spec;
    std::optional<uint64_t> mapped;
    std::optional<uint64_t> refused;  // asked for, but something else is there
  };

  std::optional<uint64_t> Wanted(int index) const;  // where BAR `index` should decode
  uint64_t BarValue(int index) const;
  uint32_t BarOffset(int index) const { return kBar0 + 4 * static_cast<uint32_t>(index); }
  // Maps and unmaps to what the registers say. True: something was unmapped.
  bool UpdateMappings();
  void ApplyCommand();
  void Connect(Bus* bus, uint8_t devfn);  // host lock; null: away
  void UpdatePin();                       // interrupt lock held

  ConfigSpace config_;
  const FunctionOptions options_;
  std::array<Bar, kBars> bars_{};
  std::vector<ConfigListener*> listeners_;
  Bus* bus_ = nullptr;
  HostBridge* host_ = nullptr;
  uint8_t devfn_ = 0;
  uint32_t express_ = 0;
  std::atomic<bool> bus_master_{false};

  std::mutex irq_mutex_;
  std::atomic<bool> intx_{false};
  bool intx_disabled_ = false;
  bool pin_asserted_ = false;
  uint8_t root_slot_ = 0, root_pin_ = 0;  // where the pin arrives at the root bus
};

}  // namespace davit::pci
