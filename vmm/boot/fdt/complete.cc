// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Completing the operator's tree. It is untrusted: libfdt checks it whole before anything is read,
// and what is read is bounds-checked here.
#include <fmt/format.h>
#include <libfdt.h>

#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "vmm/base/endian.h"
#include "vmm/boot/fdt/fdt.h"

namespace davit::boot {
namespace {

constexpr uint64_t kMaxTreeSize = 16 * kMiB;
constexpr size_t kRoom = 4096;          // for nodes and names; more is added for each piece
constexpr size_t kRoomPerRange = 256;   // a memory node
constexpr uint32_t kFirstVersion = 16;  // of the format
constexpr int kMaxCells = 2;            // an address or size has 64 bits at most

// The numbers of cells of the root's children.
struct RootCells {
  int address = 2;
  int size = 1;

  size_t entry_bytes() const { return static_cast<size_t>(address + size) * sizeof(fdt32_t); }
};

struct RegEntry {
  uint64_t base = 0;
  uint64_t size = 0;
};

class Completer {
 public:
  Completer(const FdtConfig& config, const std::string& name, std::vector<std::byte> tree)
      : config_(config), name_(name), tree_(std::move(tree)) {}

  Result<std::vector<std::byte>> Run() {
    DAVIT_TRY(ReadCells());
    DAVIT_TRY(CompleteMemory());
    DAVIT_TRY(CompleteChosen());
    DAVIT_TRY(Check(fdt_pack(blob())));
    tree_.resize(fdt_totalsize(blob()));
    return std::move(tree_);
  }

 private:
  void* blob() { return tree_.data(); }

  tl::unexpected<Error> Refuse(const std::string& why) const {
    return Fail(fmt::format("device tree {}: {}", name_, why));
  }
  Status Check(int result) const {
    if (result >= 0) return {};
    return Refuse(fdt_strerror(result));
  }

  Status ReadCells() {
    cells_.address = fdt_address_cells(blob(), 0);
    cells_.size = fdt_size_cells(blob(), 0);
    DAVIT_TRY(Check(cells_.address));
    DAVIT_TRY(Check(cells_.size));
    if (cells_.address < 1 || cells_.address > kMaxCells || cells_.size < 1 ||
        cells_.size > kMaxCells) {
      return Refuse(
          fmt::format("#address-cells {} and #size-cells {} of the root are not supported",
                      cells_.address, cells_.size));
    }
    return {};
  }

  bool IsMemory(int node) {
    int length = 0;
    const void* type = fdt_getprop(blob(), node, "device_type", &length);
    constexpr std::string_view kMemory("memory\0", 7);
    return type != nullptr && length == static_cast<int>(kMemory.size()) &&
           std::memcmp(type, kMemory.data(), kMemory.size()) == 0;
  }

  std::string NodeName(int node) {
    const char* name = fdt_get_name(blob(), node, nullptr);
    return name == nullptr ? "?" : name;
  }

  static uint64_t ReadCell(std::span<const std::byte>* in, int cells) {
    uint64_t value = 0;
    for (int i = 0; i < cells; ++i) {
      fdt32_t cell;
      std::memcpy(&cell, in->data(), sizeof(cell));
      *in = in->subspan(sizeof(cell));
      value = value << 32 | fdt32_to_cpu(cell);
    }
    return value;
  }

  Result<std::vector<RegEntry>> ReadReg(int node) {
    int length = 0;
    const void* reg = fdt_getprop(blob(), node, "reg", &length);
    std::vector<RegEntry> entries;
    if (reg == nullptr) return entries;
    if (static_cast<size_t>(length) % cells_.entry_bytes() != 0) {
      return Refuse(fmt::format("'reg' of /{} has {} bytes, which is no multiple of {}",
                                NodeName(node), length, cells_.entry_bytes()));
    }
    std::vector<std::byte> bytes(static_cast<size_t>(length));
    if (length != 0) std::memcpy(bytes.data(), reg, bytes.size());
    std::span<const std::byte> rest(bytes);
    while (!rest.empty()) {
      RegEntry entry;
      entry.base = ReadCell(&rest, cells_.address);
      entry.size = ReadCell(&rest, cells_.size);
      entries.push_back(entry);
    }
    return entries;
  }

  static bool Fits(uint64_t value, int cells) { return cells == 2 || value <= UINT32_MAX; }

  static void PutCell(std::vector<fdt32_t>* out, uint64_t value, int cells) {
    if (cells == 2) out->push_back(cpu_to_fdt32(static_cast<uint32_t>(value >> 32)));
    out->push_back(cpu_to_fdt32(static_cast<uint32_t>(value)));
  }

  Status WriteReg(int node, const std::vector<RegEntry>& entries) {
    std::vector<fdt32_t> wire;
    for (const RegEntry& entry : entries) {
      if (!Fits(entry.base, cells_.address) || !Fits(entry.size, cells_.size)) {
        return Refuse(fmt::format(
            "{:#x} bytes of RAM at {:#x} do not fit into #address-cells {} and #size-cells {}",
            entry.size, entry.base, cells_.address, cells_.size));
      }
      PutCell(&wire, entry.base, cells_.address);
      PutCell(&wire, entry.size, cells_.size);
    }
    return Check(fdt_setprop(blob(), node, "reg", wire.data(),
                             static_cast<int>(wire.size() * sizeof(fdt32_t))));
  }

