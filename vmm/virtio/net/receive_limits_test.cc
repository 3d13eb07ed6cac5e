// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a driver and a peer on the network can make the loop do: bursts longer than one turn of it,
// buffers in crumbs, queues that are broken or gone while frames wait. A watch that stays armed is
// Poke(), which calls the card again and again.
#include <gtest/gtest.h>

#include <climits>
#include <string>
#include <vector>

#include "vmm/base/units.h"
#include "vmm/virtio/net/test_support.h"

namespace davit::virtio {
namespace {

constexpr size_t kBurst = 256;           // frames of one turn
constexpr uint64_t kCrumbs = 16 * kMiB;  // free RAM of 64 MiB, and so are its multiples

class NetLimitsTest : public NetTest {
 protected:
  void OnlyItsOwn() { (void)Control(net::kClassRx, net::kRxPromisc, std::string(1, '\0')); }
  static std::string ForAnother(size_t size) {
    return kNoHeader + Frame(size, std::string("\x52\x54\0\x99\x99\x99", 6));
  }
  void Wait(size_t n, const std::string& frame) {
    for (size_t i = 0; i < n; ++i) fake_.waiting.push_back(frame);
  }
  // A buffer of n pieces that do not touch.
  void PostCrumbs(uint64_t at, uint64_t n, uint32_t size) {
    auto chain = driver_->queue(kRx).Add().Indirect();
    for (uint64_t i = 0; i < n; ++i) chain.Raw(at + 16 * i, size, testing::kWrite);
    chain.Publish();
  }
  // One that no device may take.
  void PostBad() { driver_->queue(kRx).Add().Raw(UINT64_MAX - 10, 5, testing::kWrite).Publish(); }
  // And the card is as it was before, all while the loop does not turn.
  void ResetWithinATurn() {
    Frontend& frontend = driver_->frontend();
    const uint8_t status = frontend.status();
    std::vector<QueueConfig> queues;
    for (const uint16_t i : {kRx, kTx, kControl}) queues.push_back(frontend.queue(i));
    frontend.SetStatus(0);
    ASSERT_TRUE(driver_->Negotiate());
    for (const uint16_t i : {kRx, kTx, kControl}) {
      frontend.ConfigureQueue(i, [&](QueueConfig& config) { config = queues[i]; });
      frontend.SetQueueReady(i, true);
    }
    frontend.SetStatus(status);
  }
  // A reset of one queue is over when the device has none of its chains.
  bool QueueResets(uint16_t queue) {
    driver_->frontend().ResetQueue(queue);
    return !driver_->frontend().queue_resetting(queue);
  }
};

TEST_F(NetLimitsTest, ABacklogIsServedOnceInATurnOfTheLoop) {
  Start();
  OnlyItsOwn();
  Wait(3 * kBurst, ForAnother(60));
  for (int wakes = 0; wakes < 3; ++wakes) {
    fake_.Poke();
    EXPECT_EQ(driver_->loop().posted(), 1U);
    EXPECT_EQ(fake_.waiting.size(), 2 * kBurst);
  }
  driver_->loop().RunPosted();
  EXPECT_TRUE(fake_.waiting.empty());
  EXPECT_TRUE(fake_.receiving);
}

TEST_F(NetLimitsTest, ABacklogIsServedOnceInATurnAlsoWhenTheDriverResetsTheCard) {
  Start();
  OnlyItsOwn();
  Wait(3 * kBurst, ForAnother(60));
  fake_.Poke();
  ResetWithinATurn();
  ASSERT_EQ(fake_.waiting.size(), 2 * kBurst);
  fake_.Poke();
  EXPECT_EQ(fake_.waiting.size(), 2 * kBurst);
}

TEST_F(NetLimitsTest, FramesForOthersDoNotMakeTheCardLookAtItsBuffersAgain) {
  Start({}, {.ram_mib = 64});
  OnlyItsOwn();
  PostCrumbs(kCrumbs, 1000, 2);
  Wait(kBurst + 1, ForAnother(60));
  fake_.Poke();
  EXPECT_EQ(fake_.waiting.size(), 1U) << "the burst ended early";
  EXPECT_GT(fake_.pieces, 900U);
}

TEST_F(NetLimitsTest, FramesForOthersDoNotMakeTheCardTakeMoreBuffers) {
  Start();
  OnlyItsOwn();
  PostBuffers(1, 2000);
  PostBad();
  Wait(2, ForAnother(60000));
  fake_.Poke();
  EXPECT_TRUE(fake_.waiting.empty());
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(NetLimitsTest, BuffersInCrumbsAreTakenOnlyAsFarAsASystemCallGoes) {
  Start({}, {.ram_mib = 64});
  PostBuffers(1, 65000);
  fake_.Arrive(kNoHeader + Frame(60000));
  ASSERT_EQ(driver_->queue(kRx).CollectUsed().size(), 1U);
  // The next frame is taken to be as long.
  for (uint64_t i = 1; i < 4; ++i) PostCrumbs(i * kCrumbs, 1000, 2);
  PostBad();
  fake_.Arrive(kNoHeader + Frame(60));
  EXPECT_LE(fake_.pieces, size_t{IOV_MAX});
  auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(60));
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(NetLimitsTest, ABurstIntoCrumbsIsCutShort) {
  Start({}, {.ram_mib = 64});
  constexpr size_t kFrames = 100;
  for (uint64_t i = 0; i < kFrames; ++i) PostCrumbs(kCrumbs + i * 16 * kKiB, 1000, 2);
  Wait(kFrames, kNoHeader + Frame(60));
  fake_.Poke();
  EXPECT_GT(fake_.waiting.size(), kFrames / 2);
  EXPECT_LT(fake_.waiting.size(), kFrames - 5);
  EXPECT_EQ(driver_->loop().posted(), 1U);
  driver_->loop().RunPosted();
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), kFrames);
}

TEST_F(NetLimitsTest, ABrokenReceiveQueueIsNotReadForUntilTheReset) {
  Start();
  PostBad();
  fake_.Arrive(kNoHeader + Frame(60));
  EXPECT_TRUE(driver_->needs_reset());
  EXPECT_FALSE(fake_.receiving);
  // Nor after a pause.
  driver_->frontend().OnRunning(false);
  driver_->frontend().OnRunning(true);
  driver_->loop().RunPosted();
  EXPECT_FALSE(fake_.receiving);
  driver_->Reset();
  ASSERT_TRUE(driver_->Start());
  driver_->loop().RunPosted();
  PostBuffers(1, 2000);
  fake_.Arrive(kNoHeader + Frame(60));
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 1U);
}

