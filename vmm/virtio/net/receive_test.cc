// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Frames from the back end to the driver (receiver.h).
#include <gtest/gtest.h>

#include <climits>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <utility>

#include "vmm/base/units.h"
#include "vmm/virtio/net/test_support.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kBuffer = uint64_t{1} << 20;  // free RAM, and so are its multiples up to 3

TEST_F(NetTest, ReceivedFrameFillsABuffer) {
  Start();
  PostBuffers(1, 2000);
  fake_.Arrive(kNoHeader + Frame(100));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(100));
  EXPECT_EQ(driver_->interrupts().queue(kRx), 1);
}

TEST_F(NetTest, LongFrameIsSpreadOverMergedBuffers) {
  Start();
  PostBuffers(4, 1000);
  fake_.Arrive(kNoHeader + Frame(2500));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 3U);
  EXPECT_EQ(used[0].text() + used[1].text() + used[2].text(), Header(3) + Frame(2500));
}

TEST_F(NetTest, FrameWaitsUntilThereAreBuffersForAllOfIt) {
  Start();
  PostBuffers(2, 1000);
  fake_.Arrive(kNoHeader + Frame(2500));
  EXPECT_TRUE(driver_->queue(kRx).CollectUsed().empty());
  EXPECT_FALSE(fake_.receiving);
  PostBuffers(1, 1000);
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 3U);
  EXPECT_EQ(used[0].text() + used[1].text() + used[2].text(), Header(3) + Frame(2500));
  EXPECT_TRUE(fake_.receiving);
}

TEST_F(NetTest, FrameThatDoesNotFitOneBufferIsLostWithoutMerging) {
  Start({}, {.features = ~net::kMrgRxbuf});
  PostBuffers(1, 500);
  fake_.Arrive(kNoHeader + Frame(1000));
  fake_.Arrive(kNoHeader + Frame(100));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(100));
}

TEST_F(NetTest, BufferWithoutRoomForTheHeaderNeedsReset) {
  Start();
  PostBuffers(1, 5);
  fake_.Arrive(kNoHeader + Frame(100));
  EXPECT_TRUE(driver_->needs_reset());
}

TEST_F(NetTest, FrameThatArrivedWithoutDriverWaitsInTheBackend) {
  Start({}, {.start = false});
  EXPECT_FALSE(fake_.receiving);
  fake_.Arrive(kNoHeader + Frame(100));
  ASSERT_TRUE(driver_->Start());
  PostBuffers(1, 2000);
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 1U);
  EXPECT_TRUE(fake_.receiving);
}

TEST_F(NetTest, FramesOfWhichNoDescriptorTellsComeAfterAPause) {
  Start();
  PostBuffers(2, 2000);
  driver_->frontend().OnRunning(false);
  fake_.waiting = {kNoHeader + Frame(60), kNoHeader + Frame(61)};
  driver_->loop().RunPosted();
  EXPECT_EQ(fake_.waiting.size(), 2U);
  driver_->frontend().OnRunning(true);
  driver_->loop().RunPosted();
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 2U);
}

// Pieces of memory that the back end is given: the start, buffers behind it, the rest.
TEST_F(NetTest, FramesGoStraightIntoAsManyBuffersAsTheLastOneNeeded) {
  Start();
  PostBuffers(8, 1000);
  fake_.Arrive(kNoHeader + Frame(2500));
  EXPECT_EQ(fake_.pieces, 3U) << "one buffer; the frame was copied";
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 3U);
  fake_.Arrive(kNoHeader + Frame(2400));
  EXPECT_GE(fake_.pieces, 3U);
  auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 3U);
  EXPECT_EQ(used[0].text() + used[1].text() + used[2].text(), Header(3) + Frame(2400));
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(NetTest, BuffersThatAShortFrameLeavesAreUsedForTheNext) {
  Start();
  PostBuffers(7, 1000);
  fake_.Arrive(kNoHeader + Frame(2500));
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 3U);
  // Within one burst, and in the one after it.
  fake_.waiting = {kNoHeader + Frame(60)};
  fake_.Arrive(kNoHeader + Frame(61));
  fake_.Arrive(kNoHeader + Frame(1500));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 4U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(60));
  EXPECT_EQ(used[1].text(), Header(1) + Frame(61));
  EXPECT_EQ(used[2].text() + used[3].text(), Header(2) + Frame(1500));
}

TEST_F(NetTest, TheStartOfAFrameIsOutOfTheDriversReachUntilItHasTheFrame) {
  Start();
  driver_->queue(kRx).Add().Raw(kBuffer, 2000, testing::kWrite).Publish();
  (void)Control(net::kClassRx, net::kRxPromisc, std::string(1, '\0'));
  // It passes the filter, whatever the driver writes over it meanwhile.
  fake_.on_received = [&] { EXPECT_TRUE(driver_->memory().Fill({kBuffer}, 30, std::byte{0x01})); };
  fake_.Arrive(kNoHeader + Frame(100));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(100));
}

TEST_F(NetTest, MemoryOfABufferIsThereBeforeTheKernelWritesToIt) {
  Start();
  const uint64_t at = 3 * kBuffer;
  driver_->queue(kRx).Add().Raw(at, 3 * kPageSize, testing::kWrite).Publish();
  EXPECT_EQ(driver_->HostPages(at, 3 * kPageSize), 0U);
  fake_.on_receive = [&] { EXPECT_GE(driver_->HostPages(at, 3 * kPageSize), 2U); };
  fake_.Arrive(kNoHeader + Frame(9000));
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 1U);
}

