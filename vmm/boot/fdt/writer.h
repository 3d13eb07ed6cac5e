// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a device tree from the root down, over libfdt's sequential functions. The buffer grows by
// itself: the caller's `describe` is then run again, so it must give the same each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace davit::boot {

class FdtWriter {
 public:
  // describe writes the content of the root node.
  static std::vector<std::byte> Write(const std::function<void(FdtWriter&)>& describe);

  void Begin(const std::string& name);
  void End();

  void Empty(const char* name);
  void Cells(const char* name, std::span<const uint32_t> cells);
  void Cells(const char* name, std::initializer_list<uint32_t> cells) {
    Cells(name, std::span(cells.begin(), cells.size()));
  }
  void Cells64(const char* name, std::span<const uint64_t> values);
  void Cells64(const char* name, std::initializer_list<uint64_t> values) {
    Cells64(name, std::span(values.begin(), values.size()));
  }
  void Text(const char* name, const std::string& text);
  void Texts(const char* name, std::initializer_list<std::string_view> texts);

 private:
  explicit FdtWriter(size_t size) : buffer_(size) {}
  void Note(int result);

  std::vector<std::byte> buffer_;
  int error_ = 0;  // the first of libfdt's errors
};

}  // namespace davit::boot
