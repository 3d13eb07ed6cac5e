// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// ELF parsing for PVH.
#include "vmm/boot/pvh/elf.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "vmm/base/endian.h"
#include "vmm/base/units.h"

namespace davit::boot {
namespace {

constexpr uint32_t kXenElfnotePhys32Entry = 18;  // Xen's public/elfnote.h
constexpr uint64_t kMaxProgramHeaders = 1024;
constexpr uint64_t kMaxNoteBytes = kMiB;

// A program header of either class.
struct ProgramHeader {
  uint32_t type;
  uint64_t offset;
  uint64_t paddr;
  uint64_t filesz;
  uint64_t memsz;
  uint64_t align;
};

tl::unexpected<Error> BadElf(const std::string& why) {
  return Fail("Error while loading elf kernel: " + why);
}

template <typename T>
Result<T> ReadStruct(const Image& kernel, uint64_t offset) {
  T value;
  DAVIT_TRY(kernel.ReadAt(offset, std::as_writable_bytes(std::span(&value, 1))));
  return value;
}

// Ehdr and Phdr: Elf64_* or Elf32_*; the host is little-endian as the file is.
template <typename Ehdr, typename Phdr>
Result<std::vector<ProgramHeader>> ReadProgramHeaders(const Image& kernel) {
  if (kernel.size() < sizeof(Ehdr)) return BadElf("the file is too short");
  DAVIT_ASSIGN(const Ehdr header, ReadStruct<Ehdr>(kernel, 0));
  if (header.e_machine != EM_X86_64 && header.e_machine != EM_386) {
    return BadElf(fmt::format("it is for another machine (e_machine {})", header.e_machine));
  }
  if (header.e_phnum == 0) return BadElf("it has no program headers");
  if (header.e_phnum > kMaxProgramHeaders) {
    return BadElf(fmt::format("it has too many program headers ({})", header.e_phnum));
  }
  if (header.e_phentsize != sizeof(Phdr)) {
    return BadElf(fmt::format("its program headers have size {}", header.e_phentsize));
  }
  std::vector<Phdr> raw(header.e_phnum);
  const uint64_t length = raw.size() * sizeof(Phdr);
  if (header.e_phoff > kernel.size() || length > kernel.size() - header.e_phoff) {
    return BadElf("its program headers lie outside the file");
  }
  DAVIT_TRY(kernel.ReadAt(header.e_phoff, std::as_writable_bytes(std::span(raw))));
  std::vector<ProgramHeader> headers;
  headers.reserve(raw.size());
  for (const Phdr& h : raw) {
    headers.push_back({h.p_type, h.p_offset, h.p_paddr, h.p_filesz, h.p_memsz, h.p_align});
  }
  return headers;
}

Result<std::vector<ProgramHeader>> ReadProgramHeaders(const Image& kernel) {
  if (kernel.size() < EI_NIDENT) return BadElf("the file is too short");
  unsigned char ident[EI_NIDENT];
  DAVIT_TRY(kernel.ReadAt(0, std::as_writable_bytes(std::span(ident))));
  if (ident[EI_DATA] != ELFDATA2LSB) return BadElf("it is not little-endian");
  if (ident[EI_CLASS] == ELFCLASS64) return ReadProgramHeaders<Elf64_Ehdr, Elf64_Phdr>(kernel);
  if (ident[EI_CLASS] == ELFCLASS32) return ReadProgramHeaders<Elf32_Ehdr, Elf32_Phdr>(kernel);
  return BadElf(fmt::format("unknown class {}", ident[EI_CLASS]));
}

Status CheckInFile(const Image& kernel, const ProgramHeader& header) {
  if (header.offset > kernel.size() || header.filesz > kernel.size() - header.offset) {
    return BadElf("a segment lies outside the file");
  }
  return {};
}

Result<ElfSegment> ToSegment(const Image& kernel, const ProgramHeader& header) {
  DAVIT_TRY(CheckInFile(kernel, header));
  if (header.filesz > header.memsz) {
    return BadElf("a segment is larger in the file than in memory");
  }
  if (header.memsz > UINT64_MAX - header.paddr) return BadElf("a segment wraps around");
  return ElfSegment{header.offset, header.filesz, header.paddr, header.memsz};
}

// The PHYS32_ENTRY value in a note segment. Fields are 4-byte words; name and descriptor are
// padded to the segment's alignment. A note that does not fit ends the search.
std::optional<uint64_t> FindEntryNote(std::span<const std::byte> notes, uint64_t align) {
  const uint64_t pad = align == 8 ? 8 : 4;
  uint64_t at = 0;
  while (notes.size() - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, &notes[at], sizeof(note));
    const uint64_t name_at = at + sizeof(note);
    const uint64_t desc_at = AlignUp(name_at + note.n_namesz, pad);
    const uint64_t desc_end = desc_at + note.n_descsz;  // 32-bit sizes: no wrap
    if (desc_end > notes.size()) return std::nullopt;
    const bool xen = note.n_namesz == 4 && std::memcmp(&notes[name_at], "Xen", 4) == 0;
    if (xen && note.n_type == kXenElfnotePhys32Entry &&
        (note.n_descsz == 4 || note.n_descsz == 8)) {
      return LoadLe(&notes[desc_at], note.n_descsz);
    }
    at = std::min<uint64_t>(AlignUp(desc_end, pad), notes.size());
  }
  return std::nullopt;
}

Result<std::optional<uint64_t>> ReadEntryNote(const Image& kernel, const ProgramHeader& header) {
  DAVIT_TRY(CheckInFile(kernel, header));
  if (header.filesz > kMaxNoteBytes) return BadElf("a note segment is too large");
  std::vector<std::byte> notes(header.filesz);
  DAVIT_TRY(kernel.ReadAt(header.offset, notes));
  return FindEntryNote(notes, header.align);
}

bool InSegments(const std::vector<ElfSegment>& segments, uint64_t address) {
  for (const ElfSegment& segment : segments) {
    if (address >= segment.address && address - segment.address < segment.memory_size) return true;
  }
  return false;
}

}  // namespace

bool IsElf(const Image& kernel) {
  char magic[SELFMAG] = {};
  return kernel.size() >= SELFMAG && kernel.ReadAt(0, std::as_writable_bytes(std::span(magic))) &&
         std::memcmp(magic, ELFMAG, SELFMAG) == 0;
}

Result<ElfImage> ParseElf(const Image& kernel) {
  if (!IsElf(kernel)) return BadElf("not an ELF file");
  DAVIT_ASSIGN(const std::vector<ProgramHeader> headers, ReadProgramHeaders(kernel));
  ElfImage image;
  std::optional<uint64_t> entry;
  for (const ProgramHeader& header : headers) {
    if (header.type == PT_LOAD && header.memsz != 0) {
      DAVIT_ASSIGN(const ElfSegment segment, ToSegment(kernel, header));
      image.segments.push_back(segment);
    } else if (header.type == PT_NOTE && !entry) {
      DAVIT_ASSIGN(entry, ReadEntryNote(kernel, header));
    }
  }
  if (!entry) return Fail("Error loading uncompressed kernel without PVH ELF Note");
  if (image.segments.empty()) return BadElf("it has nothing to load");
  if (*entry > UINT32_MAX || !InSegments(image.segments, *entry)) {
    return BadElf(fmt::format("its PVH entry point {:#x} is outside its segments", *entry));
  }
  image.pvh_entry = static_cast<uint32_t>(*entry);
  return image;
}

}  // namespace davit::boot
