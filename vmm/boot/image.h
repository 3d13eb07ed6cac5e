// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A kernel, initrd or device tree blob as the operator gave it: a file (opened once, read again at
// each reset) or bytes that live for ever. Untrusted; every read is bounds-checked. Read-only,
// any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot {

// What an image is for; words the errors ("could not open kernel file '/x': ...").
enum class ImageRole : uint8_t { kKernel, kInitrd, kDtb };

class Image {
 public:
  // Error: cannot be opened, is no seekable file.
  static Result<Image> Open(ImageRole role, const std::string& path);
  // The bytes must outlive the image. name: for errors.
  static Image FromBytes(ImageRole role, std::span<const std::byte> bytes,
                         std::string name = "<built-in>");

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }  // bytes, at opening

  // All of `out` from offset on; an Error when that reaches past the end.
  Status ReadAt(uint64_t offset, std::span<std::byte> out) const;
  Result<std::vector<std::byte>> ReadAll(uint64_t limit) const;
  // Copies [offset, offset + length) into guest RAM.
  Status LoadInto(const memory::GuestMemory& memory, memory::GuestAddress to, uint64_t offset,
                  uint64_t length) const;

  // An Error in this role's words: "could not load kernel '/x': <cause>".
  tl::unexpected<Error> LoadError(const std::string& cause) const;

 private:
  Image(ImageRole role, std::string name) : role_(role), name_(std::move(name)) {}

  ImageRole role_;
  std::string name_;
  uint64_t size_ = 0;
  UniqueFd fd_;  // none: bytes_
  std::span<const std::byte> bytes_;
};

}  // namespace davit::boot
