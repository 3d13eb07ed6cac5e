// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One host mapping that backs guest RAM: anonymous memory, a memfd, or a file (regular, hugetlbfs,
// a dax or other character device from `offset` on: a direct mapping of that range). What a
// memory-backend-* object makes. Immutable after Create, thread-safe; unmapped with its last owner.
// The bytes are reached through GuestMemory only; KVM gets the address as a number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/memory/missing_pages.h"

namespace davit::memory {

enum class NumaPolicy : uint8_t { kDefault, kPreferred, kBind, kInterleave };

struct RamBlockOptions {
  enum class Kind : uint8_t { kAnonymous, kMemfd, kFile };
  Kind kind = Kind::kAnonymous;
  std::string id;     // of the object; names it in errors
  uint64_t size = 0;  // bytes; rounded up to pages of the backing store, but for a memfd (Error)
  bool share = false;
  bool prealloc = false;
  uint32_t prealloc_threads = 1;  // at most; never more than the host has CPUs
  bool merge = true;              // KSM may merge its pages
  bool dump = true;               // part of core dumps
  bool reserve = true;            // swap space or huge pages are reserved at once
  NumaPolicy policy = NumaPolicy::kDefault;
  std::vector<uint16_t> host_nodes;
  // kMemfd
  bool hugetlb = false;
  uint64_t hugetlbsize = 0;  // bytes; 0: the host's default huge page
  bool seal = true;          // against growing and shrinking
  // kFile
  std::string path;           // a file, a folder (an unlinked file is made in it), or a device
  uint64_t offset = 0;        // bytes, page multiple
  uint64_t align = 0;         // bytes; 0: the page size
  bool readonly = false;      // the file is opened read-only and mapped private or read-only
  bool discard_data = false;  // the content is thrown away at the end
};

class RamBlock {
 public:
  static Result<std::shared_ptr<RamBlock>> Create(const RamBlockOptions& options);
  ~RamBlock();
  RamBlock(const RamBlock&) = delete;
  RamBlock& operator=(const RamBlock&) = delete;

  const std::string& id() const { return options_.id; }
  const RamBlockOptions& options() const { return options_; }
  uint64_t size() const { return size_; }            // bytes, multiple of page_size()
  uint64_t page_size() const { return page_size_; }  // bytes, of the backing store
  bool readonly() const { return options_.readonly && options_.share; }
  int fd() const { return fd_.get(); }  // -1: anonymous
  uint64_t fd_offset() const { return options_.offset; }
  // For KVM's memory slots.
  uint64_t host_address() const { return host_address_; }

  // [offset, offset + n) must lie in the block: the caller (GuestMemory) has checked.
  void CopyOut(uint64_t offset, std::span<std::byte> out) const;
  void CopyIn(uint64_t offset, std::span<const std::byte> in) const;
  void Fill(uint64_t offset, uint64_t len, std::byte value) const;
  Status ReadFile(uint64_t offset, int fd, uint64_t file_offset, uint64_t len) const;
  // Gives the host memory under [offset, offset + len), multiples of page_size(), back to the host.
  // Afterwards reads give zeros (a private mapping of a file: the file's bytes). Error: the backing
  // store cannot (locked memory, a device).
  Status Discard(uint64_t offset, uint64_t len) const;
  // Has host memory put under [offset, offset + len), multiples of page_size(). Error: there is
  // none left; a part may have been populated.
  Status Populate(uint64_t offset, uint64_t len) const;
  // From now on, and for as long as anybody has this mapping, a huge page that is missing does not
  // end the process (missing_pages.h). The watch is this block's. Error: it cannot be. Control
  // thread.
  Result<MissingPages*> WatchMissingPages();

 private:
  explicit RamBlock(const RamBlockOptions& options);
  Status Make();
  Status Open();
  Status OpenMemfd();
  Status OpenFile();
  Status CheckFileSize();
  Status Map();
  tl::unexpected<Error> MapError(int error) const;
  Status CheckBacked() const;
  void Advise();
  Status Bind();
  Status Preallocate();

  RamBlockOptions options_;
  UniqueFd fd_;
  bool created_file_ = false;  // options_.path did not exist before
  uint64_t size_ = 0;
  uint64_t page_size_ = 0;
  uint64_t alignment_ = 0;     // of host_address_
  uint64_t host_address_ = 0;  // 0: not mapped
  uint64_t reserved_ = 0;      // bytes of address space from reserved_base_, with the guard page
  uint64_t reserved_base_ = 0;
  std::unique_ptr<MissingPages> missing_pages_;
};

// What the huge page pool of this page size has, for errors: "2 free of 4 pages of 2048 KiB".
// Empty when the host has no such pool.
std::string HugePagePool(uint64_t page_size);

}  // namespace davit::memory