  // Gives entries of size zero the RAM that starts at their base; notes which ranges are told.
  Status CompleteMemoryNode(int node, std::vector<bool>* told) {
    DAVIT_ASSIGN(std::vector<RegEntry> entries, ReadReg(node));
    if (entries.empty() && !config_.ram.empty()) entries.push_back({config_.ram[0].base, 0});
    bool changed = false;
    for (RegEntry& entry : entries) {
      size_t i = 0;
      while (i < config_.ram.size() && config_.ram[i].base != entry.base) ++i;
      if (i < config_.ram.size()) (*told)[i] = true;
      if (entry.size != 0) continue;
      if (i == config_.ram.size()) {
        return Refuse(fmt::format("/{} has size zero at {:#x}, where the machine has no RAM",
                                  NodeName(node), entry.base));
      }
      entry.size = config_.ram[i].size;
      changed = true;
    }
    if (!changed) return {};
    completed_ = true;
    return WriteReg(node, entries);
  }

  // Memory that the tree states in full is the operator's word. Otherwise all RAM gets told.
  Status CompleteMemory() {
    std::vector<bool> told(config_.ram.size());
    bool found = false;
    int node = fdt_first_subnode(blob(), 0);
    for (; node >= 0; node = fdt_next_subnode(blob(), node)) {
      if (!IsMemory(node)) continue;
      found = true;
      DAVIT_TRY(CompleteMemoryNode(node, &told));  // changes nothing before `node`
    }
    if (node != -FDT_ERR_NOTFOUND) DAVIT_TRY(Check(node));
    if (found && !completed_) return {};
    for (size_t i = 0; i < told.size(); ++i) {
      if (!told[i]) DAVIT_TRY(AddMemoryNode(config_.ram[i]));
    }
    return {};
  }

  Status AddMemoryNode(const MemoryRange& range) {
    const std::string name = fmt::format("memory@{:x}", range.base);
    const int node = fdt_add_subnode(blob(), 0, name.c_str());
    DAVIT_TRY(Check(node));
    DAVIT_TRY(Check(fdt_setprop_string(blob(), node, "device_type", "memory")));
    return WriteReg(node, {{range.base, range.size}});
  }

  Status CompleteChosen() {
    int chosen = fdt_subnode_offset(blob(), 0, "chosen");
    if (chosen == -FDT_ERR_NOTFOUND) chosen = fdt_add_subnode(blob(), 0, "chosen");
    DAVIT_TRY(Check(chosen));
    if (!config_.bootargs.empty()) {
      DAVIT_TRY(Check(fdt_setprop_string(blob(), chosen, "bootargs", config_.bootargs.c_str())));
    }
    if (config_.initrd.size == 0) return {};
    DAVIT_TRY(Check(fdt_setprop_u64(blob(), chosen, "linux,initrd-start", config_.initrd.base)));
    return Check(fdt_setprop_u64(blob(), chosen, "linux,initrd-end", config_.initrd.end()));
  }

  const FdtConfig& config_;
  const std::string& name_;
  std::vector<std::byte> tree_;
  RootCells cells_;
  bool completed_ = false;  // a memory node was given its size
};

}  // namespace

Status CheckFdt(const std::vector<std::byte>& tree) {
  // libfdt reads the header before it looks at the size.
  if (tree.size() < sizeof(fdt_header)) return Fail(fdt_strerror(-FDT_ERR_TRUNCATED));
  // libfdt 1.6.1 follows a null pointer in trees older than it can read.
  if (fdt_magic(tree.data()) == FDT_MAGIC && fdt_version(tree.data()) < kFirstVersion) {
    return Fail(fdt_strerror(-FDT_ERR_BADVERSION));
  }
  const int result = fdt_check_full(tree.data(), tree.size());
  if (result != 0) return Fail(fdt_strerror(result));
  // Not even a root is sound to fdt_check_full.
  int length = 0;
  if (fdt_get_name(tree.data(), 0, &length) == nullptr) return Fail(fdt_strerror(length));
  return {};
}

Result<std::vector<std::byte>> ReadFdt(const Image& dtb) {
  DAVIT_ASSIGN(std::vector<std::byte> file, dtb.ReadAll(kMaxTreeSize));
  const Status sound = CheckFdt(file);
  if (!sound) {
    return Fail(fmt::format("Device tree file loaded into memory is invalid: {}: {}", dtb.name(),
                            sound.error().message));
  }
  return file;
}

Result<std::vector<std::byte>> CompleteFdt(const FdtConfig& config, const Image& dtb) {
  DAVIT_ASSIGN(const std::vector<std::byte> file, ReadFdt(dtb));
  std::vector<std::byte> tree(file.size() + config.bootargs.size() + kRoom +
                              kRoomPerRange * config.ram.size());
  const int opened = fdt_open_into(file.data(), tree.data(), static_cast<int>(tree.size()));
  if (opened != 0) {
    return Fail(fmt::format("Device tree file loaded into memory is invalid: {}: {}", dtb.name(),
                            fdt_strerror(opened)));
  }
  return Completer(config, dtb.name(), std::move(tree)).Run();
}

}  // namespace davit::boot
