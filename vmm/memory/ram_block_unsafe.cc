// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ram_block.h: the mapping, and the only code that dereferences guest RAM. memcpy on bytes
// that the guest may change meanwhile is deliberate: callers check the copy, never the original.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <system_error>
#include <thread>
#include <vector>

#include "vmm/base/log.h"
#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

// More do not make it faster, however many CPUs the host has.
constexpr uint64_t kMaxPreallocThreads = 16;

std::byte* Pointer(uint64_t address) { return reinterpret_cast<std::byte*>(address); }

uint64_t Number(void* address) { return reinterpret_cast<uint64_t>(address); }

bool OvercommitForbidden() {
  std::ifstream in("/proc/sys/vm/overcommit_memory");
  int mode = 0;
  return (in >> mode) && mode == 2;
}

// Populates [begin, end), page by page where the kernel has no MADV_POPULATE_WRITE. errno or 0.
int PopulateRange(uint64_t begin, uint64_t end, uint64_t page_size) {
  if (begin == end) return 0;
  if (madvise(Pointer(begin), end - begin, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return errno;
  for (uint64_t at = begin; at < end; at += page_size) {
    auto* byte = reinterpret_cast<volatile std::byte*>(at);
    *byte = *byte;
  }
  return 0;
}

// False: the host has no thread left for this process.
bool StartThread(std::vector<std::thread>& threads, const std::function<void()>& fn) {
  try {
    threads.emplace_back(fn);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

RamBlock::~RamBlock() {
  missing_pages_.reset();  // before the mapping
  if (host_address_ != 0 && options_.discard_data && options_.share && !options_.readonly) {
    madvise(Pointer(host_address_), size_, MADV_REMOVE);
  }
  if (reserved_ != 0) munmap(Pointer(reserved_base_), reserved_);
}

tl::unexpected<Error> RamBlock::MapError(int error) const {
  std::string what = fd_ ? "unable to map backing store for guest RAM"
                         : fmt::format("cannot set up guest memory '{}'", id());
  const std::string pool = page_size_ > kPageSize ? HugePagePool(page_size_) : std::string();
  what += fmt::format(": {}", std::strerror(error));
  if (!pool.empty()) {
    what += fmt::format(" (huge page pool: {}, {} needed)", pool, size_ / page_size_);
  } else if (fd_ && error == EINVAL && !options_.share) {
    what += " (this device may need share=on)";
  }
  return Fail(std::move(what));
}

Status RamBlock::Map() {
  if (!options_.reserve && !options_.share && !options_.hugetlb && OvercommitForbidden()) {
    return Fail(
        "Skipping reservation of swap space is not supported: \"/proc/sys/vm/overcommit_memory\" "
        "is \"2\"");
  }
  // Anonymous RAM lies on a 2 MiB boundary so that transparent huge pages fit guest pages.
  const uint64_t align = std::max(alignment_, size_ >= 2 * kMiB ? 2 * kMiB : kPageSize);
  const uint64_t guard = std::max(page_size_, kPageSize);
  void* area = mmap(nullptr, size_ + align + guard, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) return MapError(errno);
  reserved_base_ = Number(area);
  reserved_ = size_ + align + guard;
  const uint64_t start = AlignUp(reserved_base_, align);
  int flags = MAP_FIXED | (options_.share ? MAP_SHARED : MAP_PRIVATE);
  if (!fd_) flags |= MAP_ANONYMOUS;
  if (!options_.reserve) flags |= MAP_NORESERVE;
  const int protection = readonly() ? PROT_READ : PROT_READ | PROT_WRITE;
  void* mapped = mmap(Pointer(start), size_, protection, flags, fd_ ? fd_.get() : -1,
                      static_cast<off_t>(options_.offset));
  if (mapped == MAP_FAILED) return MapError(errno);
  host_address_ = Number(mapped);
  return {};
}

// Behind a mapping there may be nothing: a range past a device's end, huge pages that nobody
// reserved. The first touch of such a page would kill the process, so the kernel touches it here.
Status RamBlock::CheckBacked() const {
  struct stat st {};
  const bool device = fd_ && fstat(fd_.get(), &st) == 0 && S_ISCHR(st.st_mode);
  const bool huge = page_size_ > kPageSize && !options_.reserve;
  if (!device && !huge) return {};
  for (uint64_t offset : {uint64_t{0}, size_ - page_size_}) {
    if (huge && offset != 0) break;  // a page that may never be needed
    // EINVAL: a device's own memory, or a kernel that cannot tell.
    if (madvise(Pointer(host_address_ + offset), page_size_, MADV_POPULATE_READ) == 0 ||
        errno == EINVAL) {
      continue;
    }
    if (huge) return MapError(errno == EFAULT ? ENOMEM : errno);
    return Fail(fmt::format("{} (no memory at offset 0x{:x} of {})",
                            MapError(errno).value().message, options_.offset + offset,
                            options_.path));
  }
  return {};
}

void RamBlock::Advise() {
  std::byte* at = Pointer(host_address_);
  madvise(at, size_, MADV_DONTFORK);
  if (page_size_ == kPageSize) {
    madvise(at, size_, MADV_HUGEPAGE);
    if (options_.merge) madvise(at, size_, MADV_MERGEABLE);  // a host without KSM refuses: fine
  }
  if (!options_.dump) madvise(at, size_, MADV_DONTDUMP);
}

Status RamBlock::Bind() {
  static constexpr const char* kNames[] = {"default", "preferred", "bind", "interleave"};
  static constexpr int kModes[] = {MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE};
  const auto policy = static_cast<unsigned>(options_.policy);
  if (options_.policy == NumaPolicy::kDefault) {
    if (options_.host_nodes.empty()) return {};
    return Fail(
        "host-nodes must be empty for policy default, or you should explicitly specify a policy "
        "other than default");
  }
  if (options_.host_nodes.empty()) {
    return Fail(fmt::format("host-nodes must be set for policy {}", kNames[policy]));
  }
  constexpr unsigned kMaxNodes = 128;
  unsigned long mask[kMaxNodes / (8 * sizeof(unsigned long))] = {};
  for (uint16_t node : options_.host_nodes) {
    if (node >= kMaxNodes) return Fail(fmt::format("Invalid host-nodes value: {}", node));
    mask[node / 64] |= 1UL << (node % 64);
  }
  if (syscall(SYS_mbind, host_address_, size_, kModes[policy], mask, kMaxNodes + 1,
              MPOL_MF_STRICT | MPOL_MF_MOVE) != 0) {
    return FailErrno("cannot bind memory to host NUMA nodes");
  }
  return {};
}

Status RamBlock::Preallocate() {
  const uint64_t pages = size_ / page_size_;
  const uint64_t threads = std::min({uint64_t{std::max(options_.prealloc_threads, 1U)},
                                     uint64_t{std::max(std::thread::hardware_concurrency(), 1U)},
                                     kMaxPreallocThreads, std::max<uint64_t>(pages, 1)});
  std::atomic<int> error{0};
  const auto work = [&](uint64_t first, uint64_t last) {
    const int err = PopulateRange(host_address_ + first * page_size_,
                                  host_address_ + last * page_size_, page_size_);
    if (err != 0) error = err;
  };
  std::vector<std::thread> workers;
  uint64_t first = 0;
  for (uint64_t i = 0; i < threads; ++i) {
    const uint64_t last = first + pages / threads + (i < pages % threads ? 1 : 0);
    if (i + 1 == threads || !StartThread(workers, [&work, first, last] { work(first, last); }))
      work(first, last);
    first = last;
  }
  for (std::thread& worker : workers) worker.join();
  if (error == 0) return {};
  std::string message = fmt::format("preallocating memory of '{}' failed: {}", id(),
                                    std::strerror(error == EFAULT ? ENOMEM : error.load()));
  const std::string pool = page_size_ > kPageSize ? HugePagePool(page_size_) : std::string();
  if (!pool.empty()) message += fmt::format(" (huge page pool: {}, {} needed)", pool, pages);
  return Fail(std::move(message));
}

void RamBlock::CopyOut(uint64_t offset, std::span<std::byte> out) const {
  std::memcpy(out.data(), Pointer(host_address_ + offset), out.size());
}

void RamBlock::CopyIn(uint64_t offset, std::span<const std::byte> in) const {
  std::memcpy(Pointer(host_address_ + offset), in.data(), in.size());
}

void RamBlock::Fill(uint64_t offset, uint64_t len, std::byte value) const {
  std::memset(Pointer(host_address_ + offset), std::to_integer<int>(value), len);
}

Status RamBlock::ReadFile(uint64_t offset, int fd, uint64_t file_offset, uint64_t len) const {
  uint64_t done = 0;
  while (done < len) {
    const ssize_t n = pread(fd, Pointer(host_address_ + offset + done), len - done,
                            static_cast<off_t>(file_offset + done));
    if (n == 0) return Fail("unexpected end of file");
    if (n < 0) {
      if (errno == EINTR) continue;
      return FailErrno("read");
    }
    done += static_cast<uint64_t>(n);
  }
  return {};
}

Status RamBlock::Populate(uint64_t offset, uint64_t len) const {
  const uint64_t begin = host_address_ + offset;
  const int error = PopulateRange(begin, begin + len, page_size_);
  if (error == 0) return {};
  return Fail(fmt::format("cannot populate memory of '{}': {}", id(),
                          std::strerror(error == EFAULT ? ENOMEM : error)));
}

Status RamBlock::Discard(uint64_t offset, uint64_t len) const {
  if (readonly()) return Fail(fmt::format("memory backend '{}' is read-only", id()));
  const auto failed = [this] {
    return FailErrno(fmt::format("cannot discard memory of '{}'", id()));
  };
  // Private pages, and anonymous shared ones, go by way of the mapping.
  if (!fd_ || !options_.share) {
    const int advice = options_.share ? MADV_REMOVE : MADV_DONTNEED;
    if (madvise(Pointer(host_address_ + offset), len, advice) != 0) return failed();
  }
  // Pages of the file itself: a hole frees them for every mapping. A file that is mapped privately
  // is somebody's data; a memfd is ours, and a private mapping has filled it as well.
  if (fd_ && (options_.share || options_.kind == RamBlockOptions::Kind::kMemfd)) {
    if (fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(options_.offset + offset), static_cast<off_t>(len)) != 0) {
      return failed();
    }
  }
  return {};
}

}  // namespace davit::memory
