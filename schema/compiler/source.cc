// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Error texts, file reading and the UTF-8 check of schema files.
#include "schema/compiler/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "vmm/base/unique_fd.h"

namespace davit::schema {
namespace {

constexpr size_t kMaxFileBytes = 16 << 20;

}  // namespace

std::string DescribePlace(const Place& place, std::string_view definition) {
  std::string text;
  for (const SourceFile* file = place.file; file->parent != nullptr; file = file->parent) {
    text.insert(
        0, fmt::format("In file included from {}:{}:\n", file->parent->path, file->include_line));
  }
  text += fmt::format("{}:{}", place.file->path, place.line);
  if (place.column != 0) text += fmt::format(":{}", place.column);
  text += ": ";
  if (!definition.empty()) text += fmt::format("In {}: ", definition);
  return text;
}

void Raise(const Place& place, std::string_view reason) { Raise(place, "", reason); }

void Raise(const Place& place, std::string_view definition, std::string_view reason) {
  throw CompileError(DescribePlace(place, definition).append(reason));
}

std::string Printable(std::string_view bytes) {
  constexpr size_t kMax = 40;
  std::string out;
  for (const char c : bytes.substr(0, kMax)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte >= 0x20 && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return bytes.size() > kMax ? out + "..." : out;
}

Result<std::string> ReadFileFromDisk(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Fail(std::strerror(errno));
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Fail(std::strerror(errno));
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMaxFileBytes) return Fail("File too large");
  }
}

bool IsUtf8(std::string_view text, size_t* offset) {
  for (size_t i = 0; i < text.size();) {
    *offset = i;
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < static_cast<size_t>(more)) return false;
    uint32_t code = lead & (0x3f >> more);
    for (int k = 0; k < more; ++k) {
      const auto byte = static_cast<unsigned char>(text[i++]);
      if ((byte & 0xc0) != 0x80) return false;
      code = code << 6 | (byte & 0x3f);
    }
    const bool overlong = (more == 2 && code < 0x800) || (more == 3 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

}  // namespace davit::schema
