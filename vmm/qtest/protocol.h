// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The qtest text protocol, one line a command, as QEMU's documentation of qtest describes it:
// from a line to a value. Pure. Where QEMU ends itself on a malformed command, this refuses it with
// a FAIL line. Sizes of blocks are limited, since they come from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace davit::qtest {

// The most bytes that one command reads, writes or has in its line.
constexpr uint64_t kMaxBlock = 16 * 1024 * 1024;
constexpr uint64_t kMaxFill = uint64_t{1} << 40;  // memset needs no memory of its own
constexpr size_t kMaxLine = 2 * kMaxBlock + 256;

// inb outb inw outw inl outl
struct PortAccess {
  bool write = false;
  uint8_t size = 1;  // bytes
  uint16_t port = 0;
  uint32_t value = 0;
};
// readb .. writeq: one access of this size
struct MemoryAccess {
  bool write = false;
  uint8_t size = 1;
  uint64_t address = 0;
  uint64_t value = 0;
};
// read, b64read
struct BlockRead {
  uint64_t address = 0;
  uint64_t size = 0;
  bool base64 = false;
};
// write, b64write
struct BlockWrite {
  uint64_t address = 0;
  std::vector<uint8_t> data;
};
struct BlockFill {  // memset
  uint64_t address = 0;
  uint64_t size = 0;
  uint8_t value = 0;
};
struct Endianness {};
struct ClockStep {
  std::optional<int64_t> ns;  // nullopt: to the next timer
};
struct ClockSet {
  int64_t ns = 0;
};
struct IrqIntercept {
  bool out = false;
  std::string path;
};
struct SetIrqIn {
  std::string path;
  std::string name;  // "unnamed-gpio-in", or the name of a group of inputs
  uint32_t number = 0;
  bool level = false;
};
// Not understood: the whole answer, without its newline.
struct Refusal {
  std::string answer;
};

using Command = std::variant<Refusal, PortAccess, MemoryAccess, BlockRead, BlockWrite, BlockFill,
                             Endianness, ClockStep, ClockSet, IrqIntercept, SetIrqIn>;

// A line without its newline.
Command ParseCommand(std::string_view line);

// As the answers of read and b64read have them.
std::string ToHex(const std::vector<uint8_t>& bytes);
std::string ToBase64(const std::vector<uint8_t>& bytes);

}  // namespace davit::qtest
