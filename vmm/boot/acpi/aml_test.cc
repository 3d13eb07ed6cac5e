// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/acpi/aml.h"

#include <gtest/gtest.h>

namespace davit::boot::aml {
namespace {

TEST(Aml, IntegersTakeTheShortestForm) {
  EXPECT_EQ(Integer(0).bytes, (Bytes{0x00}));
  EXPECT_EQ(Integer(1).bytes, (Bytes{0x01}));
  EXPECT_EQ(Integer(0xff).bytes, (Bytes{0x0a, 0xff}));
  EXPECT_EQ(Integer(0x100).bytes, (Bytes{0x0b, 0x00, 0x01}));
  EXPECT_EQ(Integer(0xfea00000).bytes, (Bytes{0x0c, 0x00, 0x00, 0xa0, 0xfe}));
  EXPECT_EQ(Integer(1ull << 32).bytes, (Bytes{0x0e, 0, 0, 0, 0, 1, 0, 0, 0}));
}

TEST(Aml, EisaIdIsCompressed) {
  EXPECT_EQ(EisaId("PNP0501").bytes, (Bytes{0x0c, 0x41, 0xd0, 0x05, 0x01}));
  EXPECT_EQ(EisaId("PNP0C0C").bytes, (Bytes{0x0c, 0x41, 0xd0, 0x0c, 0x0c}));
}

TEST(Aml, NamesArePaddedAndPrefixed) {
  EXPECT_EQ(Reference("GED").bytes, (Bytes{'G', 'E', 'D', '_'}));
  EXPECT_EQ(Reference("\\").bytes, (Bytes{'\\', 0}));
  EXPECT_EQ(Reference("\\_SB.GED").bytes,
            (Bytes{'\\', 0x2e, '_', 'S', 'B', '_', 'G', 'E', 'D', '_'}));
  EXPECT_EQ(Reference("A.B.C").bytes,
            (Bytes{0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C', '_', '_', '_'}));
}

TEST(Aml, MalformedNameIsOurBug) {
  EXPECT_DEATH(Reference("lower"), "");
  EXPECT_DEATH(Reference("0AB"), "");
  EXPECT_DEATH(Reference("TOOLONG"), "");
  EXPECT_DEATH(Reference(""), "");
}

TEST(Aml, PackageLengthGrowsByOneByteAtEachLimit) {
  // Scope op, length, name (4), and a string of n characters (n + 2).
  const auto scope = [](size_t n) { return Scope("X", {String(std::string(n, 'a'))}).bytes; };
  const Bytes one = scope(63 - 1 - 4 - 2);
  EXPECT_EQ(one[1], 63);
  EXPECT_EQ(one.size(), 1u + 63);
  const Bytes two = scope(63 - 1 - 4 - 2 + 1);
  EXPECT_EQ(two[1], 0x40 | (65 & 0xf));
  EXPECT_EQ(two[2], 65 >> 4);
  EXPECT_EQ(two.size(), 1u + 65);
  const Bytes three = scope(4096 - 2 - 4 - 2);
  EXPECT_EQ(three[1], 0x80 | (4097 & 0xf));
  EXPECT_EQ(three[2] | three[3] << 8, 4097 >> 4);
  EXPECT_EQ(three.size(), 1u + 4097);
}

TEST(Aml, FieldWidthDoesNotCountItself) {
  const Bytes field =
      Field("REG", FieldAccess::kDword, FieldUpdate::kWriteAsZeros, {{"ESEL", 32}, {"B", 64}})
          .bytes;
  EXPECT_EQ(field, (Bytes{0x5b, 0x81, 17, 'R', 'E', 'G', '_', 0x43, 'E', 'S', 'E', 'L', 32, 'B',
                          '_', '_', '_', 0x40, 0x04}));
}

TEST(Aml, ResourceTemplateEndsWithTheEndTag) {
  EXPECT_EQ(ResourceTemplate({IoPorts(0x3f8, 8), IrqNoFlags(4)}).bytes,
            (Bytes{0x11, 16, 0x0a, 13, 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0}));
  EXPECT_EQ(Interrupt(47, IrqMode::kLevelHigh).bytes, (Bytes{0x89, 6, 0, 1, 1, 47, 0, 0, 0}));
  EXPECT_EQ(Interrupt(9, IrqMode::kEdgeHigh).bytes, (Bytes{0x89, 6, 0, 3, 1, 9, 0, 0, 0}));
  EXPECT_EQ(Memory32Fixed(0xfeb00000, 512).bytes,
            (Bytes{0x86, 9, 0, 1, 0, 0, 0xb0, 0xfe, 0, 2, 0, 0}));
}

TEST(Aml, MutexesAreTakenWithoutATimeLimit) {
  EXPECT_EQ(Mutex("LOCK").bytes, (Bytes{0x5b, 0x01, 'L', 'O', 'C', 'K', 0}));
  EXPECT_EQ(Acquire("LOCK").bytes, (Bytes{0x5b, 0x23, 'L', 'O', 'C', 'K', 0xff, 0xff}));
  EXPECT_EQ(Release("LOCK").bytes, (Bytes{0x5b, 0x27, 'L', 'O', 'C', 'K'}));
}

TEST(Aml, LoopCountsItsConditionAndItsBody) {
  EXPECT_EQ(While(Local(0), {Store(Integer(0), Local(0))}).bytes,
            (Bytes{0xa2, 5, 0x60, 0x70, 0x00, 0x60}));
}

TEST(Aml, MethodFlags) {
  EXPECT_EQ(Method("_EVT", 1, true, {Return(Arg(0))}).bytes,
            (Bytes{0x14, 8, '_', 'E', 'V', 'T', 0x09, 0xa4, 0x68}));
}

}  // namespace
}  // namespace davit::boot::aml
