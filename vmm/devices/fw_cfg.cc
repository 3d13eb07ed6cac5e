// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See fw_cfg.h.
#include "vmm/devices/fw_cfg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "vmm/base/endian.h"
#include "vmm/base/log.h"

namespace davit::devices {
namespace {

constexpr uint16_t kWriteChannel = 0x4000;  // bit of a key, of no meaning any more
constexpr char kSignatureText[] = {'Q', 'E', 'M', 'U'};
constexpr uint32_t kIdTraditional = 1, kIdDma = 2;
constexpr uint8_t kDmaSignature[] = {'Q', 'E', 'M', 'U', ' ', 'C', 'F', 'G'};

enum DmaControl : uint32_t { kError = 1, kRead = 2, kSkip = 4, kSelect = 8, kWrite = 16 };

// FWCfgDmaAccess, big-endian.
constexpr size_t kAccessSize = 16;
constexpr size_t kChunk = 4096;

uint32_t Big32(const std::byte* p) { return __builtin_bswap32(uint32_t(LoadLe(p, 4))); }
uint64_t Big64(const std::byte* p) { return __builtin_bswap64(LoadLe(p, 8)); }

FwCfg::Source FromBytes(std::vector<std::byte> data) {
  auto shared = std::make_shared<const std::vector<std::byte>>(std::move(data));
  return {shared->size(), [shared](uint64_t offset, std::span<std::byte> out) -> Status {
            std::copy_n(shared->begin() + static_cast<ptrdiff_t>(offset), out.size(), out.begin());
            return {};
          }};
}

}  // namespace

FwCfg::FwCfg(Memory& memory) : memory_(memory) {
  std::vector<std::byte> signature(sizeof(kSignatureText));
  std::memcpy(signature.data(), kSignatureText, sizeof(kSignatureText));
  Add(kSignature, std::move(signature));
  AddInt(kId, kIdTraditional | kIdDma, 4);
  RebuildDirectory();
}

void FwCfg::Add(uint16_t key, std::vector<std::byte> data) { Add(key, FromBytes(std::move(data))); }

void FwCfg::Add(uint16_t key, Source source) {
  std::lock_guard lock(mutex_);
  items_[key] = std::move(source);
}

void FwCfg::AddInt(uint16_t key, uint64_t value, size_t bytes) {
  std::vector<std::byte> data(bytes);
  StoreLe(data.data(), bytes, value);
  Add(key, std::move(data));
}

Status FwCfg::AddFile(const std::string& name, std::vector<std::byte> data) {
  return AddFile(name, FromBytes(std::move(data)));
}

Status FwCfg::AddFile(const std::string& name, Source source) {
  std::lock_guard lock(mutex_);
  if (name.empty() || name.size() > kMaxName) {
    return Fail(
        fmt::format("name of fw_cfg file '{}' must have 1 to {} characters", name, kMaxName));
  }
  if (std::find(files_.begin(), files_.end(), name) != files_.end()) {
    return Fail(fmt::format("duplicate fw_cfg file name: {}", name));
  }
  if (files_.size() == kMaxFiles) {
    return Fail(
        fmt::format("too many fw_cfg files, at most {}: no room for '{}'", kMaxFiles, name));
  }
  files_.push_back(name);
  items_[static_cast<uint16_t>(kFirstFile + files_.size() - 1)] = std::move(source);
  RebuildDirectory();
  return {};
}

void FwCfg::SetFile(const std::string& name, std::vector<std::byte> data) {
  std::lock_guard lock(mutex_);
  const auto file = std::find(files_.begin(), files_.end(), name);
  if (file == files_.end()) return;
  items_[static_cast<uint16_t>(kFirstFile + (file - files_.begin()))] = FromBytes(std::move(data));
  RebuildDirectory();
}

// A big-endian count, then for each file size, key, two bytes of padding and the name, by name.
void FwCfg::RebuildDirectory() {
  std::vector<size_t> order(files_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [this](size_t a, size_t b) { return files_[a] < files_[b]; });
  constexpr size_t kEntry = 64;
  std::vector<std::byte> data(4 + kEntry * files_.size());
  StoreLe(data.data(), 4, __builtin_bswap32(static_cast<uint32_t>(files_.size())));
  for (size_t i = 0; i < order.size(); ++i) {
    const auto key = static_cast<uint16_t>(kFirstFile + order[i]);
    std::byte* const entry = &data[4 + kEntry * i];
    StoreLe(entry, 4, __builtin_bswap32(static_cast<uint32_t>(items_.at(key).size)));
    StoreLe(entry + 4, 2, __builtin_bswap16(key));
    std::memcpy(entry + 8, files_[order[i]].data(), files_[order[i]].size());
  }
  items_[kFileDirectory] = FromBytes(std::move(data));
}

void FwCfg::Reset() {
  std::lock_guard lock(mutex_);
  key_ = 0;
  offset_ = 0;
  dma_address_.fill(0);
}

const FwCfg::Source* FwCfg::Selected() const {
  const auto found = items_.find(key_);
  return found == items_.end() ? nullptr : &found->second;
}

uint64_t FwCfg::Left() const {
  const Source* const item = Selected();
  return item != nullptr && offset_ < item->size ? item->size - offset_ : 0;
}

void FwCfg::ReadItem(std::span<std::byte> out) {
  const Source* const item = Selected();
  const size_t there = static_cast<size_t>(std::min<uint64_t>(out.size(), Left()));
  std::fill(out.begin() + static_cast<ptrdiff_t>(there), out.end(), std::byte{0});
  if (there == 0) return;
  if (auto read = item->read(offset_, out.first(there)); !read) {
    std::fill(out.begin(), out.end(), std::byte{0});
    DAVIT_LOG_GUEST_ERROR("fw_cfg: {}", read.error().message);
  }
  offset_ += there;
}

// As QEMU's device: bytes are read one at a time at either port, two are a selector.
void FwCfg::Ports::Read(uint64_t, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  if (data.size() != 1) return;
  std::lock_guard lock(device_.mutex_);
  device_.ReadItem(std::as_writable_bytes(data));
}

void FwCfg::Ports::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (offset != 0 || data.size() != 2) return;  // items are not written
  std::lock_guard lock(device_.mutex_);
  device_.key_ = static_cast<uint16_t>(LoadLe(data.data(), 2) & ~uint64_t{kWriteChannel});
  device_.offset_ = 0;
}

