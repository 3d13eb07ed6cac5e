// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See smbios.h. Clause numbers are those of DSP0134 3.2.0.
#include "vmm/boot/smbios/smbios.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <tuple>

#include "vmm/base/endian.h"
#include "vmm/base/units.h"
#include "vmm/boot/pc_layout.h"

namespace davit::boot {
namespace {

using Bytes = std::vector<std::byte>;

// Handles, as QEMU numbers them.
constexpr uint16_t kBios = 0, kSystem = 0x100, kBoard = 0x200, kChassis = 0x300, kProcessor = 0x400,
                   kPort = 0x800, kOemStrings = 0xe00, kMemoryArray = 0x1000,
                   kMemoryDevice = 0x1100, kMappedAddress = 0x1300, kBootInformation = 0x2000,
                   kEnd = 0x7f00;

constexpr size_t kMaxStrings = 255;
constexpr size_t kMaxPorts = kOemStrings - kPort;  // handles
constexpr uint64_t kDeviceSize = 16 * kGiB;        // of one memory device at most
constexpr uint64_t kSearchStart = 0xf0000;         // 5.2.2
constexpr uint64_t kAnchorAlign = 16;
constexpr size_t kAnchorSize = 24;

// One structure: a formatted area, then its strings, which the area names by number (6.1).
class Structure {
 public:
  Structure(uint8_t type, uint16_t handle) {
    Byte(type).Byte(0).Word(handle);  // the length comes at the end
  }
  Structure& Byte(uint8_t value) { return Put(value, 1); }
  Structure& Word(uint16_t value) { return Put(value, 2); }
  Structure& Dword(uint32_t value) { return Put(value, 4); }
  Structure& Qword(uint64_t value) { return Put(value, 8); }
  Structure& Text(const std::string& text) {
    if (text.empty()) return Byte(0);
    strings_.push_back(text);
    return Byte(static_cast<uint8_t>(strings_.size()));
  }
  // One that is numbered by its order alone.
  Structure& FreeText(const std::string& text) {
    strings_.push_back(text);
    return *this;
  }
  void AppendTo(Bytes& out) {
    area_[1] = static_cast<std::byte>(area_.size());
    out.insert(out.end(), area_.begin(), area_.end());
    for (const std::string& text : strings_) {
      const auto bytes = std::as_bytes(std::span(text.c_str(), text.size() + 1));
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
    out.resize(out.size() + (strings_.empty() ? 2 : 1));
  }

 private:
  Structure& Put(uint64_t value, size_t size) {
    const size_t at = area_.size();
    area_.resize(at + size);
    StoreLe(&area_[at], size, value);
    return *this;
  }

  Bytes area_;
  std::vector<std::string> strings_;
};

// 7.1
Structure BiosInformation(const SmbiosConfig::Bios& bios) {
  constexpr uint64_t kNotSupported = 1u << 3;  // of the characteristics that follow, none is told
  constexpr uint8_t kContent = 1u << 2, kUefi = 1u << 3, kVirtualMachine = 1u << 4;
  constexpr uint16_t kSegment = 0xe800;
  Structure s(0, kBios);
  s.Text(bios.vendor).Text(bios.version).Word(kSegment).Text(bios.date);
  s.Byte(0).Qword(kNotSupported).Byte(0);
  s.Byte(static_cast<uint8_t>(kContent | kVirtualMachine | (bios.uefi ? kUefi : 0)));
  s.Byte(bios.major).Byte(bios.minor).Byte(0xff).Byte(0xff);  // no embedded controller
  return s;
}

// 7.2. The first three fields of the UUID are little-endian (7.2.1).
Structure SystemInformation(const SmbiosConfig::System& system) {
  constexpr uint8_t kPowerSwitch = 6;
  constexpr size_t kOrder[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  Structure s(1, kSystem);
  s.Text(system.manufacturer).Text(system.product).Text(system.version).Text(system.serial);
  for (const size_t i : kOrder) s.Byte(system.uuid[i]);
  s.Byte(kPowerSwitch).Text(system.sku).Text(system.family);
  return s;
}

// 7.3
Structure BaseboardInformation(const SmbiosConfig::Board& board) {
  constexpr uint8_t kHosting = 1, kMotherboard = 0x0a;
  Structure s(2, kBoard);
  s.Text(board.manufacturer).Text(board.product).Text(board.version).Text(board.serial);
  s.Text(board.asset).Byte(kHosting).Text(board.location).Word(kChassis);
  s.Byte(kMotherboard).Byte(0);
  return s;
}

// 7.4
Structure SystemEnclosure(const SmbiosConfig::Chassis& chassis) {
  constexpr uint8_t kOther = 1, kSafe = 3, kUnknown = 2;
  Structure s(3, kChassis);
  s.Text(chassis.manufacturer).Byte(kOther).Text(chassis.version).Text(chassis.serial);
  s.Text(chassis.asset).Byte(kSafe).Byte(kSafe).Byte(kSafe).Byte(kUnknown);
  s.Dword(0).Byte(0).Byte(0).Byte(0).Byte(0).Text(chassis.sku);
  return s;
}

// 7.5
Structure ProcessorInformation(const SmbiosConfig& config, uint32_t socket) {
  constexpr uint8_t kCentral = 3, kOtherFamily = 1, kOtherUpgrade = 1, kPopulatedEnabled = 0x41;
  constexpr uint16_t kNoCache = 0xffff, kSixtyFourBit = 1u << 2;
  const SmbiosConfig::Processor& cpu = config.processor;
  const auto low = [](uint32_t count) {
    return static_cast<uint8_t>(std::min<uint32_t>(count, 0xff));
  };
  const auto cores = static_cast<uint16_t>(config.cores);
  const auto threads = static_cast<uint16_t>(config.threads);
  Structure s(4, static_cast<uint16_t>(kProcessor + socket));
  s.Text(fmt::format("{}{}", cpu.prefix, socket)).Byte(kCentral).Byte(kOtherFamily);
  s.Text(cpu.manufacturer).Qword(cpu.id).Text(cpu.version);
  s.Byte(0).Word(0).Word(cpu.max_speed).Word(cpu.current_speed);
  s.Byte(kPopulatedEnabled).Byte(kOtherUpgrade);
  s.Word(kNoCache).Word(kNoCache).Word(kNoCache);
  s.Text(cpu.serial).Text(cpu.asset).Text(cpu.part);
  s.Byte(low(cores)).Byte(low(cores)).Byte(low(threads)).Word(kSixtyFourBit).Word(kOtherFamily);
  s.Word(cores).Word(cores).Word(threads);
  return s;
}

// 7.9
Structure PortConnector(const SmbiosConfig::Port& port, size_t index) {
  constexpr uint8_t kNone = 0;
  Structure s(8, static_cast<uint16_t>(kPort + index));
  s.Text(port.internal).Byte(kNone).Text(port.external).Byte(port.connector).Byte(port.type);
  return s;
}

// 7.12
Structure OemStrings(const std::vector<std::string>& texts) {
  Structure s(11, kOemStrings);
  s.Byte(static_cast<uint8_t>(texts.size()));
  for (const std::string& text : texts) s.FreeText(text);
  return s;
}

// 7.17
Structure PhysicalMemoryArray(uint64_t size, uint16_t devices) {
  constexpr uint8_t kOther = 1, kSystemMemory = 3, kMultiBitEcc = 6;
  constexpr uint16_t kNoErrorInformation = 0xfffe;
  constexpr uint64_t kExtended = 0x80000000;  // KiB
  const uint64_t kib = size / kKiB;
  Structure s(16, kMemoryArray);
  s.Byte(kOther).Byte(kSystemMemory).Byte(kMultiBitEcc);
  s.Dword(static_cast<uint32_t>(std::min(kib, kExtended))).Word(kNoErrorInformation);
  s.Word(devices).Qword(kib < kExtended ? 0 : size);
  return s;
}

// 7.18
Structure MemoryDevice(const SmbiosConfig::MemoryDevice& memory, uint16_t index, uint64_t size) {
  constexpr uint16_t kNoErrorInformation = 0xfffe, kUnknownWidth = 0xffff, kExtended = 0x7fff;
  constexpr uint8_t kDimm = 9, kRam = 7;
  constexpr uint16_t kOtherDetail = 1u << 1;
  const uint64_t mib = size / kMiB;
  Structure s(17, static_cast<uint16_t>(kMemoryDevice + index));
  s.Word(kMemoryArray).Word(kNoErrorInformation).Word(kUnknownWidth).Word(kUnknownWidth);
  s.Word(static_cast<uint16_t>(std::min<uint64_t>(mib, kExtended))).Byte(kDimm).Byte(0);
  s.Text(fmt::format("{}{}", memory.prefix, index)).Text(memory.bank).Byte(kRam);
  s.Word(kOtherDetail).Word(memory.speed).Text(memory.manufacturer).Text(memory.serial);
  s.Text(memory.asset).Text(memory.part).Byte(0);
  s.Dword(mib < kExtended ? 0 : static_cast<uint32_t>(mib));
  s.Word(memory.speed).Word(0).Word(0).Word(0);
  return s;
}

// 7.20
Structure MappedAddress(uint16_t index, const MemoryRange& range) {
  constexpr uint64_t kExtended = 0xffffffff;  // KiB
  const uint64_t first = range.base / kKiB;
  const uint64_t last = (range.end() - 1) / kKiB;
  const bool extended = last >= kExtended;
  Structure s(19, static_cast<uint16_t>(kMappedAddress + index));
  s.Dword(static_cast<uint32_t>(extended ? kExtended : first));
  s.Dword(static_cast<uint32_t>(extended ? kExtended : last));
  s.Word(kMemoryArray).Byte(1);
  s.Qword(extended ? range.base : 0).Qword(extended ? range.end() - 1 : 0);
  return s;
}

// 7.33: no errors detected.
Structure BootInformation() {
  Structure s(32, kBootInformation);
  s.Dword(0).Word(0).Byte(0);
  return s;
}

void AppendMemory(const SmbiosConfig& config, Bytes& out) {
  uint64_t size = 0;
  for (const MemoryRange& range : config.ram) size += range.size;
  const auto devices = static_cast<uint16_t>((size + kDeviceSize - 1) / kDeviceSize);
  PhysicalMemoryArray(size, devices).AppendTo(out);
  for (uint16_t i = 0; i < devices; ++i) {
    const uint64_t rest = size - i * kDeviceSize;
    MemoryDevice(config.memory, i, std::min(rest, kDeviceSize)).AppendTo(out);
  }
  for (size_t i = 0; i < config.ram.size(); ++i) {
    MappedAddress(static_cast<uint16_t>(i), config.ram[i]).AppendTo(out);
  }
}

Status CheckTexts(const SmbiosConfig& config) {
  const auto& [sys, cpu, mem] = std::tie(config.system, config.processor, config.memory);
  std::vector<const std::string*> all = {&config.bios.vendor,
                                         &config.bios.version,
                                         &config.bios.date,
                                         &sys.manufacturer,
                                         &sys.product,
                                         &sys.version,
                                         &sys.serial,
                                         &sys.sku,
                                         &sys.family,
                                         &config.chassis.manufacturer,
                                         &config.chassis.version,
                                         &config.chassis.serial,
                                         &config.chassis.asset,
                                         &config.chassis.sku,
                                         &cpu.prefix,
                                         &cpu.manufacturer,
                                         &cpu.version,
                                         &cpu.serial,
                                         &cpu.asset,
                                         &cpu.part,
                                         &mem.prefix,
                                         &mem.bank,
                                         &mem.manufacturer,
                                         &mem.serial,
                                         &mem.asset,
                                         &mem.part};
  if (config.board) {
    const SmbiosConfig::Board& b = *config.board;
    all.insert(all.end(),
               {&b.manufacturer, &b.product, &b.version, &b.serial, &b.asset, &b.location});
  }
  for (const SmbiosConfig::Port& port : config.ports) {
    all.insert(all.end(), {&port.internal, &port.external});
  }
  for (const std::string* text : all) {
    if (text->size() > kSmbiosMaxText) {
      return Fail(fmt::format("SMBIOS: a text of {} bytes is too long (max: {})", text->size(),
                              kSmbiosMaxText));
    }
  }
  if (config.ports.size() > kMaxPorts) {
    return Fail(
        fmt::format("SMBIOS: {} ports are too many (max: {})", config.ports.size(), kMaxPorts));
  }
  if (config.oem_strings.size() > kMaxStrings) {
    return Fail(fmt::format("SMBIOS: {} OEM strings are too many (max: {})",
                            config.oem_strings.size(), kMaxStrings));
  }
  return {};
}

}  // namespace

Result<Bytes> BuildSmbios(const SmbiosConfig& config) {
  DAVIT_TRY(CheckTexts(config));
  Bytes out;
  BiosInformation(config.bios).AppendTo(out);
  SystemInformation(config.system).AppendTo(out);
  if (config.board) BaseboardInformation(*config.board).AppendTo(out);
  SystemEnclosure(config.chassis).AppendTo(out);
  for (uint32_t i = 0; i < config.sockets; ++i) ProcessorInformation(config, i).AppendTo(out);
  for (size_t i = 0; i < config.ports.size(); ++i) {
    PortConnector(config.ports[i], i).AppendTo(out);
  }
  if (!config.oem_strings.empty()) OemStrings(config.oem_strings).AppendTo(out);
  AppendMemory(config, out);
  BootInformation().AppendTo(out);
  Structure(127, kEnd).AppendTo(out);
  return out;
}

// 5.2.2
Bytes SmbiosAnchor(size_t size, uint64_t address) {
  constexpr size_t kChecksum = 5;
  Bytes anchor(kAnchorSize);
  std::memcpy(anchor.data(), "_SM3_", 5);
  const uint8_t fields[] = {0, kAnchorSize, 3, 0, 0, 1, 0};  // checksum, length, 3.0.0, revision 1
  std::memcpy(&anchor[kChecksum], fields, sizeof(fields));
  StoreLe(&anchor[12], 4, size);
  StoreLe(&anchor[16], 8, address);
  uint8_t sum = 0;
  for (const std::byte b : anchor) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(b));
  anchor[kChecksum] = static_cast<std::byte>(-sum);
  return anchor;
}

Result<SmbiosImage> PlaceSmbios(const Bytes& structures, uint64_t from) {
  SmbiosImage image;
  image.base = AlignUp(std::max(from, kSearchStart), kAnchorAlign);
  const uint64_t tables = AlignUp(image.base + kAnchorSize, kAnchorAlign);
  if (tables + structures.size() > kHighMemoryStart) {
    return Fail(fmt::format("SMBIOS tables are too large: {} bytes do not fit below {:#x}",
                            structures.size(), kHighMemoryStart));
  }
  image.bytes = SmbiosAnchor(structures.size(), tables);
  image.bytes.resize(tables - image.base);
  image.bytes.insert(image.bytes.end(), structures.begin(), structures.end());
  return image;
}

}  // namespace davit::boot
