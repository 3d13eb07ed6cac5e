// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A PCI bus: 32 slots of 8 functions. The root bus belongs to the HostBridge, others to a Bridge
// (bridge.h). It does not own its functions: attach them after they are made, detach them before
// they die. Control thread, but for Find(), which holds the host lock.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/pci/function.h"

namespace davit::pci {

class Bridge;

class Bus {
 public:
  // bridge: null for the root bus. slots: 32, or 1 below an Express port.
  Bus(HostBridge& host, Bridge* bridge, std::string name, unsigned slots);
  ~Bus();  // empty
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  const std::string& name() const { return name_; }
  bool is_root() const { return bridge_ == nullptr; }
  Bridge* bridge() const { return bridge_; }
  HostBridge& host() const { return host_; }

  // Puts the function at devfn, or in the first free slot. Error: QEMU's text ("PCI: slot 3
  // function 0 not available for virtio-rng-pci, in use by ..."), the multifunction rules, or the
  // function's own Realize(). hot: the guest may run, and is told by the bridge above.
  Status Attach(Function& function, std::optional<uint8_t> devfn, bool hot = false);
  // Where Attach() would put a function of this driver. Error: its text, as far as the place goes.
  Result<uint8_t> Place(const std::string& driver, std::optional<uint8_t> devfn,
                        bool hot = false) const;
  // Its BARs are unmapped and its interrupt is low when this returns; no vCPU is inside it.
  void Detach(Function& function);

  Function* Find(uint8_t devfn) const { return functions_[devfn]; }
  // By devfn.
  std::vector<Function*> functions() const;

 private:
  friend class HostBridge;
  Result<uint8_t> FreePlace(const std::string& driver, std::optional<uint8_t> devfn) const;
  Status CheckMultifunction(const Function& function, uint8_t devfn) const;

  HostBridge& host_;
  Bridge* const bridge_;
  const std::string name_;
  const unsigned slots_;
  std::array<Function*, 256> functions_{};
};

}  // namespace davit::pci
