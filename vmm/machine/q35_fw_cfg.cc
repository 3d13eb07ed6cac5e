// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See q35_fw_cfg.h.
#include "vmm/machine/q35_fw_cfg.h"

#include <fmt/format.h>

#include <cstring>

#include "vmm/base/endian.h"
#include "vmm/base/log.h"
#include "vmm/base/units.h"
#include "vmm/boot/linux/bzimage.h"
#include "vmm/boot/memory_map.h"
#include "vmm/boot/smbios/smbios.h"
#include "vmm/machine/host_file.h"
#include "vmm/machine/uuid_bytes.h"

namespace davit::machine {
namespace {

using devices::FwCfg;
using Bytes = std::vector<std::byte>;

// Files.
constexpr char kRsdpFile[] = "etc/acpi/rsdp";
constexpr char kTablesFile[] = "etc/acpi/tables";
constexpr char kLoaderFile[] = "etc/table-loader";

constexpr size_t kMaxUserFile = 64 * kMiB;

// Where the real-mode part, the command line and the kernel go.
constexpr uint32_t kSetupAddress = 0x10000;
constexpr uint32_t kCmdlineAddress = 0x20000;
constexpr uint32_t kKernelAddress = 0x100000;

// Offsets in the real-mode part (boot.rst).
constexpr size_t kTypeOfLoader = 0x210;
constexpr size_t kLoadFlags = 0x211;
constexpr size_t kRamdiskImage = 0x218;
constexpr size_t kRamdiskSize = 0x21c;
constexpr size_t kHeapEnd = 0x224;
constexpr size_t kCmdlinePointer = 0x228;
constexpr uint8_t kCanUseHeap = 0x80;
constexpr uint8_t kLoaderQemu = 0xb0;

Bytes TextBytes(const std::string& text) {
  Bytes data(text.size() + 1);
  std::memcpy(data.data(), text.c_str(), data.size());
  return data;
}

Bytes UuidOf(const std::string& text) {
  const auto uuid = UuidBytes(text);
  const auto bytes = std::as_bytes(std::span(uuid));
  return {bytes.begin(), bytes.end()};
}

// RAM alone, 20 bytes an entry.
Bytes E820(const memory::GuestMemory& memory) {
  Bytes data;
  for (const boot::MemoryRange& range : boot::RamRanges(memory)) {
    const size_t at = data.size();
    data.resize(at + 20);
    StoreLe(&data[at], 8, range.base);
    StoreLe(&data[at + 8], 8, range.size);
    StoreLe(&data[at + 16], 4, static_cast<uint32_t>(range.type));
  }
  return data;
}

// Which sleep states there are, by number; the low bits are the sleep type: S0 and S5.
Bytes SystemStates() {
  Bytes data(6);
  const uint8_t states[6] = {0x80, 0, 0, 0x01, 0x02, 0x80};
  std::memcpy(data.data(), states, sizeof(states));
  return data;
}

FwCfg::Source Part(const boot::Image& image, uint64_t from, uint64_t size) {
  return {size, [&image, from](uint64_t offset, std::span<std::byte> out) {
            return image.ReadAt(from + offset, out);
          }};
}

Status AddUserFile(FwCfg& device, const FwCfgConfig& item) {
  if (!item.name.starts_with("opt/")) {
    DAVIT_LOG_WARN("{}: externally provided fw_cfg item names should be prefixed with \"opt/\"",
                   item.where);
  }
  if (!item.file.empty()) {
    auto data = ReadHostFile(item.file, kMaxUserFile);
    if (!data) return Fail(fmt::format("can't load {}: {}", item.file, data.error().message));
    return device.AddFile(item.name, *std::move(data));
  }
  Bytes data(item.text.size());
  std::memcpy(data.data(), item.text.data(), data.size());
  return device.AddFile(item.name, std::move(data));
}

}  // namespace

Status AddUserFiles(FwCfg& device, const std::vector<FwCfgConfig>& items) {
  for (const FwCfgConfig& item : items) {
    if (Status added = AddUserFile(device, item); !added) {
      Error error = std::move(added).error();
      if (!item.where.empty()) error.message = item.where + ": " + error.message;
      return Fail(std::move(error));
    }
  }
  return {};
}

Status FillFwCfg(FwCfg& device, const FwCfgContents& contents,
                 const std::optional<boot::Q35Acpi>& acpi) {
  device.Add(FwCfg::kUuid, UuidOf(contents.uuid));
  device.AddInt(FwCfg::kRamSize, contents.memory.total_bytes(), 8);
  device.AddInt(FwCfg::kNoGraphic, contents.no_graphic, 2);
  device.AddInt(FwCfg::kMaxCpus, contents.max_cpus, 2);
  device.AddInt(FwCfg::kBootMenu, 0, 2);
  Bytes numa(contents.numa.size() * sizeof(uint64_t));
  for (size_t i = 0; i < contents.numa.size(); ++i) {
    StoreLe(&numa[i * sizeof(uint64_t)], sizeof(uint64_t), contents.numa[i]);
  }
  device.Add(FwCfg::kNuma, std::move(numa));
  // IRQ 0 stays on the IOAPIC's pin 0.
  device.AddInt(FwCfg::kIrq0Override, 0, 1);
  DAVIT_TRY(device.AddFile("bootorder", Bytes()));
  DAVIT_TRY(device.AddFile("etc/e820", E820(contents.memory)));
  DAVIT_TRY(device.AddFile("etc/system-states", SystemStates()));
  if (contents.reserved_memory_end != 0) {
    Bytes end(sizeof(uint64_t));
    StoreLe(end.data(), end.size(), contents.reserved_memory_end);
    DAVIT_TRY(device.AddFile("etc/reserved-memory-end", std::move(end)));
  }
  // Firmware puts them where it likes, and says so in its copy of the entry point.
  DAVIT_TRY(device.AddFile("etc/smbios/smbios-tables", contents.smbios));
  DAVIT_TRY(
      device.AddFile("etc/smbios/smbios-anchor", boot::SmbiosAnchor(contents.smbios.size(), 0)));
  if (!acpi) return {};
  DAVIT_TRY(device.AddFile(kRsdpFile, acpi->rsdp));
  DAVIT_TRY(device.AddFile(kTablesFile, acpi->tables.bytes()));
  return device.AddFile(kLoaderFile, acpi->tables.LoaderScript(kRsdpFile, kTablesFile));
}

void SetAcpiFiles(FwCfg& device, const boot::Q35Acpi& acpi) {
  device.SetFile(kRsdpFile, acpi.rsdp);
  device.SetFile(kTablesFile, acpi.tables.bytes());
  device.SetFile(kLoaderFile, acpi.tables.LoaderScript(kRsdpFile, kTablesFile));
}

Status AddKernelToFwCfg(FwCfg& device, const boot::Image& kernel, const boot::Image* initrd,
                        const std::string& cmdline, const boot::LoadedKernel& loaded) {
  device.AddInt(FwCfg::kCmdlineAddress, kCmdlineAddress, 4);
  device.AddInt(FwCfg::kCmdlineSize, cmdline.size() + 1, 4);
  device.Add(FwCfg::kCmdlineData, TextBytes(cmdline));
  if (initrd != nullptr) {
    device.AddInt(FwCfg::kInitrdAddress, loaded.initrd.base, 4);
    device.AddInt(FwCfg::kInitrdSize, initrd->size(), 4);
    device.Add(FwCfg::kInitrdData, Part(*initrd, 0, initrd->size()));
  }
  if (!boot::IsBzImage(kernel)) return {};
  DAVIT_ASSIGN(const boot::BzImage image, boot::ParseBzImage(kernel));
  Bytes setup(image.kernel_offset);
  DAVIT_TRY(kernel.ReadAt(0, setup));
  setup[kTypeOfLoader] = std::byte{kLoaderQemu};
  setup[kLoadFlags] |= std::byte{kCanUseHeap};
  StoreLe(&setup[kHeapEnd], 2, kCmdlineAddress - kSetupAddress - 0x200);
  StoreLe(&setup[kCmdlinePointer], 4, kCmdlineAddress);
  StoreLe(&setup[kRamdiskImage], 4, loaded.initrd.base);
  StoreLe(&setup[kRamdiskSize], 4, loaded.initrd.size);
  device.AddInt(FwCfg::kSetupAddress, kSetupAddress, 4);
  device.AddInt(FwCfg::kSetupSize, setup.size(), 4);
  device.Add(FwCfg::kSetupData, std::move(setup));
  device.AddInt(FwCfg::kKernelAddress, kKernelAddress, 4);
  device.AddInt(FwCfg::kKernelSize, image.kernel_size, 4);
  device.Add(FwCfg::kKernelData, Part(kernel, image.kernel_offset, image.kernel_size));
  return {};
}

}  // namespace davit::machine
