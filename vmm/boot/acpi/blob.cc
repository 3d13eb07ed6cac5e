// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See blob.h.
#include "vmm/boot/acpi/blob.h"

#include <algorithm>
#include <array>
#include <span>

#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/boot/acpi/table_writer.h"

namespace davit::boot::acpi {
namespace {

// QEMU's bios-linker-loader commands, 128 bytes each.
constexpr size_t kFileName = 56;
constexpr size_t kCommandSize = 128;
enum Command : uint32_t { kAllocate = 1, kAddPointer = 2, kAddChecksum = 3 };
enum Zone : uint8_t { kHigh = 1, kFSegment = 2 };
constexpr uint32_t kRsdpAlign = 16;
constexpr uint32_t kTablesAlign = 64;

class Script {
 public:
  Script& Begin(Command command) {
    bytes_.resize(AlignUp(bytes_.size(), kCommandSize));
    return Put32(command);
  }
  Script& File(std::string_view name) {
    DAVIT_CHECK(name.size() < kFileName);
    std::array<char, kFileName> text{};
    std::copy(name.begin(), name.end(), text.begin());
    Append(&bytes_, text);
    return *this;
  }
  Script& Put32(uint64_t value) {
    Append(&bytes_, le32(static_cast<uint32_t>(value)));
    return *this;
  }
  Script& Put8(uint8_t value) {
    Append(&bytes_, value);
    return *this;
  }
  std::vector<std::byte> Take() {
    bytes_.resize(AlignUp(bytes_.size(), kCommandSize));
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

size_t Blob::Add(const std::vector<std::byte>& table, size_t align, bool plain) {
  bytes_.resize(AlignUp(bytes_.size(), align));
  const size_t offset = bytes_.size();
  bytes_.insert(bytes_.end(), table.begin(), table.end());
  if (!plain) tables_.push_back({offset, table.size()});
  return offset;
}

void Blob::AddPointer(size_t at, uint8_t size) {
  DAVIT_CHECK(at + size <= bytes_.size());
  pointers_.push_back({at, size});
}

std::vector<std::byte> Blob::At(uint64_t base) const {
  std::vector<std::byte> out = bytes_;
  for (const Pointer& pointer : pointers_) {
    std::byte* const p = &out[pointer.at];
    StoreLe(p, pointer.size, LoadLe(p, pointer.size) + base);
  }
  for (const Table& table : tables_) {
    std::byte& checksum = out[table.offset + offsetof(Header, checksum)];
    checksum = std::byte{0};
    checksum = std::byte{Checksum(std::span(out).subspan(table.offset, table.length))};
  }
  return out;
}

std::vector<std::byte> Blob::LoaderScript(std::string_view rsdp_file,
                                          std::string_view tables_file) const {
  Script script;
  script.Begin(kAllocate).File(rsdp_file).Put32(kRsdpAlign).Put8(kFSegment);
  script.Begin(kAllocate).File(tables_file).Put32(kTablesAlign).Put8(kHigh);
  for (const Pointer& pointer : pointers_) {
    script.Begin(kAddPointer).File(tables_file).File(tables_file);
    script.Put32(pointer.at).Put8(pointer.size);
  }
  script.Begin(kAddPointer).File(rsdp_file).File(tables_file);
  script.Put32(offsetof(Rsdp, xsdt_address)).Put8(8);
  const auto checksum = [&script](std::string_view file, size_t at, size_t start, size_t length) {
    script.Begin(kAddChecksum).File(file).Put32(at).Put32(start).Put32(length);
  };
  for (const Table& table : tables_) {
    checksum(tables_file, table.offset + offsetof(Header, checksum), table.offset, table.length);
  }
  checksum(rsdp_file, offsetof(Rsdp, checksum), 0, kRsdpFirstPart);
  checksum(rsdp_file, offsetof(Rsdp, extended_checksum), 0, sizeof(Rsdp));
  return script.Take();
}

}  // namespace davit::boot::acpi
