// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ram_block.h: opening and sizing the backing store. The mapping itself is in
// ram_block_unsafe.cc.
#include "vmm/memory/ram_block.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bit>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "vmm/base/units.h"

namespace davit::memory {
namespace {

// A number in a sysfs file; nullopt when there is none.
std::optional<uint64_t> ReadNumber(const std::string& path) {
  std::ifstream in(path);
  std::string text;
  if (!(in >> text)) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const uint64_t value = std::strtoull(text.c_str(), &end, 0);
  if (errno != 0 || end == text.c_str()) return std::nullopt;
  return value;
}

std::string SysfsOfDevice(const struct stat& st, const char* file) {
  return fmt::format("/sys/dev/char/{}:{}/{}", major(st.st_rdev), minor(st.st_rdev), file);
}

uint64_t DefaultHugePageSize() {
  std::ifstream in("/proc/meminfo");
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with("Hugepagesize:")) {
      return std::strtoull(line.c_str() + sizeof("Hugepagesize:") - 1, nullptr, 10) * kKiB;
    }
  }
  return 2 * kMiB;
}

// Page size of what fd lives on: the huge page size on hugetlbfs, the alignment of a dax device.
uint64_t BackingPageSize(int fd, const struct stat& st) {
  if (S_ISCHR(st.st_mode)) {
    for (const char* file : {"align", "device/align"}) {
      if (auto align = ReadNumber(SysfsOfDevice(st, file))) return *align;
    }
    return kPageSize;
  }
  struct statfs fs {};
  if (fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC) {
    return static_cast<uint64_t>(fs.f_bsize);
  }
  return kPageSize;
}

}  // namespace

std::string HugePagePool(uint64_t page_size) {
  const std::string dir = fmt::format("/sys/kernel/mm/hugepages/hugepages-{}kB/", page_size / kKiB);
  const auto total = ReadNumber(dir + "nr_hugepages");
  const auto free = ReadNumber(dir + "free_hugepages");
  const auto reserved = ReadNumber(dir + "resv_hugepages");
  if (!total || !free) return {};
  const uint64_t taken = reserved.value_or(0);
  return fmt::format("{} free of {} pages of {} KiB", *free > taken ? *free - taken : 0, *total,
                     page_size / kKiB);
}

RamBlock::RamBlock(const RamBlockOptions& options) : options_(options) {}

Result<std::shared_ptr<RamBlock>> RamBlock::Create(const RamBlockOptions& options) {
  std::shared_ptr<RamBlock> block(new RamBlock(options));
  if (Status made = block->Make(); !made) {
    if (block->created_file_) unlink(options.path.c_str());
    return Fail(std::move(made).error());
  }
  return block;
}

Status RamBlock::Make() {
  DAVIT_TRY(Open());
  DAVIT_TRY(Map());
  Advise();
  DAVIT_TRY(Bind());
  return options_.prealloc ? Preallocate() : CheckBacked();
}

Status RamBlock::Open() {
  page_size_ = kPageSize;
  if (options_.size > (uint64_t{1} << 52)) {
    return Fail(fmt::format("cannot set up guest memory '{}': Cannot allocate memory", id()));
  }
  switch (options_.kind) {
    case RamBlockOptions::Kind::kAnonymous:
      break;
    case RamBlockOptions::Kind::kMemfd:
      DAVIT_TRY(OpenMemfd());
      break;
    case RamBlockOptions::Kind::kFile:
      DAVIT_TRY(OpenFile());
      break;
  }
  size_ = AlignUp(options_.size, page_size_);
  alignment_ = page_size_;
  if (options_.align != 0) {
    if (options_.align % page_size_ != 0) {
      return Fail(fmt::format("alignment 0x{:x} must be multiples of page size 0x{:x}",
                              options_.align, page_size_));
    }
    if (!std::has_single_bit(options_.align)) {
      return Fail(fmt::format("alignment 0x{:x} must be a power of two", options_.align));
    }
    alignment_ = options_.align;
  }
  return options_.kind == RamBlockOptions::Kind::kFile ? CheckFileSize() : Status{};
}

