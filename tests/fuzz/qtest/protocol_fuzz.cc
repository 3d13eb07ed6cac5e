// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Lines of the qtest protocol: each is parsed to something, refusals are one printable line, and no
// block is larger than the limit.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "vmm/qtest/protocol.h"

namespace {

using namespace davit::qtest;

bool OneLine(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void Check(const Command& command) {
  if (const auto* refusal = std::get_if<Refusal>(&command)) {
    if (!OneLine(refusal->answer) || refusal->answer.size() > 256) std::abort();
  }
  if (const auto* block = std::get_if<BlockWrite>(&command)) {
    if (block->data.size() > kMaxBlock) std::abort();
    if (block->data.size() < 4096) {
      if (ToHex(block->data).size() != 2 + 2 * block->data.size()) std::abort();
      (void)ToBase64(block->data);
    }
  }
  if (const auto* block = std::get_if<BlockRead>(&command)) {
    if (block->size > kMaxBlock) std::abort();
  }
  if (const auto* fill = std::get_if<BlockFill>(&command)) {
    if (fill->size > kMaxFill) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    Check(ParseCommand(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return 0;
}
