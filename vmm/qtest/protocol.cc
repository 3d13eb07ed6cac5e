// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See protocol.h.
#include "vmm/qtest/protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "vmm/base/error.h"

namespace davit::qtest {
namespace {

using Words = std::vector<std::string_view>;

// As many as any command has, and one more: the rest of a line is not looked at.
constexpr size_t kMostWords = 6;

// Two spaces in a row have an empty word between them, as in QEMU.
Words Split(std::string_view line) {
  Words words;
  while (words.size() < kMostWords) {
    const size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) break;
    line.remove_prefix(space + 1);
  }
  return words;
}

std::optional<unsigned> Digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

std::optional<uint64_t> Magnitude(std::string_view text) {
  unsigned base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    const auto digit = Digit(c);
    if (!digit || *digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, *digit, &value)) {
      return std::nullopt;
    }
  }
  return value;
}

class Arguments {
 public:
  explicit Arguments(Words words) : words_(std::move(words)) {}

  bool Has(size_t n) const { return n < words_.size(); }
  std::string_view operator[](size_t n) const { return words_[n]; }

  Status Need(size_t count) const {
    if (Has(count)) return {};
    return Fail(fmt::format("{} arguments are needed", count));
  }
  // Decimal, octal (0...) or hexadecimal (0x...). A minus sign wraps, as with strtoull.
  Result<uint64_t> Number(size_t n) const {
    std::string_view text = words_[n];
    const bool minus = text.starts_with('-');
    if (minus || text.starts_with('+')) text.remove_prefix(1);
    const auto value = Magnitude(text);
    if (!value) return Fail(fmt::format("'{}' is not a number", words_[n]));
    return minus ? uint64_t{0} - *value : *value;
  }
  Result<int64_t> Signed(size_t n) const {
    DAVIT_ASSIGN(const uint64_t value, Number(n));
    const auto result = static_cast<int64_t>(value);
    if ((result < 0) != words_[n].starts_with('-') && value != 0) {
      return Fail(fmt::format("'{}' is out of range", words_[n]));
    }
    return result;
  }
  Result<uint64_t> Size(size_t n, uint64_t limit) const {
    DAVIT_ASSIGN(const uint64_t size, Number(n));
    if (size > limit) {
      return Fail(fmt::format("size {} is above the limit {}", words_[n], limit));
    }
    return size;
  }

 private:
  Words words_;
};

uint8_t SizeOf(char suffix) {
  switch (suffix) {
    case 'b':
      return 1;
    case 'w':
      return 2;
    case 'l':
      return 4;
    default:
      return 8;
  }
}

Result<Command> Port(std::string_view name, const Arguments& args) {
  PortAccess access;
  access.write = name.starts_with("out");
  access.size = SizeOf(name.back());
  DAVIT_TRY(args.Need(access.write ? 2 : 1));
  DAVIT_ASSIGN(const uint64_t port, args.Number(1));
  if (port > std::numeric_limits<uint16_t>::max()) {
    return Fail(fmt::format("there is no port '{}'", args[1]));
  }
  access.port = static_cast<uint16_t>(port);
  if (access.write) {
    DAVIT_ASSIGN(const uint64_t value, args.Number(2));
    access.value = static_cast<uint32_t>(value);
  }
  return access;
}

Result<Command> Memory(std::string_view name, const Arguments& args) {
  MemoryAccess access;
  access.write = name.starts_with("write");
  access.size = SizeOf(name.back());
  DAVIT_TRY(args.Need(access.write ? 2 : 1));
  DAVIT_ASSIGN(access.address, args.Number(1));
  if (access.write) {
    DAVIT_ASSIGN(access.value, args.Number(2));
  }
  return access;
}

Result<Command> ReadBlock(std::string_view name, const Arguments& args) {
  BlockRead block;
  block.base64 = name == "b64read";
  DAVIT_TRY(args.Need(2));
  DAVIT_ASSIGN(block.address, args.Number(1));
  DAVIT_ASSIGN(block.size, args.Size(2, kMaxBlock));
  // An answer without a byte is none that a client understands.
  if (block.size == 0 && !block.base64) return Fail("size 0");
  return block;
}

// "0x" and two digits a byte; bytes that are not given are 0.
Result<Command> WriteHex(std::string_view, const Arguments& args) {
  BlockWrite block;
  DAVIT_TRY(args.Need(3));
  DAVIT_ASSIGN(block.address, args.Number(1));
  DAVIT_ASSIGN(const uint64_t size, args.Size(2, kMaxBlock));
  const std::string_view text = args[3];
  if (text.size() < 3) return Refusal{"ERR invalid argument size"};
  block.data.resize(size);
  for (size_t i = 0; i < size && 2 * i + 4 <= text.size(); ++i) {
    block.data[i] = static_cast<uint8_t>(Digit(text[2 * i + 2]).value_or(0) << 4 |
                                         Digit(text[2 * i + 3]).value_or(0));
  }
  return block;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::vector<uint8_t> FromBase64(std::string_view text) {
  std::vector<uint8_t> bytes;
  uint32_t bits = 0;
  unsigned count = 0;
  for (char c : text) {
    const size_t digit = kBase64.find(c);
    if (digit == std::string_view::npos) continue;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<uint8_t>(bits >> count));
  }
  return bytes;
}

