// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See file_node.h: opening, locks, size. The I/O is in file_io.cc.
#include "vmm/backend/block/file_node.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "vmm/backend/block/uring.h"
#include "vmm/base/units.h"

namespace davit::backend {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint32_t kMaxAlignment = 4096;

// The file may be replaced between a check and an open, so what was opened is what is checked.
Status CheckKind(int fd, BlockDriver driver, const std::string& path, bool* is_device) {
  struct stat st;
  if (fstat(fd, &st) != 0) return FailErrno("Could not stat file");
  if (driver == BlockDriver::kFile) {
    if (!S_ISREG(st.st_mode)) {
      return Fail(fmt::format("'file' driver requires '{}' to be a regular file", path));
    }
    return {};
  }
  if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode)) {
    return Fail(fmt::format(
        "'host_device' driver requires '{}' to be either a character or block device", path));
  }
  *is_device = true;
  return {};
}

std::string NoDirect(const std::string& path) {
  return fmt::format("Could not open '{}': filesystem does not support O_DIRECT", path);
}

// A descriptor of a set may have been opened otherwise.
Status SetFlags(int fd, const BlockNodeSpec& spec) {
  int flags = fcntl(fd, F_GETFL) & ~(O_NONBLOCK | O_DIRECT);
  if (spec.direct.value_or(false)) flags |= O_DIRECT;
  if (fcntl(fd, F_SETFL, flags) != 0) return Fail(NoDirect(spec.filename));
  return {};
}

// The file may have been replaced under its name.
bool SameFile(int fd, int other) {
  struct stat a, b;
  if (fstat(fd, &a) != 0 || fstat(other, &b) != 0) return false;
  if ((a.st_mode & S_IFMT) != (b.st_mode & S_IFMT)) return false;
  // A device may have several names.
  if (S_ISBLK(a.st_mode) || S_ISCHR(a.st_mode)) return a.st_rdev == b.st_rdev;
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

Status CheckAio(const BlockNodeSpec& spec) {
  if (spec.aio == AioMode::kNative && !spec.direct.value_or(false)) {
    return Fail(
        "aio=native was specified, but it requires cache.direct=on, which was not specified.");
  }
  if (spec.aio != AioMode::kNative && spec.aio != AioMode::kIoUring) return {};
  const Status status = Uring::Available();
  if (status) return {};
  return Fail(fmt::format("Unable to use {}io_uring: {}",
                          spec.aio == AioMode::kNative ? "aio=native by " : "",
                          status.error().message));
}

struct Opened {
  UniqueFd fd;
  bool read_only = false;
};

Result<Opened> OpenImage(const BlockNodeSpec& spec, FileOpener& opener) {
  // O_NONBLOCK: opening a FIFO or a tape must not hang; it means nothing to files and disks.
  const int common = (spec.direct.value_or(false) ? O_DIRECT : 0) | O_NONBLOCK;
  if (!spec.read_only) {
    int error = 0;
    auto fd = opener.Open(spec.filename, O_RDWR | common, &error);
    if (fd) return Opened{std::move(*fd), false};
    const bool may_not_write = error == EACCES || error == EROFS || error == EPERM;
    if (!spec.auto_read_only || !may_not_write) return Fail(std::move(fd).error());
  }
  int error = 0;
  DAVIT_ASSIGN(UniqueFd fd, opener.Open(spec.filename, O_RDONLY | common, &error));
  return Opened{std::move(fd), true};
}

}  // namespace

// Another descriptor, or the old one with other options.
class FileNode::Change final : public NodeChange {
 public:
  Change(FileNode& node, const BlockNodeSpec& spec) : Change(node, spec, node.read_only()) {}
  Change(FileNode& node, const BlockNodeSpec& spec, Opened opened)
      : Change(node, spec, opened.read_only) {
    fd_ = std::move(opened.fd);
  }
  ~Change() override {
    // Two descriptors of a set have their flags in common.
    if (fd_ && !done_) (void)fcntl(node_.fd_.get(), F_SETFL, flags_);
    if (fd_) node_.opener_.Closing(fd_.get());
  }
  Status Prepare() {
    if (!SameFile(fd_.get(), node_.fd_.get())) {
      return Fail(fmt::format("Could not reopen '{}': it is another file now", node_.filename_));
    }
    DAVIT_TRY(SetFlags(fd_.get(), spec_));
    if (spec_.direct.value_or(false)) alignment_ = ProbeAlignment(fd_.get());
    return {};
  }
  Status Secure() override {
    if (fd_ && node_.lock_) DAVIT_TRY(node_.locks_.CopyTo(fd_.get()));
    return {};
  }
  void Do() override {
    done_ = true;
    node_.set_spec(spec_);
    node_.set_read_only(read_only());
    if (!fd_) return;
    std::swap(node_.fd_, fd_);
    node_.alignment_ = alignment_;
  }

 private:
  Change(FileNode& node, const BlockNodeSpec& spec, bool read_only)
      : NodeChange(read_only), node_(node), spec_(spec), flags_(fcntl(node.fd(), F_GETFL)) {}

  FileNode& node_;
  const BlockNodeSpec spec_;
  const int flags_;  // of the descriptor before
  UniqueFd fd_;      // none: the one that is
  Alignment alignment_;
  bool done_ = false;
};

FileNode::FileNode(const BlockNodeSpec& spec, std::string name, bool read_only, UniqueFd fd,
                   FileOpener& opener)
    : BlockNode(spec, std::move(name), read_only),
      opener_(opener),
      filename_(spec.filename),
      aio_(spec.aio),
      fd_(std::move(fd)) {}

