// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening and reading boot images.
#include "vmm/boot/image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace davit::boot {
namespace {

std::string OpenFailure(ImageRole role, const std::string& path, int err) {
  switch (role) {
    case ImageRole::kKernel:
      return fmt::format("could not open kernel file '{}': {}", path, std::strerror(err));
    case ImageRole::kInitrd:
      return fmt::format("error reading initrd {}: {}", path, std::strerror(err));
    case ImageRole::kDtb:
      break;
  }
  return fmt::format("error reading dtb {}: {}", path, std::strerror(err));
}

}  // namespace

Result<Image> Image::Open(ImageRole role, const std::string& path) {
  Image image(role, path);
  // O_NONBLOCK: a FIFO must fail, not hang.
  image.fd_.reset(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!image.fd_) return Fail(OpenFailure(role, path, errno));
  struct stat st;
  if (fstat(image.fd_.get(), &st) != 0) return Fail(OpenFailure(role, path, errno));
  if (S_ISDIR(st.st_mode)) return image.LoadError(std::strerror(EISDIR));
  const off_t end = lseek(image.fd_.get(), 0, SEEK_END);
  if (end < 0) return image.LoadError(std::strerror(errno));
  image.size_ = static_cast<uint64_t>(end);
  return image;
}

Image Image::FromBytes(ImageRole role, std::span<const std::byte> bytes, std::string name) {
  Image image(role, std::move(name));
  image.bytes_ = bytes;
  image.size_ = bytes.size();
  return image;
}

Status Image::ReadAt(uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset) return LoadError("file is too short");
  if (!fd_) {
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return {};
  }
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return LoadError(std::strerror(errno));
    if (n == 0) return LoadError("file is too short");
    done += static_cast<size_t>(n);
  }
  return {};
}

Result<std::vector<std::byte>> Image::ReadAll(uint64_t limit) const {
  if (size_ > limit) {
    return LoadError(fmt::format("file is too large (max: {}, need {})", limit, size_));
  }
  std::vector<std::byte> bytes(size_);
  DAVIT_TRY(ReadAt(0, bytes));
  return bytes;
}

Status Image::LoadInto(const memory::GuestMemory& memory, memory::GuestAddress to, uint64_t offset,
                       uint64_t length) const {
  if (offset > size_ || length > size_ - offset) return LoadError("file is too short");
  const Status done = fd_ ? memory.ReadFile(to, fd_.get(), offset, length)
                          : memory.Write(to, bytes_.subspan(offset, length));
  if (!done) return LoadError(done.error().message);
  return {};
}

tl::unexpected<Error> Image::LoadError(const std::string& cause) const {
  switch (role_) {
    case ImageRole::kKernel:
      return Fail(fmt::format("could not load kernel '{}': {}", name_, cause));
    case ImageRole::kInitrd:
      return Fail(fmt::format("error reading initrd {}: {}", name_, cause));
    case ImageRole::kDtb:
      break;
  }
  return Fail(fmt::format("error reading dtb {}: {}", name_, cause));
}

}  // namespace davit::boot