TEST_F(NetTest, AFrameThatIsNotForTheDriverLeavesItsBuffers) {
  Start();
  (void)Control(net::kClassRx, net::kRxPromisc, std::string(1, '\0'));
  PostBuffers(1, 2000);
  fake_.waiting = {kNoHeader + Frame(100, std::string("\x52\x54\0\x99\x99\x99", 6))};
  fake_.Arrive(kNoHeader + Frame(61));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), Header(1) + Frame(61));
}

TEST_F(NetTest, ABufferInMoreCrumbsThanASystemCallTakesIsFilled) {
  Start();
  auto chain = driver_->queue(kRx).Add().Indirect();
  // Apart from each other, so that they stay crumbs.
  for (uint64_t i = 0; i < 1020; ++i) chain.Raw(kBuffer + 16 * i, 2, testing::kWrite);
  chain.Publish();
  auto second = driver_->queue(kRx).Add().Indirect();
  for (uint64_t i = 0; i < 1020; ++i) second.Raw(2 * kBuffer + 16 * i, 2, testing::kWrite);
  second.Publish();
  PostBuffers(1, 60000);
  fake_.waiting = {kNoHeader + Frame(2100)};
  fake_.Arrive(kNoHeader + Frame(50000));
  const auto used = driver_->queue(kRx).CollectUsed();
  ASSERT_EQ(used.size(), 3U);
  EXPECT_EQ(used[0].text() + used[1].text(), (Header(2) + Frame(2100)));
  EXPECT_EQ(used[2].text(), Header(1) + Frame(50000));
  EXPECT_LE(fake_.pieces, size_t{IOV_MAX});
}

TEST_F(NetTest, ABurstThatFillsAllBuffersAtTheLastFrameGoesOn) {
  Start();
  fake_.Arrive(kNoHeader + Frame(60));
  EXPECT_FALSE(fake_.receiving);
  for (int i = 0; i < 300; ++i) fake_.waiting.push_back(kNoHeader + Frame(60));
  PostBuffers(256, 200);
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 256U);
  PostBuffers(100, 200);
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 45U);
  EXPECT_TRUE(fake_.receiving);
}

TEST_F(NetTest, ATooSmallBufferTakenForALongFrameIsFoundOutWhenItsTurnComes) {
  Start();
  PostBuffers(2, 1000);
  PostBuffers(1, 8);
  fake_.Arrive(kNoHeader + Frame(1100));
  EXPECT_EQ(driver_->queue(kRx).CollectUsed().size(), 2U);
  EXPECT_FALSE(driver_->needs_reset());
  fake_.Arrive(kNoHeader + Frame(60));
  EXPECT_TRUE(driver_->needs_reset());
}

// Frames of all sizes, in bursts of all lengths, into buffers of all sizes, which are sometimes too
// few: each arrives whole and in order.
void ReceiveAnything(testing::Driver& driver, FakeNet& fake, bool merge) {
  std::mt19937 random(7);
  const auto pick = [&random](size_t from, size_t to) { return from + random() % (to - from + 1); };
  std::deque<std::string> expected;
  size_t sent = 0;
  std::string partial;
  uint16_t more = 0;
  const auto collect = [&] {
    for (const testing::Used& used : driver.queue(kRx).CollectUsed()) {
      const std::string text = used.text();
      if (more == 0) {
        net::Header header;
        ASSERT_GE(text.size(), sizeof(header));
        std::memcpy(&header, text.data(), sizeof(header));
        more = header.num_buffers;
      }
      partial += text;
      if (--more != 0) continue;
      ASSERT_FALSE(expected.empty());
      ASSERT_EQ(partial.substr(sizeof(net::Header)), expected.front());
      expected.pop_front();
      partial.clear();
    }
  };
  while (sent < 600 || !expected.empty()) {
    for (size_t n = pick(0, 20); n != 0 && driver.queue(kRx).ring().Room() > 4; --n) {
      const auto size = static_cast<uint32_t>(merge ? pick(12, 6000) : pick(4000, 9000));
      auto chain = driver.queue(kRx).Add();
      chain.WritablePieces(size, static_cast<uint32_t>(pick((size + 2) / 3, size))).Publish();
    }
    driver.queue(kRx).Kick();
    for (size_t n = sent < 600 ? pick(0, 5) : 0; n != 0; --n, ++sent) {
      const size_t size = pick(0, 3) == 0 ? pick(60, 200) : pick(60, merge ? 20000 : 3900);
      std::string frame(size, '\0');
      for (char& byte : frame) byte = static_cast<char>(random());
      frame[0] = '\xff';
      fake.waiting.push_back(kNoHeader + frame);
      expected.push_back(std::move(frame));
    }
    fake.Poke();
    ASSERT_NO_FATAL_FAILURE(collect());
    ASSERT_FALSE(driver.needs_reset());
  }
}

TEST_F(NetTest, EveryFrameArrivesWholeAndInOrderInMergedBuffers) {
  Start({}, {.ram_mib = 64});
  ReceiveAnything(*driver_, fake_, true);
}

TEST_F(NetTest, EveryFrameArrivesWholeAndInOrderInMergedBuffersOfAPackedRing) {
  Start({}, {.ram_mib = 64, .frontend = {.packed = true}});
  ReceiveAnything(*driver_, fake_, true);
}

TEST_F(NetTest, EveryFrameArrivesWholeAndInOrderInABufferEach) {
  Start({}, {.ram_mib = 64, .features = ~net::kMrgRxbuf, .frontend = {.in_order = true}});
  ReceiveAnything(*driver_, fake_, false);
}

}  // namespace
}  // namespace davit::virtio