Status RamBlock::OpenMemfd() {
  unsigned flags = MFD_CLOEXEC;
  if (options_.seal) flags |= MFD_ALLOW_SEALING;
  if (options_.hugetlb) {
    page_size_ = options_.hugetlbsize != 0 ? options_.hugetlbsize : DefaultHugePageSize();
    if (!std::has_single_bit(page_size_)) return Fail("Hugepage size must be a power of 2");
    flags |= MFD_HUGETLB;
    if (options_.hugetlbsize != 0) {
      flags |= static_cast<unsigned>(std::countr_zero(page_size_)) << MFD_HUGE_SHIFT;
    }
    if (HugePagePool(page_size_).empty()) {
      return Fail(fmt::format("failed to create memfd: the host has no huge pages of {} KiB",
                              page_size_ / kKiB));
    }
  }
  fd_.reset(memfd_create("memory-backend-memfd", flags));
  if (!fd_) return FailErrno("failed to create memfd");
  if (options_.size % page_size_ != 0 && options_.hugetlb) {
    return Fail(fmt::format(
        "failed to resize memfd to {}: Invalid argument (not a multiple of the page size 0x{:x})",
        options_.size, page_size_));
  }
  if (const uint64_t whole = AlignUp(options_.size, page_size_); options_.size != whole) {
    return Fail(fmt::format("backing store size 0x{:x} does not match 'size' option 0x{:x}",
                            options_.size, whole));
  }
  if (ftruncate(fd_.get(), static_cast<off_t>(options_.size)) != 0) {
    return FailErrno(fmt::format("failed to resize memfd to {}", options_.size));
  }
  if (options_.seal && fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    return FailErrno("failed to add seals");
  }
  return {};
}

Status RamBlock::OpenFile() {
  struct stat st {};
  const std::string& path = options_.path;
  if (stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
    if (options_.readonly) {
      return Fail(fmt::format("can't open backing store {} for guest RAM: Is a directory", path));
    }
    std::string name = fmt::format("{}/davit_mem.{}.XXXXXX", path, id());
    for (size_t i = path.size() + 1; i < name.size(); ++i) {
      if (name[i] == '/') name[i] = '_';
    }
    fd_.reset(mkostemp(name.data(), O_CLOEXEC));
    if (!fd_) return FailErrno(fmt::format("can't create backing store in {} for guest RAM", path));
    unlink(name.c_str());
  } else {
    // Not to wait for the other end of a FIFO; without effect on what can be RAM.
    constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;
    fd_.reset(open(path.c_str(), (options_.readonly ? O_RDONLY : O_RDWR) | kFlags));
    if (!fd_ && errno == ENOENT && !options_.readonly) {
      fd_.reset(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | kFlags, 0644));
      created_file_ = static_cast<bool>(fd_);
    }
    if (!fd_) return FailErrno(fmt::format("can't open backing store {} for guest RAM", path));
  }
  if (fstat(fd_.get(), &st) != 0) return FailErrno(fmt::format("can't stat {}", path));
  page_size_ = BackingPageSize(fd_.get(), st);
  return {};
}

Status RamBlock::CheckFileSize() {
  if (options_.size < page_size_) {
    return Fail(fmt::format("memory size 0x{:x} must be equal to or larger than page size 0x{:x}",
                            options_.size, page_size_));
  }
  if (options_.offset % page_size_ != 0) {
    return Fail(fmt::format("offset 0x{:x} must be multiples of page size 0x{:x}", options_.offset,
                            page_size_));
  }
  if (options_.offset > static_cast<uint64_t>(INT64_MAX) - size_) {
    return Fail(fmt::format("offset 0x{:x} is too large", options_.offset));
  }
  struct stat st {};
  if (fstat(fd_.get(), &st) != 0) return FailErrno(fmt::format("can't stat {}", options_.path));
  std::optional<uint64_t> have;
  if (S_ISCHR(st.st_mode)) {
    have = ReadNumber(SysfsOfDevice(st, "size"));  // a dax device; others have no known end
    if (!have) return {};
  } else {
    const off_t end = lseek(fd_.get(), 0, SEEK_END);
    have = end > 0 ? static_cast<uint64_t>(end) : 0;
  }
  if (*have == 0 && S_ISREG(st.st_mode) && !options_.readonly) {
    if (ftruncate(fd_.get(), static_cast<off_t>(options_.offset + size_)) != 0) {
      return FailErrno(fmt::format("can't resize backing store {}", options_.path));
    }
    return {};
  }
  if (options_.offset == 0 && *have < options_.size) {
    return Fail(fmt::format("backing store size 0x{:x} does not match 'size' option 0x{:x}", *have,
                            options_.size));
  }
  if (*have < options_.offset + options_.size) {
    return Fail(fmt::format(
        "backing store size 0x{:x} is too small for 'size' option 0x{:x} plus 'offset' option "
        "0x{:x}",
        *have, options_.size, options_.offset));
  }
  return {};
}

Result<MissingPages*> RamBlock::WatchMissingPages() {
  if (missing_pages_ == nullptr) {
    DAVIT_ASSIGN(missing_pages_, MissingPages::Watch(host_address_, size_, page_size_));
  }
  return missing_pages_.get();
}

}  // namespace davit::memory
