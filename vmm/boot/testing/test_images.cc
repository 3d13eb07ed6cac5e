// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Builders for synthetic kernels.
#include "vmm/boot/testing/test_images.h"

#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <span>

#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/memory/ram_block.h"

namespace davit::boot::testing {
namespace {

memory::Region MakeRegion(uint64_t base, uint64_t size) {
  memory::RamBlockOptions options;
  options.id = "test";
  options.size = size;
  options.reserve = false;
  Result<std::shared_ptr<memory::RamBlock>> block = memory::RamBlock::Create(options);
  DAVIT_CHECK(block.has_value());
  return {memory::GuestAddress{base}, size, std::move(*block), 0};
}

template <typename T>
void PutStruct(Bytes* bytes, size_t offset, const T& value) {
  if (bytes->size() < offset + sizeof(T)) bytes->resize(offset + sizeof(T));
  std::memcpy(bytes->data() + offset, &value, sizeof(T));
}

void PutNote(Bytes* bytes, size_t offset, size_t entry_size) {
  const Elf64_Nhdr other{4, 6, 1};  // a note that a search must step over
  PutStruct(bytes, offset, other);
  Put(bytes, offset + 12, 4, 0x00554e47);  // "GNU"
  Put(bytes, offset + 16, 8, 0);
  const Elf64_Nhdr xen{4, static_cast<Elf64_Word>(entry_size), 18};
  PutStruct(bytes, offset + 24, xen);
  Put(bytes, offset + 36, 4, 0x006e6558);  // "Xen"
  Put(bytes, offset + 40, entry_size, kElfEntry);
}

template <typename Ehdr, typename Phdr>
Bytes MakeElf(unsigned char elf_class, uint16_t machine, size_t entry_size) {
  Bytes bytes;
  Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = elf_class;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = machine;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof(Ehdr);
  header.e_ehsize = sizeof(Ehdr);
  header.e_phentsize = sizeof(Phdr);
  header.e_phnum = 2;
  PutStruct(&bytes, 0, header);
  Phdr load{};
  load.p_type = PT_LOAD;
  load.p_offset = 0x1000;
  load.p_paddr = kElfAddress;
  load.p_filesz = kElfFileSize;
  load.p_memsz = kElfMemorySize;
  PutStruct(&bytes, sizeof(Ehdr), load);
  Phdr note{};
  note.p_type = PT_NOTE;
  note.p_offset = kElf64Note;
  note.p_filesz = 40 + entry_size;
  note.p_memsz = note.p_filesz;
  note.p_align = 4;
  PutStruct(&bytes, sizeof(Ehdr) + sizeof(Phdr), note);
  PutNote(&bytes, kElf64Note, entry_size);
  bytes.resize(0x1000 + kElfFileSize, std::byte{0x90});
  std::fill(bytes.begin() + 0x1000, bytes.end(), std::byte{0x90});
  return bytes;
}

}  // namespace

memory::GuestMemory MakeMemory(uint64_t bytes) {
  const RamSplit split = SplitRam(bytes, kMicrovmMaxRamBelow4G);
  std::vector<memory::Region> regions;
  regions.push_back(MakeRegion(0, split.below_4g));
  if (split.above_4g != 0) {
    regions.push_back(MakeRegion(kRamAbove4GBase, split.above_4g));
  }
  Result<memory::GuestMemory> memory = memory::GuestMemory::Create(std::move(regions));
  DAVIT_CHECK(memory.has_value());
  return *memory;
}

Bytes ReadBytes(const memory::GuestMemory& memory, uint64_t address, size_t size) {
  Bytes bytes(size);
  DAVIT_CHECK(memory.Read(memory::GuestAddress{address}, bytes).has_value());
  return bytes;
}

std::string ReadString(const memory::GuestMemory& memory, uint64_t address) {
  std::string text;
  for (;; ++address) {
    const Bytes byte = ReadBytes(memory, address, 1);
    if (byte[0] == std::byte{0}) return text;
    text.push_back(static_cast<char>(byte[0]));
  }
}

uint64_t ReadInt(const memory::GuestMemory& memory, uint64_t address, size_t size) {
  return LoadLe(ReadBytes(memory, address, size).data(), size);
}

void Put(Bytes* bytes, size_t offset, size_t size, uint64_t value) {
  if (bytes->size() < offset + size) bytes->resize(offset + size);
  StoreLe(bytes->data() + offset, size, value);
}

Bytes MakeBzImage() {
  Bytes image(kBzKernelOffset + kBzKernelSize);
  Put(&image, 0x1f1, 1, 4);           // setup_sects
  Put(&image, 0x1fe, 2, 0xaa55);      // boot_flag
  Put(&image, 0x200, 2, 0x6aeb);      // jump: the header ends at 0x26c
  Put(&image, 0x202, 4, 0x53726448);  // "HdrS"
  Put(&image, 0x206, 2, 0x20f);       // version
  Put(&image, 0x211, 1, 1);           // LOADED_HIGH
  Put(&image, 0x22c, 4, 0x7fffffff);  // initrd_addr_max
  Put(&image, 0x230, 4, 0x200000);    // kernel_alignment
  Put(&image, 0x234, 1, 1);           // relocatable_kernel
  Put(&image, 0x236, 2, 3);           // KERNEL_64, CAN_BE_LOADED_ABOVE_4G
  Put(&image, 0x238, 4, 2047);        // cmdline_size
  Put(&image, 0x258, 8, kBzPrefAddress);
  Put(&image, 0x260, 4, kBzInitSize);
  for (size_t i = 0; i < kBzKernelSize; i += 4) Put(&image, kBzKernelOffset + i, 4, i / 4);
  return image;
}

Bytes MakeElf64() { return MakeElf<Elf64_Ehdr, Elf64_Phdr>(ELFCLASS64, EM_X86_64, 8); }
Bytes MakeElf32() { return MakeElf<Elf32_Ehdr, Elf32_Phdr>(ELFCLASS32, EM_386, 4); }

Image KernelOf(const Bytes& bytes) { return Image::FromBytes(ImageRole::kKernel, bytes, "test"); }
Image InitrdOf(const Bytes& bytes) { return Image::FromBytes(ImageRole::kInitrd, bytes, "rd"); }

TempFile::TempFile(const Bytes& content) {
  const char* folder = getenv("TEST_TMPDIR");
  path_ = std::string(folder != nullptr ? folder : "/tmp") + "/boot.XXXXXX";
  const int fd = mkstemp(path_.data());
  DAVIT_CHECK(fd >= 0);
  DAVIT_CHECK(write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  close(fd);
}

TempFile::~TempFile() { unlink(path_.c_str()); }

}  // namespace davit::boot::testing
