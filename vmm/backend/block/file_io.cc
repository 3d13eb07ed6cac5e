// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See file_node.h: the system calls that block, for worker threads.
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "vmm/backend/block/file_node.h"
#include "vmm/base/units.h"

namespace davit::backend {
namespace {

constexpr uint64_t kMaxBounce = 1 * kMiB;

using Buffer = std::unique_ptr<char, decltype(&free)>;

Buffer AlignedBuffer(size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kPageSize, bytes) != 0) memory = nullptr;
  return {static_cast<char*>(memory), &free};
}

// The part [skip, skip + bytes) of an iovec list.
std::vector<iovec> Part(std::span<const iovec> iov, uint64_t skip, uint64_t bytes) {
  std::vector<iovec> part;
  for (const iovec& v : iov) {
    if (bytes == 0) break;
    if (skip >= v.iov_len) {
      skip -= v.iov_len;
      continue;
    }
    const uint64_t n = std::min<uint64_t>(v.iov_len - skip, bytes);
    part.push_back({static_cast<char*>(v.iov_base) + skip, n});
    bytes -= n;
    skip = 0;
  }
  return part;
}

void CopyToIov(std::span<const iovec> iov, const char* from) {
  for (const iovec& v : iov) {
    memcpy(v.iov_base, from, v.iov_len);
    from += v.iov_len;
  }
}

void CopyFromIov(std::span<const iovec> iov, char* to) {
  for (const iovec& v : iov) {
    memcpy(to, v.iov_base, v.iov_len);
    to += v.iov_len;
  }
}

// Calls transfer(iovecs, count, offset) until all is moved. at_end: what 0 bytes mean.
template <typename Transfer>
int TransferAll(uint64_t offset, uint64_t bytes, std::span<const iovec> iov, uint64_t* moved,
                Transfer transfer) {
  *moved = 0;
  std::vector<iovec> rest;
  std::span<const iovec> now = iov;
  while (*moved < bytes) {
    if (*moved != 0) {
      rest = Part(iov, *moved, bytes - *moved);
      now = rest;
    }
    const int count = static_cast<int>(std::min<size_t>(now.size(), IOV_MAX));
    const ssize_t n = transfer(now.data(), count, static_cast<off_t>(offset + *moved));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return errno;
    if (n == 0) break;
    *moved += static_cast<uint64_t>(n);
  }
  return 0;
}

int Allocate(int fd, int mode, uint64_t offset, uint64_t bytes) {
  int result;
  do {
    result = fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

bool NotSupported(int error) {
  return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY || error == EINVAL;
}

}  // namespace

bool FileNode::Aligned(uint64_t offset, uint64_t bytes, std::span<const iovec> iov) const {
  if (alignment_.request == 1) return true;
  if ((offset | bytes) % alignment_.request != 0) return false;
  return std::all_of(iov.begin(), iov.end(), [this](const iovec& v) {
    return std::bit_cast<uintptr_t>(v.iov_base) % alignment_.memory == 0 &&
           v.iov_len % alignment_.request == 0;
  });
}

void FileNode::NoteFlush(int error) {
  // O_DIRECT writes are not in the page cache: there the next flush tells the truth.
  if (error == 0 || direct()) return;
  int none = 0;
  flush_error_.compare_exchange_strong(none, error);
}

int FileNode::Read(uint64_t offset, uint64_t bytes, std::span<const iovec> iov) {
  if (!Aligned(offset, bytes, iov)) return BouncedRead(offset, bytes, iov);
  uint64_t moved;
  const int error = TransferAll(offset, bytes, iov, &moved,
                                [this](auto... args) { return preadv(fd_.get(), args...); });
  if (error == EINVAL && direct() && moved % alignment_.request != 0) {
    // O_DIRECT stopped inside a sector: the end of the file.
  } else if (error != 0) {
    return error;
  }
  for (const iovec& v : Part(iov, moved, bytes - moved)) memset(v.iov_base, 0, v.iov_len);
  return 0;
}

int FileNode::Write(uint64_t offset, uint64_t bytes, std::span<const iovec> iov, bool fua) {
  if (fua && flush_error() != 0) return flush_error();
  if (!Aligned(offset, bytes, iov)) return BouncedWrite(offset, bytes, iov, fua);
  uint64_t moved;
  const int error = TransferAll(offset, bytes, iov, &moved, [this, fua](auto... args) {
    return pwritev2(fd_.get(), args..., fua ? RWF_DSYNC : 0);
  });
  if (error != 0) return error;
  return moved == bytes ? 0 : ENOSPC;
}

int FileNode::BouncedRead(uint64_t offset, uint64_t bytes, std::span<const iovec> iov) {
  const Buffer buffer = AlignedBuffer(kMaxBounce);
  if (!buffer) return ENOMEM;
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t at = AlignDown(offset + done, alignment_.request);
    const uint64_t skip = offset + done - at;
    const uint64_t n = std::min(bytes - done, kMaxBounce - skip);
    const iovec whole{buffer.get(), AlignUp(skip + n, alignment_.request)};
    const int error = Read(at, whole.iov_len, {&whole, 1});
    if (error != 0) return error;
    CopyToIov(Part(iov, done, n), buffer.get() + skip);
    done += n;
  }
  return 0;
}

