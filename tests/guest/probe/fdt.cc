// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "fdt.h"

#include "console.h"
#include "io.h"

namespace probe {
namespace {

constexpr uint32_t kMagic = 0xd00dfeed;
constexpr uint32_t kBeginNode = 1;
constexpr uint32_t kEndNode = 2;
constexpr uint32_t kProperty = 3;
constexpr uint32_t kNop = 4;
constexpr uint32_t kEnd = 9;

struct Token {
  uint32_t kind;
  const char* name;
  const uint8_t* data;
  uint32_t length;
};

class Walker {
 public:
  explicit Walker(uint64_t address)
      : blob_(At<uint8_t>(address)),
        size_(LoadBig32(blob_ + 4)),
        offset_(LoadBig32(blob_ + 8)),
        strings_(LoadBig32(blob_ + 12)) {}

  uint32_t size() const { return size_; }

  // The next begin, end or property; kEnd at the end, 0 when the tree is broken.
  Token Next() {
    for (;;) {
      if (offset_ + 4 > size_) return {};
      const uint32_t kind = LoadBig32(blob_ + offset_);
      offset_ += 4;
      if (kind == kNop) continue;
      if (kind == kBeginNode) return Begin();
      if (kind == kProperty) return Property();
      if (kind == kEndNode || kind == kEnd) return {kind, "", nullptr, 0};
      return {};
    }
  }

 private:
  Token Begin() {
    const char* name = reinterpret_cast<const char*>(blob_ + offset_);
    while (offset_ < size_ && blob_[offset_] != 0) ++offset_;
    offset_ = (offset_ + 4) & ~3u;
    return {kBeginNode, name, nullptr, 0};
  }

  Token Property() {
    if (offset_ + 8 > size_) return {};
    const uint32_t length = LoadBig32(blob_ + offset_);
    const uint32_t name = LoadBig32(blob_ + offset_ + 4);
    const uint8_t* data = blob_ + offset_ + 8;
    if (length > size_ || strings_ + name >= size_) return {};
    offset_ = (offset_ + 8 + length + 3) & ~3u;
    return {kProperty, reinterpret_cast<const char*>(blob_ + strings_ + name), data, length};
  }

  const uint8_t* blob_;
  uint32_t size_;
  uint32_t offset_;
  uint32_t strings_;
};

bool Present(uint64_t address) { return address != 0 && LoadBig32(At<uint8_t>(address)) == kMagic; }

// One or more NUL-terminated printable strings.
bool IsText(const Token& t) {
  if (t.length < 2 || t.data[t.length - 1] != 0 || t.data[0] == 0) return false;
  for (uint32_t i = 0; i < t.length; ++i) {
    if (t.data[i] == 0 ? t.data[i - 1] == 0 : (t.data[i] < 0x20 || t.data[i] > 0x7e)) return false;
  }
  return true;
}

void PrintText(const Token& t) {
  Put('"');
  for (uint32_t i = 0; i + 1 < t.length; ++i) {
    if (t.data[i] == 0) {
      Print("\", \"");
    } else {
      Put(char(t.data[i]));
    }
  }
  Put('"');
}

void PrintValue(const Token& t) {
  if (t.length == 0) return;
  Print(" = ");
  if (IsText(t)) {
    PrintText(t);
  } else if (t.length % 4 == 0) {
    for (uint32_t i = 0; i < t.length; i += 4) {
      Print("%s0x%x", i == 0 ? "<" : " ", uint64_t{LoadBig32(t.data + i)});
    }
    Put('>');
  } else {
    for (uint32_t i = 0; i < t.length; ++i) Print("%s%x", i == 0 ? "[" : " ", uint64_t{t.data[i]});
    Put(']');
  }
}

void Indent(uint32_t depth) {
  while (depth-- > 0) Print("  ");
}

}  // namespace

void PrintDeviceTreeSummary(uint64_t address) {
  if (!Present(address)) {
    Print("device tree: none\n");
    return;
  }
  Walker walker(address);
  uint32_t nodes = 0;
  uint32_t depth = 0;
  Token model{};
  Token compatible{};
  Token t = walker.Next();
  for (; t.kind != kEnd && t.kind != 0; t = walker.Next()) {
    if (t.kind == kBeginNode) {
      ++nodes;
      ++depth;
    } else if (t.kind == kEndNode) {
      --depth;
    } else if (depth == 1) {
      if (Equal(t.name, "model")) model = t;
      if (Equal(t.name, "compatible")) compatible = t;
    }
  }
  Print("device tree: %u bytes, %u nodes%s", uint64_t{walker.size()}, uint64_t{nodes},
        t.kind == kEnd ? "" : " (BROKEN)");
  if (IsText(model)) {
    Print(", model ");
    PrintText(model);
  }
  if (IsText(compatible)) {
    Print(", compatible ");
    PrintText(compatible);
  }
  Print("\n");
}

void PrintDeviceTree(uint64_t address) {
  if (!Present(address)) {
    Print("device tree: none\n");
    return;
  }
  Walker walker(address);
  uint32_t depth = 0;
  Token t = walker.Next();
  for (; t.kind != kEnd && t.kind != 0; t = walker.Next()) {
    if (t.kind == kEndNode) {
      --depth;
      continue;
    }
    Indent(depth);
    if (t.kind == kBeginNode) {
      Print("%s:\n", *t.name == 0 ? "/" : t.name);
      ++depth;
    } else {
      Print("%s", t.name);
      PrintValue(t);
      Print("\n");
    }
  }
  Print("device tree: %s\n", t.kind == kEnd ? "done" : "BROKEN");
}

}  // namespace probe
