// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Sequential writing with libfdt.
#include "vmm/boot/fdt/writer.h"

#include <libfdt.h>

#include "vmm/base/check.h"

namespace davit::boot {
namespace {

constexpr size_t kFirstSize = 8192;
constexpr size_t kMaxSize = 64u << 20;  // far more than any machine of ours describes

}  // namespace

std::vector<std::byte> FdtWriter::Write(const std::function<void(FdtWriter&)>& describe) {
  for (size_t size = kFirstSize;; size *= 2) {
    DAVIT_CHECK(size <= kMaxSize);
    FdtWriter writer(size);
    void* blob = writer.buffer_.data();
    writer.Note(fdt_create(blob, static_cast<int>(size)));
    writer.Note(fdt_finish_reservemap(blob));
    writer.Begin("");
    describe(writer);
    writer.End();
    writer.Note(fdt_finish(blob));
    if (writer.error_ == -FDT_ERR_NOSPACE) continue;
    DAVIT_CHECK(writer.error_ == 0);
    writer.buffer_.resize(fdt_totalsize(blob));
    return std::move(writer.buffer_);
  }
}

void FdtWriter::Note(int result) {
  if (error_ == 0 && result < 0) error_ = result;
}

void FdtWriter::Begin(const std::string& name) {
  if (error_ == 0) Note(fdt_begin_node(buffer_.data(), name.c_str()));
}

void FdtWriter::End() {
  if (error_ == 0) Note(fdt_end_node(buffer_.data()));
}

void FdtWriter::Empty(const char* name) {
  if (error_ == 0) Note(fdt_property(buffer_.data(), name, nullptr, 0));
}

void FdtWriter::Cells(const char* name, std::span<const uint32_t> cells) {
  std::vector<fdt32_t> wire;
  wire.reserve(cells.size());
  for (uint32_t cell : cells) wire.push_back(cpu_to_fdt32(cell));
  if (error_ == 0) {
    Note(fdt_property(buffer_.data(), name, wire.data(),
                      static_cast<int>(wire.size() * sizeof(fdt32_t))));
  }
}

void FdtWriter::Cells64(const char* name, std::span<const uint64_t> values) {
  std::vector<uint32_t> cells;
  cells.reserve(2 * values.size());
  for (uint64_t value : values) {
    cells.push_back(static_cast<uint32_t>(value >> 32));
    cells.push_back(static_cast<uint32_t>(value));
  }
  Cells(name, cells);
}

void FdtWriter::Text(const char* name, const std::string& text) {
  if (error_ == 0) Note(fdt_property_string(buffer_.data(), name, text.c_str()));
}

void FdtWriter::Texts(const char* name, std::initializer_list<std::string_view> texts) {
  std::string joined;
  for (std::string_view text : texts) {
    joined += text;
    joined.push_back('\0');
  }
  if (error_ == 0) {
    Note(fdt_property(buffer_.data(), name, joined.data(), static_cast<int>(joined.size())));
  }
}

}  // namespace davit::boot