int FileNode::BouncedWrite(uint64_t offset, uint64_t bytes, std::span<const iovec> iov, bool fua) {
  struct stat before;
  if (fstat(fd_.get(), &before) != 0) return errno;
  int error = BouncedBlocks(offset, bytes, iov, fua);
  const auto size = static_cast<uint64_t>(before.st_size);
  if (is_device_ || AlignUp(offset + bytes, alignment_.request) <= size) return error;
  // Whole blocks were written beyond the end: the image is no longer for it.
  const uint64_t end = std::max(size, offset + bytes);
  if (ftruncate(fd_.get(), static_cast<off_t>(end)) != 0 && error == 0) error = errno;
  return error == 0 && fua ? Flush() : error;
}

int FileNode::BouncedBlocks(uint64_t offset, uint64_t bytes, std::span<const iovec> iov, bool fua) {
  const Buffer buffer = AlignedBuffer(kMaxBounce);
  if (!buffer) return ENOMEM;
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t at = AlignDown(offset + done, alignment_.request);
    const uint64_t skip = offset + done - at;
    const uint64_t n = std::min(bytes - done, kMaxBounce - skip);
    const iovec whole{buffer.get(), AlignUp(skip + n, alignment_.request)};
    if (skip != 0 || skip + n != whole.iov_len) {
      // Part of a block: the rest of it stays as it is (queue.h keeps others away meanwhile).
      const int error = Read(at, whole.iov_len, {&whole, 1});
      if (error != 0) return error;
    }
    CopyFromIov(Part(iov, done, n), buffer.get() + skip);
    const int error = Write(at, whole.iov_len, {&whole, 1}, fua);
    if (error != 0) return error;
    done += n;
  }
  return 0;
}

int FileNode::Flush() {
  if (flush_error() != 0) return flush_error();
  int result;
  do {
    result = fdatasync(fd_.get());
  } while (result != 0 && errno == EINTR);
  const int error = result == 0 ? 0 : errno;
  NoteFlush(error);
  return error;
}

int FileNode::Discard(uint64_t offset, uint64_t bytes) {
  // On a device, "no hide stale" is a discard that need not give zeros afterwards.
  const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  int error = EOPNOTSUPP;
  if (is_device_) {
    error = Allocate(fd_.get(), mode | FALLOC_FL_NO_HIDE_STALE, offset, bytes);
  }
  if (NotSupported(error)) error = Allocate(fd_.get(), mode, offset, bytes);
  if (error == 0) {
    discard_ok.fetch_add(1, std::memory_order_relaxed);
    discard_bytes_ok.fetch_add(bytes, std::memory_order_relaxed);
    return 0;
  }
  discard_failed.fetch_add(1, std::memory_order_relaxed);
  return NotSupported(error) ? 0 : error;  // a hint that the host cannot take is no failure
}

int FileNode::WriteZeroes(uint64_t offset, uint64_t bytes, bool unmap, bool fua) {
  int error = EOPNOTSUPP;
  if (unmap) {
    error = Allocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
  }
  if (NotSupported(error)) {
    error = Allocate(fd_.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, bytes);
  }
  if (NotSupported(error)) error = WriteZeroBuffers(offset, bytes);
  if (error == 0 && fua) error = Flush();
  return error;
}

int FileNode::WriteZeroBuffers(uint64_t offset, uint64_t bytes) {
  const uint64_t size = std::min(bytes, kMaxBounce);
  const Buffer buffer = AlignedBuffer(AlignUp(size, kPageSize));
  if (!buffer) return ENOMEM;
  memset(buffer.get(), 0, size);
  for (uint64_t done = 0; done < bytes;) {
    const iovec part{buffer.get(), std::min(bytes - done, size)};
    const int error = Write(offset + done, part.iov_len, {&part, 1}, false);
    if (error != 0) return error;
    done += part.iov_len;
  }
  return 0;
}

}  // namespace davit::backend
