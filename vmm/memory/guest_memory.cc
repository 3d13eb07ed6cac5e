// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See guest_memory.h. Pure bounds arithmetic; the bytes move in ram_block_unsafe.cc.
#include "vmm/memory/guest_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

using Regions = std::vector<Region>;

// The region that holds addr, or end().
Regions::const_iterator FindRegion(const Regions& regions, uint64_t addr) {
  auto it = std::upper_bound(regions.begin(), regions.end(), addr,
                             [](uint64_t a, const Region& r) { return a < r.base.value; });
  if (it == regions.begin()) return regions.end();
  --it;
  return addr - it->base.value < it->size ? it : regions.end();
}

// Calls fn(region, offset in the block, bytes done so far, n) for each piece of [addr, addr+len),
// which Contains() has accepted; fn returns Status.
template <typename Fn>
Status ForEachPiece(const Regions& regions, uint64_t addr, uint64_t len, Fn fn) {
  uint64_t done = 0;
  for (auto it = FindRegion(regions, addr); done < len; ++it) {
    const uint64_t in_region = addr + done - it->base.value;
    const uint64_t n = std::min(len - done, it->size - in_region);
    DAVIT_TRY(fn(*it, it->block_offset + in_region, done, n));
    done += n;
  }
  return {};
}

tl::unexpected<Error> NotRam(GuestAddress addr, uint64_t len) {
  return Fail(fmt::format("guest address 0x{:x} length 0x{:x} is not RAM", addr.value, len));
}

}  // namespace

GuestMemory::GuestMemory() : regions_(std::make_shared<const Regions>()) {}

GuestMemory::GuestMemory(std::shared_ptr<const Regions> regions) : regions_(std::move(regions)) {}

Result<GuestMemory> GuestMemory::Create(Regions regions) {
  uint64_t end = 0;
  bool first = true;
  for (const Region& region : regions) {
    const uint64_t base = region.base.value;
    const auto bad = [&](const char* why) {
      return Fail(fmt::format("guest RAM region 0x{:x} size 0x{:x}: {}", base, region.size, why));
    };
    if (region.size == 0) return bad("size is zero");
    if (base % kPageSize != 0 || region.size % kPageSize != 0 ||
        region.block_offset % kPageSize != 0) {
      return bad("not a multiple of the page size");
    }
    // base + size = 2^64 would be legal for KVM too, but no machine has RAM there.
    if (region.size > UINT64_MAX - base) return bad("exceeds the address space");
    if (!first && base < end) return bad("overlaps or precedes the region before it");
    if (region.block == nullptr || region.block_offset > region.block->size() ||
        region.size > region.block->size() - region.block_offset) {
      return bad("larger than its memory backend");
    }
    end = base + region.size;
    first = false;
  }
  return GuestMemory(std::make_shared<const Regions>(std::move(regions)));
}

uint64_t GuestMemory::total_bytes() const {
  uint64_t total = 0;
  for (const Region& region : *regions_) total += region.sparse ? 0 : region.size;
  return total;
}

bool GuestMemory::Contains(GuestAddress addr, uint64_t len) const {
  if (len == 0) return true;
  if (len - 1 > UINT64_MAX - addr.value) return false;
  uint64_t at = addr.value;
  for (auto it = FindRegion(*regions_, at); it != regions_->end(); ++it) {
    if (it->base.value > at) return false;  // a hole
    const uint64_t left = it->size - (at - it->base.value);
    if (len <= left) return true;
    len -= left;
    at += left;
  }
  return false;
}

Status GuestMemory::Read(GuestAddress addr, std::span<std::byte> out) const {
  if (!Contains(addr, out.size())) return NotRam(addr, out.size());
  return ForEachPiece(*regions_, addr.value, out.size(),
                      [&](const Region& r, uint64_t offset, uint64_t done, uint64_t n) -> Status {
                        r.block->CopyOut(offset, out.subspan(done, n));
                        return {};
                      });
}

Status GuestMemory::Write(GuestAddress addr, std::span<const std::byte> in) const {
  if (!Contains(addr, in.size())) return NotRam(addr, in.size());
  return ForEachPiece(*regions_, addr.value, in.size(),
                      [&](const Region& r, uint64_t offset, uint64_t done, uint64_t n) -> Status {
                        r.block->CopyIn(offset, in.subspan(done, n));
                        return {};
                      });
}

Status GuestMemory::Fill(GuestAddress addr, uint64_t len, std::byte value) const {
  if (!Contains(addr, len)) return NotRam(addr, len);
  return ForEachPiece(*regions_, addr.value, len,
                      [&](const Region& r, uint64_t offset, uint64_t, uint64_t n) -> Status {
                        r.block->Fill(offset, n, value);
                        return {};
                      });
}

Status GuestMemory::ReadFile(GuestAddress addr, int fd, uint64_t file_offset, uint64_t len) const {
  if (!Contains(addr, len)) return NotRam(addr, len);
  return ForEachPiece(*regions_, addr.value, len,
                      [&](const Region& r, uint64_t offset, uint64_t done, uint64_t n) {
                        return r.block->ReadFile(offset, fd, file_offset + done, n);
                      });
}

Result<uint64_t> GuestMemory::BackingPageSize(GuestAddress addr) const {
  const auto it = FindRegion(*regions_, addr.value);
  if (it == regions_->end()) return NotRam(addr, 1);
  return it->block->page_size();
}

Status GuestMemory::Discard(GuestAddress addr, uint64_t len) const {
  if (!Contains(addr, len)) return NotRam(addr, len);
  return ForEachPiece(*regions_, addr.value, len,
                      [&](const Region& r, uint64_t offset, uint64_t, uint64_t n) -> Status {
                        const uint64_t page = r.block->page_size();
                        const uint64_t begin = AlignUp(offset, page);
                        const uint64_t end = (offset + n) / page * page;
                        if (begin >= end) return {};
                        return r.block->Discard(begin, end - begin);
                      });
}

Status GuestMemory::Populate(GuestAddress addr, uint64_t len) const {
  if (!Contains(addr, len)) return NotRam(addr, len);
  return ForEachPiece(*regions_, addr.value, len,
                      [&](const Region& r, uint64_t offset, uint64_t, uint64_t n) {
                        return r.block->Populate(offset, n);
                      });
}

Status GuestMemory::ForEachHostRange(GuestAddress addr, uint64_t len,
                                     const std::function<void(uint64_t, uint64_t)>& fn) const {
  if (!Contains(addr, len)) return NotRam(addr, len);
  return ForEachPiece(*regions_, addr.value, len,
                      [&](const Region& r, uint64_t offset, uint64_t, uint64_t n) -> Status {
                        fn(r.block->host_address() + offset, n);
                        return {};
                      });
}

}  // namespace davit::memory
