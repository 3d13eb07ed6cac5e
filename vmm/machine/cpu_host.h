// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What CPU devices (-device, device_add) ask of the machine. Owner: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "vmm/base/error.h"

namespace davit::machine {

// A CPU as a device names it; nullopt: not given.
struct CpuIds {
  std::optional<uint32_t> socket, die, core, thread, apic;
  std::optional<int32_t> node = {};  // NUMA; only checked: -numa says it
};

class CpuHost {
 public:
  virtual ~CpuHost() = default;
  // The device that a CPU is.
  struct Device {
    std::string driver;
    std::string id;                 // may be empty
    std::string path;               // QOM
    std::function<void()> ejected;  // the guest has let go of it: UnplugCpu() may follow
  };
  // Makes the CPU that the ids name and tells the guest, if it is there already. The result is its
  // index. Error: QEMU's words; nothing is left behind.
  virtual Result<uint32_t> PlugCpu(const CpuIds& ids, const Device& device) = 0;
  // The NUMA node of a CPU; nullopt: there are none.
  virtual std::optional<uint32_t> NodeOfCpu(uint32_t index) const = 0;
  // Asks the guest to eject it. Error: it cannot be asked.
  virtual Status RequestCpuRemoval(uint32_t index) = 0;
  // It goes, ejected or not.
  virtual void UnplugCpu(uint32_t index) = 0;
};

}  // namespace davit::machine
