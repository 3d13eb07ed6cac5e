// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The entropy device under a driver of tests.
#include "vmm/virtio/rng/rng.h"

#include <gtest/gtest.h>

#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

using testing::Driver;
using testing::DriverOptions;

// Gives what the test lets it.
class FakeSource final : public backend::RngSource {
 public:
  explicit FakeSource(io::EventLoop& loop) : RngSource(loop) {}
  size_t asked() {
    const Pending* pending = front();
    return pending != nullptr ? pending->bytes : 0;
  }
  void Give(std::string_view text) { Deliver(std::as_bytes(std::span(text.data(), text.size()))); }

 private:
  void Work() override {}
};

class RngTest : public ::testing::Test {
 protected:
  void Start(uint64_t max_bytes = INT64_MAX, int period_ms = 100, DriverOptions options = {}) {
    auto source = std::make_shared<FakeSource>(loop_);
    source_ = source.get();
    driver_.emplace(
        std::make_unique<Rng>(RngConfig{source, max_bytes, std::chrono::milliseconds(period_ms)}),
        options);
  }
  void Add(uint32_t bytes) {
    driver_->queue(0).Add().Writable(bytes).Publish();
    driver_->queue(0).Kick();
  }

  io::FakeEventLoop loop_;  // of the source
  FakeSource* source_ = nullptr;
  std::optional<Driver> driver_;
};

TEST_F(RngTest, FillsABufferWithTheSourcesBytes) {
  Start();
  Add(64);
  EXPECT_EQ(source_->asked(), 64U);
  EXPECT_TRUE(driver_->queue(0).CollectUsed().empty());
  source_->Give("random");
  const auto used = driver_->queue(0).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), "random");
  EXPECT_EQ(driver_->interrupts().queue(0), 1);
}

TEST_F(RngTest, BufferThatWaitsKeepsNoUnpluggedRam) {
  Start();
  EXPECT_FALSE(driver_->KeepsUnpluggedRam([this] { Add(64); }));
  source_->Give("random");
  EXPECT_EQ(driver_->queue(0).CollectUsed().size(), 1U);
}

TEST_F(RngTest, AsksForOneBufferAfterTheOther) {
  Start();
  driver_->queue(0).Add().Writable(4).Publish();
  driver_->queue(0).Add().WritablePieces(6, 2).Publish();
  driver_->queue(0).Kick();
  EXPECT_EQ(source_->asked(), 4U);
  source_->Give("abcd");
  EXPECT_EQ(source_->asked(), 6U);
  source_->Give("efghij");
  const auto used = driver_->queue(0).CollectUsed();
  ASSERT_EQ(used.size(), 2U);
  EXPECT_EQ(used[0].text(), "abcd");
  EXPECT_EQ(used[1].text(), "efghij");
  EXPECT_EQ(source_->asked(), 0U);
}

TEST_F(RngTest, HugeBufferIsAskedForInPart) {
  Start();
  Add(1 << 20);
  EXPECT_EQ(source_->asked(), 4096U);
}

TEST_F(RngTest, QuotaHoldsUntilThePeriodEnds) {
  Start(6);
  Add(4);
  source_->Give("abcd");
  Add(4);
  EXPECT_EQ(source_->asked(), 2U);
  source_->Give("ef");
  Add(4);
  EXPECT_EQ(source_->asked(), 0U);
  driver_->loop().Advance(std::chrono::milliseconds(99));
  EXPECT_EQ(source_->asked(), 0U);
  driver_->loop().Advance(std::chrono::milliseconds(1));
  EXPECT_EQ(source_->asked(), 4U);
  source_->Give("ghij");
  EXPECT_EQ(driver_->queue(0).CollectUsed().size(), 3U);
}

TEST_F(RngTest, QuotaIsChargedForWhatTheGuestDoesNotTake) {
  Start(2);
  driver_->queue(0).Add().Readable("x").Publish();
  driver_->queue(0).Add().Readable("x").Publish();
  driver_->queue(0).Add().Readable("x").Publish();
  driver_->queue(0).Kick();
  EXPECT_EQ(source_->asked(), 1U);
  source_->Give("a");
  EXPECT_EQ(source_->asked(), 1U);
  source_->Give("b");
  EXPECT_EQ(source_->asked(), 0U);
  EXPECT_EQ(driver_->queue(0).CollectUsed().size(), 2U);
}

TEST_F(RngTest, QuotaIsChargedForWhatComesAfterAReset) {
  Start(4);
  Add(4);
  driver_->Reset();
  source_->Give("abcd");
  ASSERT_TRUE(driver_->Start());
  Add(4);
  EXPECT_EQ(source_->asked(), 0U);
  driver_->loop().Advance(std::chrono::milliseconds(100));
  EXPECT_EQ(source_->asked(), 4U);
}

TEST_F(RngTest, AQueueResetDoesNotWaitForTheSource) {
  Start();
  Add(4);
  driver_->frontend().ResetQueue(0);
  EXPECT_FALSE(driver_->frontend().queue_resetting(0));
  source_->Give("abcd");
  EXPECT_TRUE(driver_->queue(0).CollectUsed().empty());
}

TEST_F(RngTest, NoTimerRunsWhileNothingIsTaken) {
  Start(6);
  EXPECT_EQ(driver_->loop().timers(), 0U);
  Add(4);
  EXPECT_EQ(driver_->loop().timers(), 0U);
  source_->Give("abcd");
  EXPECT_EQ(driver_->loop().timers(), 1U);
  driver_->loop().Advance(std::chrono::seconds(1));
  EXPECT_EQ(driver_->loop().timers(), 0U);
}

TEST_F(RngTest, BufferWithoutRoomComesBackEmpty) {
  Start();
  driver_->queue(0).Add().Readable(std::string_view("abc")).Publish();
  driver_->queue(0).Kick();
  EXPECT_EQ(source_->asked(), 1U);
  source_->Give("x");
  const auto used = driver_->queue(0).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].length, 0U);
}

TEST_F(RngTest, BytesThatComeAfterAResetGoNowhere) {
  Start();
  Add(8);
  driver_->Reset();
  source_->Give("abc");
  ASSERT_TRUE(driver_->Start());
  EXPECT_TRUE(driver_->queue(0).CollectUsed().empty());
  Add(5);
  EXPECT_EQ(source_->asked(), 5U);
  source_->Give("hello");
  EXPECT_EQ(driver_->queue(0).CollectUsed().at(0).text(), "hello");
}

TEST_F(RngTest, NothingIsTakenWhileTheVmStands) {
  Start();
  driver_->frontend().OnRunning(false);
  Add(8);
  EXPECT_EQ(source_->asked(), 0U);
  driver_->frontend().OnRunning(true);
  driver_->loop().RunPosted();
  EXPECT_EQ(source_->asked(), 8U);
}

TEST_F(RngTest, BadChainNeedsReset) {
  Start();
  driver_->queue(0).Add().Raw(~uint64_t{0} - 10, 64, 2).Publish();
  driver_->queue(0).Kick();
  EXPECT_TRUE(driver_->needs_reset());
}

TEST_F(RngTest, CanGoWhileTheSourceOwesBytes) {
  auto source = std::make_shared<FakeSource>(loop_);
  driver_.emplace(std::make_unique<Rng>(RngConfig{source}));
  Add(8);
  driver_.reset();
  EXPECT_EQ(source->asked(), 0U);
}

}  // namespace
}  // namespace davit::virtio