TEST_F(NetLimitsTest, WhatABrokenTransmitQueueLeavesIsNotReadForEither) {
  Start();
  PostBuffers(1, 2000);
  driver_->queue(kTx).Add().Readable("short").Publish();
  driver_->queue(kTx).Kick();
  EXPECT_TRUE(driver_->needs_reset());
  fake_.Arrive(kNoHeader + Frame(60));
  EXPECT_FALSE(fake_.receiving);
  EXPECT_EQ(fake_.waiting.size(), 1U);
  EXPECT_TRUE(driver_->queue(kRx).CollectUsed().empty());
}

TEST_F(NetLimitsTest, ACardThatWasResetIsNotReadFor) {
  Start();
  driver_->Reset();
  fake_.Arrive(kNoHeader + Frame(60));
  EXPECT_FALSE(fake_.receiving);
  EXPECT_EQ(fake_.waiting.size(), 1U);
}

TEST_F(NetLimitsTest, ABufferTooSmallForACopiedFrameGoesBack) {
  Start();
  PostBuffers(1, 5);
  fake_.Arrive(kNoHeader + Frame(100));
  EXPECT_TRUE(driver_->needs_reset());
  EXPECT_TRUE(QueueResets(kRx));
}

TEST_F(NetLimitsTest, BuffersOfAFrameThatMeetsABadOneGoBack) {
  Start();
  PostBuffers(2, 1000);
  PostBad();
  fake_.Arrive(kNoHeader + Frame(2500));
  EXPECT_TRUE(driver_->needs_reset());
  EXPECT_TRUE(QueueResets(kRx));
}

TEST_F(NetLimitsTest, ABufferTooSmallForAFrameInPlaceGoesBack) {
  Start();
  PostBuffers(1, 1000);
  fake_.Arrive(kNoHeader + Frame(100));
  PostBuffers(1, 8);
  PostBuffers(1, 1000);
  fake_.Arrive(kNoHeader + Frame(100));
  fake_.Poke();
  EXPECT_TRUE(driver_->needs_reset());
  EXPECT_TRUE(QueueResets(kRx));
}

TEST_F(NetLimitsTest, ATransmitBufferWithoutHeaderGoesBack) {
  Start();
  driver_->queue(kTx).Add().Readable("short").Publish();
  driver_->queue(kTx).Kick();
  EXPECT_TRUE(driver_->needs_reset());
  EXPECT_TRUE(QueueResets(kTx));
}

}  // namespace
}  // namespace davit::virtio
