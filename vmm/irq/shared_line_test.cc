// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of SharedLine.
#include "vmm/irq/shared_line.h"

#include <gtest/gtest.h>

#include "vmm/irq/recording_irq_line.h"

namespace davit::irq {
namespace {

TEST(SharedLine, IsHighWhileAnyInputIs) {
  RecordingIrqLine line;
  SharedLine shared(line);
  IrqLine& a = shared.NewInput();
  IrqLine& b = shared.NewInput();
  a.Set(true);
  b.Set(true);
  EXPECT_TRUE(line.level());
  a.Set(false);
  EXPECT_TRUE(line.level());
  b.Set(false);
  EXPECT_FALSE(line.level());
  EXPECT_EQ(line.rises(), 1);
}

TEST(SharedLine, TheSameLevelTwiceCountsOnce) {
  RecordingIrqLine line;
  SharedLine shared(line);
  IrqLine& a = shared.NewInput();
  IrqLine& b = shared.NewInput();
  a.Set(true);
  a.Set(true);
  a.Set(false);
  EXPECT_FALSE(line.level());
  b.Set(false);
  b.Set(true);
  EXPECT_TRUE(line.level());
  EXPECT_EQ(line.rises(), 2);
}

}  // namespace
}  // namespace davit::irq