Result<Command> WriteBase64(std::string_view, const Arguments& args) {
  BlockWrite block;
  DAVIT_TRY(args.Need(3));
  DAVIT_ASSIGN(block.address, args.Number(1));
  DAVIT_ASSIGN(const uint64_t size, args.Size(2, kMaxBlock));
  block.data = FromBase64(args[3]);
  // As in QEMU, the smaller of the two sizes counts.
  if (block.data.size() > size) block.data.resize(size);
  return block;
}

Result<Command> Fill(std::string_view, const Arguments& args) {
  BlockFill fill;
  DAVIT_TRY(args.Need(3));
  DAVIT_ASSIGN(fill.address, args.Number(1));
  DAVIT_ASSIGN(fill.size, args.Size(2, kMaxFill));
  DAVIT_ASSIGN(const uint64_t value, args.Number(3));
  fill.value = static_cast<uint8_t>(value);
  return fill;
}

Result<Command> AskEndianness(std::string_view, const Arguments&) { return Endianness{}; }

Result<Command> Step(std::string_view, const Arguments& args) {
  ClockStep step;
  if (args.Has(1)) {
    DAVIT_ASSIGN(step.ns, args.Signed(1));
  }
  return step;
}

Result<Command> Set(std::string_view, const Arguments& args) {
  ClockSet set;
  DAVIT_TRY(args.Need(1));
  DAVIT_ASSIGN(set.ns, args.Signed(1));
  return set;
}

Result<Command> Intercept(std::string_view name, const Arguments& args) {
  DAVIT_TRY(args.Need(1));
  return IrqIntercept{name.ends_with("out"), std::string(args[1])};
}

Result<Command> SetIrq(std::string_view, const Arguments& args) {
  SetIrqIn irq;
  DAVIT_TRY(args.Need(4));
  irq.path = args[1];
  irq.name = args[2];
  DAVIT_ASSIGN(const uint64_t number, args.Size(3, std::numeric_limits<uint32_t>::max()));
  irq.number = static_cast<uint32_t>(number);
  DAVIT_ASSIGN(const uint64_t level, args.Number(4));
  irq.level = level != 0;
  return irq;
}

struct Row {
  std::string_view name;
  Result<Command> (*parse)(std::string_view name, const Arguments& args);
};
constexpr std::array kRows = {
    Row{"inb", Port},
    Row{"inw", Port},
    Row{"inl", Port},
    Row{"outb", Port},
    Row{"outw", Port},
    Row{"outl", Port},
    Row{"readb", Memory},
    Row{"readw", Memory},
    Row{"readl", Memory},
    Row{"readq", Memory},
    Row{"writeb", Memory},
    Row{"writew", Memory},
    Row{"writel", Memory},
    Row{"writeq", Memory},
    Row{"read", ReadBlock},
    Row{"b64read", ReadBlock},
    Row{"write", WriteHex},
    Row{"b64write", WriteBase64},
    Row{"memset", Fill},
    Row{"endianness", AskEndianness},
    Row{"clock_step", Step},
    Row{"clock_set", Set},
    Row{"irq_intercept_in", Intercept},
    Row{"irq_intercept_out", Intercept},
    Row{"set_irq_in", SetIrq},
};

// What is not printable ASCII would break the line or the terminal.
std::string Printable(std::string_view text) {
  constexpr size_t kMost = 64;
  std::string out;
  for (char c : text.substr(0, kMost)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

}  // namespace

Command ParseCommand(std::string_view line) {
  Words words = Split(line);
  const std::string_view name = words[0];
  const auto row =
      std::find_if(kRows.begin(), kRows.end(), [name](const Row& r) { return r.name == name; });
  if (row == kRows.end()) {
    return Refusal{fmt::format("FAIL Unknown command '{}'", Printable(name))};
  }
  Result<Command> command = row->parse(name, Arguments(std::move(words)));
  if (command) return std::move(*command);
  return Refusal{fmt::format("FAIL {}: {}", name, Printable(command.error().message))};
}

std::string ToHex(const std::vector<uint8_t>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "0x";
  text.reserve(2 + 2 * bytes.size());
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string ToBase64(const std::vector<uint8_t>& bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = uint32_t{bytes[i]} << 16;
    if (count > 1) bits |= uint32_t{bytes[i + 1]} << 8;
    if (count > 2) bits |= bytes[i + 2];
    for (size_t digit = 0; digit < 4; ++digit) {
      text += digit <= count ? kBase64[bits >> (18 - 6 * digit) & 63] : '=';
    }
  }
  return text;
}

}  // namespace davit::qtest