void FwCfg::DmaPorts::Read(uint64_t offset, std::span<uint8_t> data) {
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = offset + i < sizeof(kDmaSignature) ? kDmaSignature[offset + i] : 0;
  }
}

// The low half starts the transfer.
void FwCfg::DmaPorts::Write(uint64_t offset, std::span<const uint8_t> data) {
  const bool high = offset == 0 && data.size() == 4;
  const bool low = offset == 4 && data.size() == 4;
  const bool both = offset == 0 && data.size() == 8;
  if (!high && !low && !both) return;
  std::lock_guard lock(device_.mutex_);
  auto& address = device_.dma_address_;
  std::copy(data.begin(), data.end(), address.begin() + static_cast<ptrdiff_t>(offset));
  if (high) return;
  const uint64_t descriptor = __builtin_bswap64(LoadLe(address.data(), address.size()));
  address.fill(0);
  device_.RunDma(descriptor);
}

Status FwCfg::Transfer(uint64_t address, uint32_t length, bool read) {
  const Source* const item = Selected();
  if (address + length < address) return Fail("fw_cfg: DMA address wraps");
  if (read && length > Left() + kMaxZeros) return Fail("fw_cfg: a read far behind an item's end");
  while (length != 0) {
    const uint64_t left = Left();
    if (left == 0) {  // zeros behind the end
      return read ? memory_.Fill(address, length, std::byte{0}) : Status();
    }
    std::array<std::byte, kChunk> chunk;
    const auto piece = static_cast<uint32_t>(
        std::min({uint64_t{length}, left, read ? uint64_t{kChunk} : uint64_t{length}}));
    if (read) {
      DAVIT_TRY(item->read(offset_, std::span(chunk).first(piece)));
      DAVIT_TRY(memory_.Write(address, std::span(chunk).first(piece)));
    }
    offset_ += piece;
    address += piece;
    length -= piece;
  }
  return {};
}

// All of it or nothing.
Status FwCfg::WriteItem(uint64_t address, uint32_t length) {
  const Source* const item = Selected();
  if (item == nullptr || !item->write) return Fail("fw_cfg: the item is not written");
  if (offset_ >= item->size || length > item->size - offset_) {
    return Fail("fw_cfg: a write behind the end of an item");
  }
  std::vector<std::byte> bytes(length);
  DAVIT_TRY(memory_.Read(address, bytes));
  item->write(offset_, bytes);
  offset_ += length;
  return {};
}

// The descriptor is copied once; its control word tells the guest how it went.
void FwCfg::RunDma(uint64_t descriptor) {
  std::array<std::byte, kAccessSize> access;
  std::array<std::byte, 4> result{};
  if (!memory_.Read(descriptor, access)) {
    StoreLe(result.data(), 4, __builtin_bswap32(kError));
    (void)memory_.Write(descriptor, result);
    return;
  }
  const uint32_t control = Big32(&access[0]);
  const uint32_t length = Big32(&access[4]);
  const uint64_t address = Big64(&access[8]);
  if (control & kSelect) {
    key_ = static_cast<uint16_t>((control >> 16) & ~uint32_t{kWriteChannel});
    offset_ = 0;
  }
  Status done;
  if (control & kRead) {
    done = Transfer(address, length, true);
  } else if (control & kWrite) {
    done = WriteItem(address, length);
  } else if (control & kSkip) {
    done = Transfer(address, length, false);
  }
  StoreLe(result.data(), 4, __builtin_bswap32(done ? 0 : uint32_t{kError}));
  (void)memory_.Write(descriptor, result);
}

}  // namespace davit::devices
