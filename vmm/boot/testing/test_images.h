// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest memory and synthetic kernels for the tests of vmm/boot. The builders make a valid image
// and let a test break one field of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "vmm/boot/image.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot::testing {

using Bytes = std::vector<std::byte>;

// Anonymous RAM split at the hole as microvm's is. CHECK-fails when the host has none to give.
memory::GuestMemory MakeMemory(uint64_t bytes);

std::string ReadString(const memory::GuestMemory& memory, uint64_t address);
Bytes ReadBytes(const memory::GuestMemory& memory, uint64_t address, size_t size);
uint64_t ReadInt(const memory::GuestMemory& memory, uint64_t address, size_t size);

// Little-endian store into `bytes`, which grows as needed.
void Put(Bytes* bytes, size_t offset, size_t size, uint64_t value);

// A bzImage: protocol 2.15, relocatable, preferred address 16 MiB, 4 setup sectors, 8 KiB of code
// that counts 0, 1, 2, ... in words; needs 1 MiB to unpack, takes 2047 characters.
Bytes MakeBzImage();
inline constexpr uint64_t kBzKernelOffset = 5 * 512;
inline constexpr uint64_t kBzKernelSize = 8192;
inline constexpr uint64_t kBzPrefAddress = 0x1000000;
inline constexpr uint64_t kBzInitSize = 0x100000;

// An ELF kernel: one segment of 0x300 bytes of 0x90 at 2 MiB (0x1000 in memory), a note segment
// with PHYS32_ENTRY = 0x200010.
Bytes MakeElf64();
Bytes MakeElf32();
inline constexpr uint64_t kElfAddress = 0x200000;
inline constexpr uint64_t kElfFileSize = 0x300;
inline constexpr uint64_t kElfMemorySize = 0x1000;
inline constexpr uint32_t kElfEntry = 0x200010;
// Offsets into MakeElf64(): its program headers (load, note) and the note.
inline constexpr size_t kElf64LoadHeader = 0x40;
inline constexpr size_t kElf64NoteHeader = 0x40 + 56;
inline constexpr size_t kElf64Note = 0x200;

Image KernelOf(const Bytes& bytes);
Image InitrdOf(const Bytes& bytes);

// A file in the test's folder, removed with the object.
class TempFile {
 public:
  explicit TempFile(const Bytes& content);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace davit::boot::testing
