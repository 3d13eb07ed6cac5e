// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See q35_smbios.h.
#include "vmm/machine/q35_smbios.h"

#include <cpuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <string>

#include "vmm/base/units.h"
#include "vmm/boot/memory_map.h"
#include "vmm/machine/host_file.h"
#include "vmm/machine/machine_types.h"
#include "vmm/machine/uuid_bytes.h"

namespace davit::machine {
namespace {

constexpr char kName[] = "davit";
// Firmware there is none; a kernel takes one of long ago for one with faults.
constexpr char kBiosDate[] = "01/01/2026";

// The fields of one type that were given.
class Given {
 public:
  Given(const SmbiosFields& fields, unsigned type) {
    const auto it = fields.values.find(type);
    if (it != fields.values.end()) values_ = &it->second;
  }
  bool any() const { return values_ != nullptr; }
  void Text(const char* key, std::string& out) const {
    if (const std::string* value = Find(key)) out = *value;
  }
  // Decimal and in range by the option's parser.
  template <typename Integer>
  void Number(const char* key, Integer& out) const {
    const std::string* value = Find(key);
    if (value == nullptr) return;
    std::from_chars(value->data(), value->data() + value->size(), out);
  }
  const std::string* Find(const char* key) const {
    if (values_ == nullptr) return nullptr;
    const auto it = values_->find(key);
    return it == values_->end() ? nullptr : &it->second;
  }

 private:
  const std::map<std::string, std::string>* values_ = nullptr;
};

void FillBios(const Given& given, boot::SmbiosConfig::Bios& bios) {
  bios = {kName, "1", kBiosDate, 0, 0, false};
  given.Text("vendor", bios.vendor);
  given.Text("version", bios.version);
  given.Text("date", bios.date);
  if (const std::string* release = given.Find("release")) {
    const char* const end = release->data() + release->size();
    const auto major = std::from_chars(release->data(), end, bios.major);
    std::from_chars(std::min(major.ptr + 1, end), end, bios.minor);
  }
  const std::string* uefi = given.Find("uefi");
  bios.uefi = uefi != nullptr && *uefi == "on";
}

void FillProcessor(const Given& given, boot::SmbiosConfig::Processor& cpu) {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) cpu.id = uint64_t{edx} << 32 | eax;
  given.Text("sock_pfx", cpu.prefix);
  given.Text("manufacturer", cpu.manufacturer);
  given.Text("version", cpu.version);
  given.Text("serial", cpu.serial);
  given.Text("asset", cpu.asset);
  given.Text("part", cpu.part);
  given.Number("max-speed", cpu.max_speed);
  given.Number("current-speed", cpu.current_speed);
  given.Number("processor-id", cpu.id);
}

void FillMemory(const Given& given, boot::SmbiosConfig::MemoryDevice& memory) {
  given.Text("loc_pfx", memory.prefix);
  given.Text("bank", memory.bank);
  given.Text("manufacturer", memory.manufacturer);
  given.Text("serial", memory.serial);
  given.Text("asset", memory.asset);
  given.Text("part", memory.part);
  given.Number("speed", memory.speed);
}

// In the order in which they were given.
Result<std::vector<std::string>> ReadOemStrings(const SmbiosFields& fields) {
  constexpr size_t kMost = 64 * kKiB;  // more have no place
  std::vector<std::string> texts;
  for (const SmbiosFields::OemString& given : fields.oem_strings) {
    if (!given.is_file) {
      texts.push_back(given.text);
      continue;
    }
    const auto bytes = ReadHostFile(given.text, kMost);
    if (!bytes) {
      return Fail(fmt::format("{}: Could not open '{}': {}", fields.where, given.text,
                              bytes.error().message));
    }
    std::string text(bytes->size(), '\0');
    std::memcpy(text.data(), bytes->data(), bytes->size());
    if (text.find('\0') != std::string::npos) {
      return Fail(fmt::format("{}: NUL in OEM strings value in {}", fields.where, given.text));
    }
    if (text.empty()) return Fail(fmt::format("{}: '{}' is empty", fields.where, given.text));
    texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace

Result<boot::SmbiosConfig> Q35Smbios(const MachineConfig& config, const cpu::Topology& topology,
                                     const memory::GuestMemory& memory) {
  const auto row = FindMachineType("q35");
  const control::MachineTypeInfo type = row ? (*row)->info : control::MachineTypeInfo{};
  const SmbiosFields& fields = config.smbios;
  boot::SmbiosConfig out;
  FillBios({fields, 0}, out.bios);
  const Given system(fields, 1), board(fields, 2), chassis(fields, 3);
  out.system = {kName, type.description, type.name, "", "", "", UuidBytes(config.uuid)};
  system.Text("manufacturer", out.system.manufacturer);
  system.Text("product", out.system.product);
  system.Text("version", out.system.version);
  system.Text("serial", out.system.serial);
  system.Text("sku", out.system.sku);
  system.Text("family", out.system.family);
  if (board.any()) {
    out.board = boot::SmbiosConfig::Board{kName, "", type.name, "", "", ""};
    board.Text("manufacturer", out.board->manufacturer);
    board.Text("product", out.board->product);
    board.Text("version", out.board->version);
    board.Text("serial", out.board->serial);
    board.Text("asset", out.board->asset);
    board.Text("location", out.board->location);
  }
  out.chassis = {kName, type.name, "", "", ""};
  chassis.Text("manufacturer", out.chassis.manufacturer);
  chassis.Text("version", out.chassis.version);
  chassis.Text("serial", out.chassis.serial);
  chassis.Text("asset", out.chassis.asset);
  chassis.Text("sku", out.chassis.sku);
  out.processor.manufacturer = kName;
  out.processor.version = type.name;
  FillProcessor({fields, 4}, out.processor);
  out.sockets = topology.sockets;
  out.cores = topology.dies * topology.cores;
  out.threads = topology.threads_per_socket();
  DAVIT_ASSIGN(out.oem_strings, ReadOemStrings(fields));
  for (const SmbiosFields::Port& port : fields.ports) {
    out.ports.push_back({port.internal, port.external, port.connector, port.type});
  }
  out.memory.manufacturer = kName;
  FillMemory({fields, 17}, out.memory);
  out.ram = boot::RamRanges(memory);
  return out;
}

}  // namespace davit::machine
