// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The one door to guest RAM. A GuestMemory is a value: a shared, immutable table of regions
// (GPA range -> host mapping). Hot-plug makes a new table; holders of the old one keep it (and
// the mappings) alive. Every access copies, is bounds-checked with 64-bit sums and splits at region
// edges; no pointer into guest RAM leaves the package but as iovecs of one BorrowedIo.
// Thread-safe (const). The guest may change bytes at any time: copy once, check the copy.
#pragma once

#include <sys/uio.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "vmm/base/error.h"

namespace davit::memory {

// A guest physical address (GPA).
struct GuestAddress {
  uint64_t value = 0;
  friend constexpr auto operator<=>(GuestAddress, GuestAddress) = default;
  friend constexpr GuestAddress operator+(GuestAddress a, uint64_t n) { return {a.value + n}; }
};

class RamBlock;  // ram_block.h: a host mapping (anonymous, memfd, file, hugetlb) and its owner

struct Region {
  GuestAddress base;
  uint64_t size = 0;                // bytes, page multiple, base + size <= 2^64
  std::shared_ptr<RamBlock> block;  // keeps the mapping
  uint64_t block_offset = 0;        // bytes into the block
  // A device lets pages of it come and go (virtio-mem): not all of it is memory of the guest.
  bool sparse = false;
};

class GuestMemory {
 public:
  GuestMemory();  // no RAM at all
  // Regions sorted by base, disjoint; else an Error (an operator's mistake of sizes).
  static Result<GuestMemory> Create(std::vector<Region> regions);

  const std::vector<Region>& regions() const { return *regions_; }
  uint64_t total_bytes() const;  // of the regions that are not sparse
  // True when [addr, addr+len) lies in RAM as a whole (len 0: true).
  bool Contains(GuestAddress addr, uint64_t len) const;

  // All or nothing; Error "guest address 0x.. length .. is not RAM".
  Status Read(GuestAddress addr, std::span<std::byte> out) const;
  Status Write(GuestAddress addr, std::span<const std::byte> in) const;
  Status Fill(GuestAddress addr, uint64_t len, std::byte value) const;

  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> Read(GuestAddress addr)
  const {
    T value;
    DAVIT_TRY(Read(addr, std::as_writable_bytes(std::span(&value, 1))));
    return value;
  }
  template <typename T>
  requires(std::is_trivially_copyable_v<T> &&
           !std::is_convertible_v<const T&, std::span<const std::byte>>) Status
      Write(GuestAddress addr, const T& value)
  const { return Write(addr, std::as_bytes(std::span(&value, 1))); }
  // pread(2)s [file_offset, +len) into guest RAM; a short file is an Error.
  Status ReadFile(GuestAddress addr, int fd, uint64_t file_offset, uint64_t len) const;

  // Page size of the host memory behind addr, bytes. Error: not RAM.
  Result<uint64_t> BackingPageSize(GuestAddress addr) const;
  // Gives the host pages that lie in [addr, addr+len) as a whole back to the host (RamBlock).
  // Edges that share a host page with bytes outside are left alone.
  Status Discard(GuestAddress addr, uint64_t len) const;
  // Has host memory put behind [addr, addr+len), whose edges are those of host pages. Error: there
  // is none left.
  Status Populate(GuestAddress addr, uint64_t len) const;

 private:
  friend class BorrowedIo;   // borrowed_io.h
  friend class GuestWindow;  // guest_window.h
  // fn(host address, bytes) for each piece of [addr, addr+len). All or nothing.
  Status ForEachHostRange(GuestAddress addr, uint64_t len,
                          const std::function<void(uint64_t, uint64_t)>& fn) const;
  explicit GuestMemory(std::shared_ptr<const std::vector<Region>> regions);
  std::shared_ptr<const std::vector<Region>> regions_;
};

}  // namespace davit::memory
