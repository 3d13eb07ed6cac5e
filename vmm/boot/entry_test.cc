// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/entry.h"

#include <gtest/gtest.h>

#include "vmm/boot/microvm_layout.h"

namespace davit::boot {
namespace {

TEST(MakeEntry, LinuxStartsInLongModeWithPaging) {
  const BootEntry entry = MakeEntry(EntryKind::kLinux64);
  EXPECT_EQ(entry.efer, 0x500u);
  EXPECT_EQ(entry.cr0, 0x80000011u);
  EXPECT_EQ(entry.cr4, 0x20u);
  EXPECT_EQ(entry.cr3, kBootPageTables);
  EXPECT_TRUE(entry.code.l);
  EXPECT_FALSE(entry.code.db);
}

TEST(MakeEntry, PvhStartsInProtectedModeWithoutPaging) {
  const BootEntry entry = MakeEntry(EntryKind::kPvh32);
  EXPECT_EQ(entry.efer, 0u);
  EXPECT_EQ(entry.cr0, 0x11u);
  EXPECT_EQ(entry.cr4, 0u);
  EXPECT_TRUE(entry.code.db);
  EXPECT_FALSE(entry.code.l);
}

TEST(MicrovmLayout, RamSplitsAtTheHole) {
  EXPECT_EQ(SplitRam(512 * kMiB, 3 * kGiB).below_4g, 512 * kMiB);
  EXPECT_EQ(SplitRam(512 * kMiB, 3 * kGiB).above_4g, 0u);
  EXPECT_EQ(SplitRam(3 * kGiB, 3 * kGiB).above_4g, 0u);
  EXPECT_EQ(SplitRam(6 * kGiB, 3 * kGiB).below_4g, 3 * kGiB);
  EXPECT_EQ(SplitRam(6 * kGiB, 3 * kGiB).above_4g, 3 * kGiB);
}

TEST(MicrovmLayout, VirtioSlotsFollowQemu) {
  EXPECT_EQ(MicrovmVirtioMmioMap(false, false).SlotGsi(7), 12u);
  EXPECT_EQ(MicrovmVirtioMmioMap(true, false).SlotGsi(0), 16u);
  EXPECT_EQ(MicrovmVirtioMmioMap(true, true).SlotGsi(23), 47u);
  EXPECT_EQ(MicrovmVirtioMmioMap(true, true).SlotBase(23), 0xfeb02e00u);
}

}  // namespace
}  // namespace davit::boot
