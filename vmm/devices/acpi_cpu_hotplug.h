// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The registers of CPU hot-plug by ACPI, as QEMU documents them (docs/specs/acpi_cpu_hotplug): 32
// I/O ports that begin as a bitmap of the CPUs that are there, by APIC id. A guest whose ACPI code
// knows the other interface writes a zero byte at their start; from then on the first 12 ports are
// a selector, flags, commands and data of one CPU at a time, and stay so for the VM's life, through
// resets too:
//
//   offset  size  read                                      write
//   0       4     0                                         selector: index of a CPU
//   4       1     bit 0 present, 1 inserted, 2 to be        1 and 2 clear that event; 3 ejects the
//                 removed, 4 left to firmware               CPU; 4 changes who ejects
//   5       1                                               command
//   8       4     data of the command                       data of the command
//
// Commands: 0 moves the selector on to a CPU with an event, 1 and 2 take what _OST says (event,
// status), 3 gives the APIC id. Each event of the host raises the callback of the same name, for a
// GPE. CPU 0 cannot be ejected. Registers, state(): any thread. The rest: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "vmm/bus/bus.h"

namespace davit::devices {

class AcpiCpuHotplug final : public bus::BusDevice {
 public:
  static constexpr uint64_t kPorts = 32;

  struct Cpu {
    uint32_t apic_id = 0;
    bool present = false;
    bool inserting = false;
    bool removing = false;
    bool firmware_ejects = false;
    bool asked = false;  // to go, and the guest has not answered
    uint32_t ost_event = 0;
    uint32_t ost_status = 0;
  };
  // Called with no lock held; all but `event` on the thread that wrote the register, which they
  // must not wait for.
  struct Callbacks {
    std::function<void()> event;
    std::function<void(uint32_t index)> eject;                     // it counts as gone already
    std::function<void(uint32_t index, const Cpu& cpu)> reported;  // as it is now
    // After `reported`: the guest, which was asked to, will not give the CPU back. May be empty.
    std::function<void(uint32_t index)> refused = {};
  };

  // One CPU an APIC id, in the order of their indexes; none is there yet.
  AcpiCpuHotplug(const std::vector<uint32_t>& apic_ids, Callbacks callbacks);

  // The CPU is there. hotplugged: the guest is told.
  void Plug(uint32_t index, bool hotplugged);
  // It is gone, ejected or not.
  void Unplug(uint32_t index);
  // The guest is asked to give it back. False: it cannot be, since it knows the bitmap alone.
  bool RequestRemoval(uint32_t index);

  // The guest reads one CPU at a time: it knows what to do about a removal, and what _OST is.
  bool modern() const;
  Cpu cpu(uint32_t index) const;
  size_t size() const { return size_; }

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  enum class Command : uint8_t { kNextWithEvent = 0, kOstEvent = 1, kOstStatus = 2, kApicId = 3 };
  enum class Act : uint8_t { kNone, kEject, kReport, kRefuse };

  // mutex_ held.
  uint8_t BitmapByte(uint64_t offset) const;
  uint32_t ReadModern(uint64_t offset) const;
  Act WriteModern(uint64_t offset, uint32_t value);
  bool WriteFlags(Cpu& cpu, uint8_t value);  // true: it was ejected
  void SelectNextWithEvent();

  const Callbacks callbacks_;
  const size_t size_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Cpu> cpus_;
  bool modern_ = false;
  uint32_t selector_ = 0;
  Command command_ = Command::kNextWithEvent;
};

}  // namespace davit::devices
