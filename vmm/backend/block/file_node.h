// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The drivers file and host_device: an open descriptor, what its alignment must be with O_DIRECT,
// its locks, and the system calls that block. Construction and locks: control thread. The calls
// under "I/O" on any thread, also at the same time.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "vmm/backend/block/node.h"
#include "vmm/backend/file/file_opener.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

class FileNode final : public BlockNode {
 public:
  static Result<std::shared_ptr<FileNode>> Open(const BlockNodeSpec& spec, std::string name,
                                                FileOpener& opener);
  ~FileNode() override;

  uint64_t length() const override { return length_.load(std::memory_order_acquire); }
  std::string filename() const override { return filename_; }
  uint64_t actual_size() const override;
  BlockTarget Target() override;
  Status Resize(uint64_t bytes) override;
  bool has_dirty_flag() const override { return true; }
  // Opens the image anew where it must. Error also: the path is another file by now.
  Result<std::unique_ptr<NodeChange>> PrepareReopen(const BlockNodeSpec& spec,
                                                    std::shared_ptr<BlockNode> child,
                                                    std::shared_ptr<ThrottleGroup> group) override;

  // Logical and physical sector size of a host device; 0: not known, or a file.
  uint32_t logical_sector() const { return logical_sector_; }
  uint32_t physical_sector() const { return physical_sector_; }

  // --- I/O ---
  int fd() const { return fd_.get(); }
  AioMode aio() const { return aio_; }
  // The file is in memory (tmpfs): a write is a copy, which no thread need be asked for.
  bool in_memory() const { return in_memory_; }
  // O_DIRECT: what offsets and lengths, and what addresses must be multiples of. Else 1.
  uint32_t request_alignment() const { return alignment_.request; }
  uint32_t memory_alignment() const { return alignment_.memory; }
  // Can the kernel take this as it is?
  bool Aligned(uint64_t offset, uint64_t bytes, std::span<const iovec> iov) const;
  // A flush that failed means that the kernel has dropped what it could not write: it would say
  // yes to the next one. The first error stays the answer.
  int flush_error() const { return flush_error_.load(std::memory_order_acquire); }
  void NoteFlush(int error);

  // Blocking; 0 or errno.
  int Read(uint64_t offset, uint64_t bytes, std::span<const iovec> iov);
  int Write(uint64_t offset, uint64_t bytes, std::span<const iovec> iov, bool fua);
  int Flush();
  int Discard(uint64_t offset, uint64_t bytes);
  int WriteZeroes(uint64_t offset, uint64_t bytes, bool unmap, bool fua);

  // query-blockstats driver-specific
  std::atomic<uint64_t> discard_ok{0}, discard_failed{0}, discard_bytes_ok{0};

 private:
  class Change;
  // O_DIRECT: what a descriptor asks for.
  struct Alignment {
    uint32_t request = 1;
    uint32_t memory = 1;
  };
  FileNode(const BlockNodeSpec& spec, std::string name, bool read_only, UniqueFd fd,
           FileOpener& opener);
  Status ApplyPermissions(BlockPermissions used, BlockPermissions shared) override;
  Status ReadLength();
  static Alignment ProbeAlignment(int fd);
  void ProbeSectors();  // file_node_unsafe.cc: ioctl
  int BouncedRead(uint64_t offset, uint64_t bytes, std::span<const iovec> iov);
  int BouncedWrite(uint64_t offset, uint64_t bytes, std::span<const iovec> iov, bool fua);
  int BouncedBlocks(uint64_t offset, uint64_t bytes, std::span<const iovec> iov, bool fua);
  int WriteZeroBuffers(uint64_t offset, uint64_t bytes);

  FileOpener& opener_;
  const std::string filename_;
  const AioMode aio_;
  UniqueFd fd_;
  bool lock_ = false;
  bool is_device_ = false;
  bool in_memory_ = false;
  ImageLocks locks_;
  Alignment alignment_;
  uint32_t logical_sector_ = 0, physical_sector_ = 0;
  std::atomic<uint64_t> length_{0};
  std::atomic<int> flush_error_{0};
};

}  // namespace davit::backend
