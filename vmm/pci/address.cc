// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See address.h.
#include "vmm/pci/address.h"

#include <charconv>

#include "vmm/pci/registers.h"

namespace davit::pci {
namespace {

std::optional<unsigned> Hex(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<uint8_t> ParseAddress(std::string_view text) {
  const size_t dot = text.find('.');
  const auto slot = Hex(text.substr(0, dot));
  const auto function = dot == std::string_view::npos ? 0u : Hex(text.substr(dot + 1));
  if (!slot || !function || *slot > 31 || *function > 7) return std::nullopt;
  return Devfn(*slot, *function);
}

}  // namespace davit::pci