FileNode::~FileNode() {
  // What the guest has not flushed is in the page cache; the disk is not used any more.
  if (!read_only() && !no_flush() && wr_highest_offset() != 0) (void)Flush();
  opener_.Closing(fd_.get());
}

Result<std::shared_ptr<FileNode>> FileNode::Open(const BlockNodeSpec& spec, std::string name,
                                                 FileOpener& opener) {
  DAVIT_TRY(CheckSpec(spec));
  DAVIT_ASSIGN(Opened opened, OpenImage(spec, opener));
  Status status = CheckAio(spec);
  if (!status) {
    opener.Closing(opened.fd.get());
    return Fail(std::move(status).error());
  }
  std::shared_ptr<FileNode> node(
      new FileNode(spec, std::move(name), opened.read_only, std::move(opened.fd), opener));
  const int fd = node->fd_.get();
  DAVIT_TRY(CheckKind(fd, spec.driver, spec.filename, &node->is_device_));
  DAVIT_TRY(SetFlags(fd, spec));
  if (spec.locking != ImageLocking::kOff) {
    node->lock_ = ImageLocks::Supported(fd);
    if (!node->lock_ && spec.locking == ImageLocking::kOn) {
      return Fail(fmt::format("Could not lock '{}': file locks are not available", spec.filename));
    }
  }
  DAVIT_TRY(node->ReadLength());
  struct statfs fs {};
  node->in_memory_ = !node->is_device_ && fstatfs(fd, &fs) == 0 &&
                     (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
  if (node->is_device_) node->ProbeSectors();
  if (node->direct()) node->alignment_ = ProbeAlignment(fd);
  return node;
}

Result<std::unique_ptr<NodeChange>> FileNode::PrepareReopen(const BlockNodeSpec& to,
                                                            std::shared_ptr<BlockNode>,
                                                            std::shared_ptr<ThrottleGroup>) {
  DAVIT_TRY(CheckSpec(to));
  DAVIT_TRY(CheckAio(to));
  const bool direct_then = to.direct.value_or(false);
  const bool other_access =
      to.read_only != spec().read_only || (!to.read_only && !to.auto_read_only && read_only());
  if (direct_then == direct() && !other_access) return std::make_unique<Change>(*this, to);
  DAVIT_ASSIGN(Opened opened, OpenImage(to, opener_));
  auto change = std::make_unique<Change>(*this, to, std::move(opened));
  DAVIT_TRY(change->Prepare());
  return change;
}

Status FileNode::ReadLength() {
  const off_t end = lseek(fd_.get(), 0, SEEK_END);
  if (end < 0) return FailErrno(fmt::format("Could not get the size of '{}'", filename_));
  length_.store(AlignUp(static_cast<uint64_t>(end), kSector), std::memory_order_release);
  return {};
}

// The file system says it (Linux 6.1, not all of them), else it is asked by trying. Where even a
// single byte passes nothing is checked, as in the hole that a new image is, though a block with
// storage would be: then only the largest is safe.
FileNode::Alignment FileNode::ProbeAlignment(int fd) {
  struct statx st {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && (st.stx_mask & STATX_DIOALIGN) &&
      st.stx_dio_offset_align != 0) {
    return {.request = std::max<uint32_t>(st.stx_dio_offset_align, kSector),
            .memory = std::max<uint32_t>(st.stx_dio_mem_align, 1)};
  }
  Alignment found{.request = kMaxAlignment, .memory = kMaxAlignment};
  void* memory = nullptr;
  if (posix_memalign(&memory, kMaxAlignment, 2 * kMaxAlignment) != 0) return found;
  const std::unique_ptr<char, decltype(&free)> buffer(static_cast<char*>(memory), &free);
  const auto passes = [&](uint32_t address, uint32_t bytes) {
    return pread(fd, buffer.get() + address, bytes, 0) >= 0;
  };
  for (uint32_t align = kSector; !passes(0, 1) && align <= kMaxAlignment; align *= 2) {
    if (!passes(0, align)) continue;
    found.request = align;
    break;
  }
  for (uint32_t align = kSector; !passes(1, kMaxAlignment) && align <= kMaxAlignment; align *= 2) {
    if (!passes(align, kMaxAlignment)) continue;
    found.memory = align;
    break;
  }
  return found;
}

uint64_t FileNode::actual_size() const {
  struct stat st;
  return fstat(fd_.get(), &st) == 0 ? static_cast<uint64_t>(st.st_blocks) * kSector : 0;
}

BlockTarget FileNode::Target() {
  return {.file = this,
          .leaf = this,
          .discard = discard(),
          .no_flush = no_flush(),
          .detect_zeroes = detect_zeroes()};
}

Status FileNode::Resize(uint64_t bytes) {
  if (read_only()) return Fail("Image is read-only");
  if (is_device_) {
    DAVIT_TRY(ReadLength());  // the host may have grown it
    if (bytes > length()) return Fail("Cannot grow device files");
    return {};
  }
  if (ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) {
    return FailErrno("Failed to resize the file");
  }
  return ReadLength();
}

Status FileNode::ApplyPermissions(BlockPermissions used, BlockPermissions shared) {
  if (!lock_) return {};
  Status status = locks_.Change(fd_.get(), used, shared);
  if (!status) {
    Error error = std::move(status).error();
    error.where = fmt::format("Is another process using the image [{}]?", filename_);
    return Fail(std::move(error));
  }
  return {};
}

}  // namespace davit::backend
