// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Run states: the legal changes and the refusal of the others.
#include "vmm/machine/run_state.h"

#include <gtest/gtest.h>

namespace davit::machine {
namespace {

using enum control::RunState;

TEST(RunState, StartsPrelaunch) {
  RunStateMachine machine;
  EXPECT_EQ(machine.state(), kPrelaunch);
  EXPECT_FALSE(machine.running());
}

TEST(RunState, LegalChanges) {
  EXPECT_TRUE(CanChange(kPrelaunch, kRunning));
  EXPECT_TRUE(CanChange(kRunning, kPaused));
  EXPECT_TRUE(CanChange(kRunning, kShutdown));
  EXPECT_TRUE(CanChange(kRunning, kInternalError));
  EXPECT_TRUE(CanChange(kShutdown, kPrelaunch));
  EXPECT_TRUE(CanChange(kInternalError, kPrelaunch));
  EXPECT_TRUE(CanChange(kGuestPanicked, kRunning));
}

TEST(RunState, IllegalChanges) {
  EXPECT_FALSE(CanChange(kShutdown, kRunning));
  EXPECT_FALSE(CanChange(kInternalError, kRunning));
  EXPECT_FALSE(CanChange(kPaused, kShutdown));
  EXPECT_FALSE(CanChange(kPrelaunch, kPaused));
}

TEST(RunState, OnlyAResetLeadsOutOfShutdown) {
  RunStateMachine machine;
  machine.Set(kRunning);
  machine.Set(kShutdown);
  EXPECT_TRUE(machine.needs_reset());
  machine.Set(kPrelaunch);
  EXPECT_FALSE(machine.needs_reset());
}

TEST(RunStateDeathTest, IllegalChangeCheckFails) {
  RunStateMachine machine;
  EXPECT_DEATH(machine.Set(kPaused), "CanChange");
}

}  // namespace
}  // namespace davit::machine
