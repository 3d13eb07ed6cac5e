// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a q35's fw_cfg device holds: sizes and counts, the kernel's parts as firmware's boot code
// wants them, memory map, ACPI tables with their loader script. Control thread.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "vmm/base/error.h"
#include "vmm/boot/acpi/q35.h"
#include "vmm/boot/image.h"
#include "vmm/boot/payload.h"
#include "vmm/devices/fw_cfg.h"
#include "vmm/machine/config.h"
#include "vmm/memory/live_memory.h"

namespace davit::machine {

// Guest RAM as the device's DMA reaches it: that of now, plugged memory too.
class FwCfgRam final : public devices::FwCfg::Memory {
 public:
  explicit FwCfgRam(const memory::LiveMemory& memory) : memory_(memory) {}
  Status Read(uint64_t address, std::span<std::byte> out) override {
    return memory_.Get().Read(memory::GuestAddress{address}, out);
  }
  Status Write(uint64_t address, std::span<const std::byte> in) override {
    return memory_.Get().Write(memory::GuestAddress{address}, in);
  }
  Status Fill(uint64_t address, uint64_t size, std::byte value) override {
    return memory_.Get().Fill(memory::GuestAddress{address}, size, value);
  }

 private:
  const memory::LiveMemory& memory_;
};

struct FwCfgContents {
  std::string uuid;  // text; empty: zeros
  uint16_t max_cpus = 1;
  bool no_graphic = false;
  memory::GuestMemory memory;        // what the machine starts with
  uint64_t reserved_memory_end = 0;  // of the window for more, where PCI may begin; 0: no window
  std::vector<std::byte> smbios;     // the structures
  std::vector<uint64_t> numa;        // the item of NUMA nodes
};

// What -fw_cfg names. Error: begins with the option.
Status AddUserFiles(devices::FwCfg& device, const std::vector<FwCfgConfig>& items);

Status FillFwCfg(devices::FwCfg& device, const FwCfgContents& contents,
                 const std::optional<boot::Q35Acpi>& acpi);

// The tables anew, where FillFwCfg() has put some.
void SetAcpiFiles(devices::FwCfg& device, const boot::Q35Acpi& acpi);

// Where davit would put the parts of a bzImage for firmware, and the parts. The images outlive the
// device.
Status AddKernelToFwCfg(devices::FwCfg& device, const boot::Image& kernel,
                        const boot::Image* initrd, const std::string& cmdline,
                        const boot::LoadedKernel& loaded);

}  // namespace davit::machine
