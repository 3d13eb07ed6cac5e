// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/balloon/balloon.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "vmm/base/endian.h"
#include "vmm/base/units.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

using std::chrono::seconds;
using testing::Driver;
using testing::DriverOptions;

constexpr uint16_t kInflate = 0, kDeflate = 1, kStats = 2;
constexpr uint32_t kNumPages = 0, kActual = 4, kPoison = 12;
constexpr uint64_t kRam = 4 * kMiB;

class BalloonTest : public ::testing::Test {
 protected:
  void Start(BalloonConfig config = {}, DriverOptions options = {}) {
    config.timer_loop = &timers_;
    config.on_change = [this](uint64_t bytes) { changes_.push_back(bytes); };
    auto balloon = std::make_unique<Balloon>(config);
    balloon_ = balloon.get();
    options.ram_mib = kRam / kMiB;
    driver_ = std::make_unique<Driver>(std::move(balloon), options);
  }
  void SendPages(uint16_t queue, const std::vector<uint32_t>& pages) {
    const auto bytes = std::as_bytes(std::span(pages));
    std::vector<uint8_t> text;
    for (std::byte byte : bytes) text.push_back(std::to_integer<uint8_t>(byte));
    driver_->queue(queue).Add().Readable(std::span<const uint8_t>(text)).Publish();
    driver_->queue(queue).Kick();
    EXPECT_EQ(driver_->queue(queue).CollectUsed().size(), 1U);
  }
  void Fill(uint64_t page, uint8_t value) {
    ASSERT_TRUE(driver_->memory().Fill({page * kBalloonPage}, kBalloonPage, std::byte{value}));
  }
  uint8_t ByteOf(uint64_t page) {
    return *driver_->memory().Read<uint8_t>({page * kBalloonPage + 100});
  }

  io::FakeEventLoop timers_;
  std::vector<uint64_t> changes_;
  Balloon* balloon_ = nullptr;
  std::unique_ptr<Driver> driver_;
};

