// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The parser: what each command becomes, and what is refused with which words. The answers that
// QEMU has too were compared with QEMU 7.2.
#include "vmm/qtest/protocol.h"

#include <gtest/gtest.h>

namespace davit::qtest {
namespace {

template <typename T>
T Parse(std::string_view line) {
  Command command = ParseCommand(line);
  const T* value = std::get_if<T>(&command);
  EXPECT_NE(value, nullptr) << line;
  return value != nullptr ? *value : T{};
}

std::string Answer(std::string_view line) { return Parse<Refusal>(line).answer; }

TEST(QtestProtocol, PortAccess) {
  const auto in = Parse<PortAccess>("inw 0x70");
  EXPECT_FALSE(in.write);
  EXPECT_EQ(in.size, 2);
  EXPECT_EQ(in.port, 0x70);
  const auto out = Parse<PortAccess>("outl 3320 0x80000000");
  EXPECT_TRUE(out.write);
  EXPECT_EQ(out.size, 4);
  EXPECT_EQ(out.port, 0xcf8);
  EXPECT_EQ(out.value, 0x80000000U);
}

TEST(QtestProtocol, MemoryAccess) {
  const auto read = Parse<MemoryAccess>("readq 0xfee00000");
  EXPECT_EQ(read.size, 8);
  EXPECT_EQ(read.address, 0xfee00000U);
  const auto write = Parse<MemoryAccess>("writeb 010 -1");
  EXPECT_TRUE(write.write);
  EXPECT_EQ(write.address, 8U);
  EXPECT_EQ(write.value, UINT64_MAX);
}

TEST(QtestProtocol, WordsBeyondTheArgumentsAreNotLookedAt) {
  EXPECT_EQ(Parse<PortAccess>("inb 0x70 extra words and more of them").port, 0x70);
}

TEST(QtestProtocol, HexData) {
  EXPECT_EQ(Parse<BlockWrite>("write 0x2000 4 0x01020304").data,
            (std::vector<uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(Parse<BlockWrite>("write 0x2000 4 0x0102").data, (std::vector<uint8_t>{1, 2, 0, 0}));
  EXPECT_EQ(Parse<BlockWrite>("write 0x2000 2 0x010203").data, (std::vector<uint8_t>{1, 2}));
  EXPECT_EQ(Parse<BlockWrite>("write 0x2000 2 0xzZff").data, (std::vector<uint8_t>{0, 0xff}));
  EXPECT_EQ(Answer("write 0x2000 0 0x"), "ERR invalid argument size");
}

TEST(QtestProtocol, Base64) {
  EXPECT_EQ(Parse<BlockWrite>("b64write 0 4 AQIDBA==").data, (std::vector<uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(Parse<BlockWrite>("b64write 0 2 AQIDBA==").data, (std::vector<uint8_t>{1, 2}));
  EXPECT_EQ(Parse<BlockWrite>("b64write 0 8 AQ==").data, (std::vector<uint8_t>{1}));
  EXPECT_TRUE(Parse<BlockWrite>("b64write 0 4 !!!!").data.empty());
  EXPECT_EQ(ToBase64({}), "");
  EXPECT_EQ(ToBase64({0}), "AA==");
  EXPECT_EQ(ToBase64({1, 2}), "AQI=");
  EXPECT_EQ(ToBase64({1, 2, 3}), "AQID");
  EXPECT_EQ(ToBase64({0xff, 0xfe, 0xfd, 0xfc}), "//79/A==");
}

TEST(QtestProtocol, ClockCommands) {
  EXPECT_EQ(Parse<ClockStep>("clock_step").ns, std::nullopt);
  EXPECT_EQ(Parse<ClockStep>("clock_step 100").ns, 100);
  EXPECT_EQ(Parse<ClockStep>("clock_step -5").ns, -5);
  EXPECT_EQ(Parse<ClockSet>("clock_set 0x10").ns, 16);
  EXPECT_EQ(Answer("clock_step 0xffffffffffffffff"),
            "FAIL clock_step: '0xffffffffffffffff' is out of range");
}

TEST(QtestProtocol, InterruptCommands) {
  EXPECT_EQ(Parse<IrqIntercept>("irq_intercept_in ioapic").path, "ioapic");
  EXPECT_TRUE(Parse<IrqIntercept>("irq_intercept_out /machine/x").out);
  const auto set = Parse<SetIrqIn>("set_irq_in ioapic unnamed-gpio-in 4 1");
  EXPECT_EQ(set.name, "unnamed-gpio-in");
  EXPECT_EQ(set.number, 4U);
  EXPECT_TRUE(set.level);
}

TEST(QtestProtocol, UnknownCommandIsNamed) {
  EXPECT_EQ(Answer("foo bar"), "FAIL Unknown command 'foo'");
  EXPECT_EQ(Answer("INB 0x70"), "FAIL Unknown command 'INB'");
  EXPECT_EQ(Answer("rtas foo 1 2 3 4"), "FAIL Unknown command 'rtas'");
  EXPECT_EQ(Answer(" inb 1"), "FAIL Unknown command ''");
  EXPECT_EQ(Answer(""), "FAIL Unknown command ''");
  EXPECT_EQ(Answer(std::string("a\0b\x1b\n", 5)), "FAIL Unknown command 'a?b?\?'");
}

TEST(QtestProtocol, WhatQemuEndsItselfOnIsRefused) {
  EXPECT_EQ(Answer("inb"), "FAIL inb: 1 arguments are needed");
  EXPECT_EQ(Answer("outb 0x80"), "FAIL outb: 2 arguments are needed");
  EXPECT_EQ(Answer("inb zz"), "FAIL inb: 'zz' is not a number");
  EXPECT_EQ(Answer("inb "), "FAIL inb: '' is not a number");
  EXPECT_EQ(Answer("inb 0x"), "FAIL inb: '0x' is not a number");
  EXPECT_EQ(Answer("inb 08"), "FAIL inb: '08' is not a number");
  EXPECT_EQ(Answer("inb 0x10070"), "FAIL inb: there is no port '0x10070'");
  EXPECT_EQ(Answer("inb -1"), "FAIL inb: there is no port '-1'");
  EXPECT_EQ(Answer("readb 0x10000000000000000"),
            "FAIL readb: '0x10000000000000000' is not a number");
  EXPECT_EQ(Answer("read 0 0"), "FAIL read: size 0");
}

TEST(QtestProtocol, HugeSizesAreRefused) {
  EXPECT_EQ(Answer("read 0 16777217"), "FAIL read: size 16777217 is above the limit 16777216");
  EXPECT_EQ(Answer("write 0 0xffffffffffffffff 0x00"),
            "FAIL write: size 0xffffffffffffffff is above the limit 16777216");
  EXPECT_EQ(Answer("b64write 0 -1 AA=="), "FAIL b64write: size -1 is above the limit 16777216");
  EXPECT_EQ(Answer("memset 0 -1 0"), "FAIL memset: size -1 is above the limit 1099511627776");
}

}  // namespace
}  // namespace davit::qtest