TEST_F(BalloonTest, InflatedPagesLoseTheirBytesAndOthersDoNot) {
  Start();
  for (uint64_t page = 600; page < 606; ++page) Fill(page, 0x5a);
  SendPages(kInflate, {602, 601, 604});
  EXPECT_EQ(ByteOf(600), 0x5a);
  EXPECT_EQ(ByteOf(601), 0);
  EXPECT_EQ(ByteOf(602), 0);
  EXPECT_EQ(ByteOf(603), 0x5a);
  EXPECT_EQ(ByteOf(604), 0);
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(BalloonTest, DeflatedPageIsUsableAgain) {
  Start();
  SendPages(kInflate, {700});
  SendPages(kDeflate, {700});
  Fill(700, 0x33);
  EXPECT_EQ(ByteOf(700), 0x33);
}

TEST_F(BalloonTest, PagesOutsideRamAndTwiceAreIgnored) {
  Start();
  Fill(800, 0x5a);
  SendPages(kInflate, {0xffffffff, static_cast<uint32_t>(kRam / kBalloonPage), 801, 801, 801});
  EXPECT_EQ(ByteOf(800), 0x5a);
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(BalloonTest, RangeThatLeavesRamIsServedAsFarAsItIsRam) {
  Start();
  const uint32_t last = kRam / kBalloonPage - 1;
  Fill(last, 0x5a);
  SendPages(kInflate, {last, last + 1, last + 2});
  EXPECT_EQ(ByteOf(last), 0);
}

TEST_F(BalloonTest, TrailingPieceOfAPageNumberIsIgnored) {
  Start();
  Fill(900, 0x5a);
  const std::vector<uint8_t> bytes = {0x85, 3, 0, 0, 0x84, 3};  // 901, half of 900
  driver_->queue(kInflate).Add().Readable(std::span(bytes)).Publish();
  driver_->queue(kInflate).Kick();
  EXPECT_EQ(driver_->queue(kInflate).CollectUsed().size(), 1U);
  EXPECT_EQ(ByteOf(900), 0x5a);
}

class BalloonTurnsTest : public BalloonTest {
 protected:
  // More page numbers than a turn serves: page 900 again and again, then 901. `meanwhile` runs
  // between two turns.
  void InflateLongChain(std::function<void()> meanwhile) {
    Start();
    Fill(900, 0x5a);
    Fill(901, 0x5a);
    std::vector<uint32_t> pages(20000, 900);
    pages.push_back(901);
    const auto bytes = std::as_bytes(std::span(pages));
    driver_->queue(kInflate)
        .Add()
        .Readable(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()))
        .Publish();
    driver_->loop().Post(std::move(meanwhile));
    driver_->queue(kInflate).Kick();
  }
};

TEST_F(BalloonTurnsTest, LongChainLetsOthersHaveTheirTurn) {
  InflateLongChain([this] {
    EXPECT_EQ(ByteOf(900), 0);
    EXPECT_EQ(ByteOf(901), 0x5a);
    EXPECT_TRUE(driver_->queue(kInflate).CollectUsed().empty());
  });
  EXPECT_EQ(ByteOf(901), 0);
  EXPECT_EQ(driver_->queue(kInflate).CollectUsed().size(), 1U);
}

TEST_F(BalloonTurnsTest, ResetInTheMidstOfAChain) {
  InflateLongChain([this] { driver_->Reset(); });
  EXPECT_EQ(driver_->status(), 0);
  EXPECT_EQ(ByteOf(901), 0x5a);
  ASSERT_TRUE(driver_->Start());
  SendPages(kInflate, {901});
  EXPECT_EQ(ByteOf(901), 0);
}

TEST_F(BalloonTurnsTest, QueueResetInTheMidstOfAChain) {
  InflateLongChain([this] {
    driver_->frontend().ResetQueue(kInflate);
    EXPECT_FALSE(driver_->frontend().queue_resetting(kInflate));
  });
  EXPECT_EQ(ByteOf(901), 0x5a);
  driver_->SetUpQueue(kInflate);
  SendPages(kInflate, {901});
  EXPECT_EQ(ByteOf(901), 0);
}

TEST_F(BalloonTurnsTest, StoppedVmGoesOnWithTheChainLater) {
  InflateLongChain([this] { driver_->frontend().OnRunning(false); });
  EXPECT_EQ(ByteOf(901), 0x5a);
  driver_->frontend().OnRunning(true);
  driver_->loop().RunPosted();
  EXPECT_EQ(ByteOf(901), 0);
}

TEST_F(BalloonTest, TargetReachesTheDriver) {
  Start();
  const int before = driver_->interrupts().config();
  balloon_->SetTarget(kMiB);
  EXPECT_EQ(driver_->Config<le32>(kNumPages), 3 * kMiB / kBalloonPage);
  EXPECT_EQ(driver_->interrupts().config(), before + 1);
}

TEST_F(BalloonTest, TargetAboveRamEmptiesTheBalloon) {
  Start();
  balloon_->SetTarget(kMiB);
  balloon_->SetTarget(UINT64_MAX);
  EXPECT_EQ(driver_->Config<le32>(kNumPages), 0U);
}

TEST_F(BalloonTest, TargetSurvivesReset) {
  Start();
  balloon_->SetTarget(kMiB);
  driver_->Reset();
  EXPECT_EQ(driver_->Config<le32>(kNumPages), 3 * kMiB / kBalloonPage);
}

TEST_F(BalloonTest, ActualIsTheDrivers) {
  Start();
  EXPECT_EQ(balloon_->Actual(), kRam);
  driver_->SetConfig<le32>(kActual, 256);
  EXPECT_EQ(balloon_->Actual(), kRam - kMiB);
  EXPECT_EQ(changes_, (std::vector<uint64_t>{kRam - kMiB}));
}

TEST_F(BalloonTest, SameActualAgainIsNoChange) {
  Start();
  driver_->SetConfig<le32>(kActual, 256);
  driver_->SetConfig<le32>(kActual, 256);
  EXPECT_EQ(changes_.size(), 1U);
}

TEST_F(BalloonTest, ActualAboveRamCountsAsAllOfIt) {
  Start();
  driver_->SetConfig<le32>(kActual, 0xffffffff);
  EXPECT_EQ(balloon_->Actual(), 0U);
}

TEST_F(BalloonTest, DriverCannotWriteTheTarget) {
  Start();
  balloon_->SetTarget(kMiB);
  driver_->SetConfig<le32>(kNumPages, 7);
  EXPECT_EQ(driver_->Config<le32>(kNumPages), 3 * kMiB / kBalloonPage);
}

class BalloonStatsTest : public BalloonTest {
 protected:
  void PublishStats(uint64_t free_memory) { PublishStat(4, free_memory); }
  void PublishStat(uint16_t tag, uint64_t value) {
    std::vector<uint8_t> entry(kBalloonStatEntry);
    StoreLe(&entry[0], 2, tag);
    StoreLe(&entry[2], 8, value);
    driver_->queue(kStats).Add().Readable(std::span<const uint8_t>(entry)).Publish();
    driver_->queue(kStats).Kick();
  }
  size_t Answered() { return driver_->queue(kStats).CollectUsed().size(); }
};

TEST_F(BalloonStatsTest, FirstBufferIsHeldAndRead) {
  Start();
  PublishStats(123);
  EXPECT_EQ(Answered(), 0U);
  EXPECT_EQ(balloon_->Stats().values[4], 123U);
  EXPECT_NE(balloon_->Stats().last_update, 0);
}

TEST_F(BalloonStatsTest, WhatTheGuestTellsNoMoreIsUnknown) {
  Start();
  PublishStat(0, 11);
  EXPECT_EQ(balloon_->Stats().values[0], 11U);
  PublishStats(123);
  EXPECT_EQ(balloon_->Stats().values[0], kBalloonStatUnknown);
  EXPECT_EQ(balloon_->Stats().values[4], 123U);
}

TEST_F(BalloonStatsTest, HeldBufferKeepsNoUnpluggedRam) {
  Start();
  EXPECT_FALSE(driver_->KeepsUnpluggedRam([this] { PublishStats(123); }));
  PublishStats(124);
  EXPECT_EQ(Answered(), 1U);
}

TEST_F(BalloonStatsTest, PollingAsksOnceAnInterval) {
  Start();
  PublishStats(1);
  balloon_->SetPollingInterval(2);
  timers_.Advance(seconds(0));
  EXPECT_EQ(Answered(), 1U);
  PublishStats(2);
  timers_.Advance(seconds(1));
  EXPECT_EQ(Answered(), 0U);
  timers_.Advance(seconds(1));
  EXPECT_EQ(Answered(), 1U);
  EXPECT_EQ(balloon_->Stats().values[4], 2U);
}

TEST_F(BalloonStatsTest, NoPollingNoQuestion) {
  Start();
  PublishStats(1);
  balloon_->SetPollingInterval(1);
  balloon_->SetPollingInterval(0);
  timers_.Advance(seconds(100));
  EXPECT_EQ(Answered(), 0U);
}

TEST_F(BalloonStatsTest, IntervalWithoutADriverAsksWhenOneComes) {
  Start({}, {.start = false});
  balloon_->SetPollingInterval(1);
  timers_.Advance(seconds(10));
  ASSERT_TRUE(driver_->Start());
  PublishStats(1);
  timers_.Advance(seconds(1));
  EXPECT_EQ(Answered(), 1U);
}

TEST_F(BalloonStatsTest, HugeIntervalIsKept) {
  Start();
  PublishStats(1);
  balloon_->SetPollingInterval(UINT32_MAX);
  timers_.Advance(seconds(0));
  EXPECT_EQ(Answered(), 1U);
  EXPECT_EQ(balloon_->polling_interval(), UINT32_MAX);
}

TEST_F(BalloonStatsTest, SecondBufferGivesTheFirstBack) {
  Start();
  PublishStats(1);
  PublishStats(2);
  EXPECT_EQ(Answered(), 1U);
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(BalloonStatsTest, HugeBufferIsReadInPart) {
  Start();
  const std::vector<uint8_t> bytes(60000, 0xff);
  driver_->queue(kStats).Add().Readable(std::span(bytes)).Publish();
  driver_->queue(kStats).Kick();
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(BalloonStatsTest, ResetForgetsTheBuffer) {
  Start();
  PublishStats(1);
  balloon_->SetPollingInterval(1);
  driver_->Reset();
  timers_.Advance(seconds(5));
  ASSERT_TRUE(driver_->Start());
  PublishStats(2);
  timers_.Advance(seconds(1));
  EXPECT_EQ(Answered(), 1U);
}

TEST_F(BalloonTest, ReportedFreePagesAreGivenBack) {
  Start({.free_page_reporting = true});
  const uint64_t at = driver_->Allocate(8 * kBalloonPage, kBalloonPage);
  for (uint64_t i = 0; i < 8; ++i) Fill(at / kBalloonPage + i, 0x5a);
  auto& queue = driver_->queue(3);
  queue.Add().Raw(at + kBalloonPage, 4 * kBalloonPage, testing::kWrite).Publish();
  queue.Kick();
  EXPECT_EQ(queue.CollectUsed().size(), 1U);
  EXPECT_EQ(ByteOf(at / kBalloonPage), 0x5a);
  EXPECT_EQ(ByteOf(at / kBalloonPage + 1), 0);
  EXPECT_EQ(ByteOf(at / kBalloonPage + 4), 0);
  EXPECT_EQ(ByteOf(at / kBalloonPage + 5), 0x5a);
}

TEST_F(BalloonTest, ReportedPagesKeepTheirPoison) {
  Start({.free_page_reporting = true});
  driver_->SetConfig<le32>(kPoison, 0xaaaaaaaa);
  const uint64_t at = driver_->Allocate(2 * kBalloonPage, kBalloonPage);
  Fill(at / kBalloonPage, 0xaa);
  auto& queue = driver_->queue(3);
  queue.Add().Raw(at, kBalloonPage, testing::kWrite).Publish();
  queue.Kick();
  EXPECT_EQ(queue.CollectUsed().size(), 1U);
  EXPECT_EQ(ByteOf(at / kBalloonPage), 0xaa);
}

TEST_F(BalloonTest, HintsAreTakenAndGivenBack) {
  Start({.free_page_reporting = true, .free_page_hint = true});
  auto& queue = driver_->queue(3);
  queue.Add().Readable(le32(2)).Publish();
  queue.Add().Writable(kBalloonPage).Publish();
  queue.Kick();
  EXPECT_EQ(queue.CollectUsed().size(), 2U);
}

TEST_F(BalloonTest, OfferedFeaturesFollowTheProperties) {
  Start({.deflate_on_oom = true, .page_poison = false});
  const uint64_t features = driver_->frontend().traits().features;
  EXPECT_EQ(features, Bit(1) | Bit(2));
  EXPECT_EQ(driver_->frontend().traits().config_size, 8U);
  EXPECT_EQ(driver_->frontend().queue_count(), 3);
}

}  // namespace
}  // namespace davit::virtio
