// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Split and packed rings behind VirtQueue, with and without EVENT_IDX and IN_ORDER: what a driver
// that keeps the rules sees. Broken rules: queue_abuse_test.cc.
#include "vmm/virtio/core/queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/testing/ring.h"

namespace davit::virtio {
namespace {

using testing::DriverRing;
using testing::kWrite;
using testing::PlaceRing;
using testing::RingPlace;
using testing::RingUsed;

constexpr uint64_t kBuffers = 0x8000;

class QueueTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kMiB;
    memory_ = *memory::GuestMemory::Create({{{0}, kMiB, *memory::RamBlock::Create(options), 0}});
    Open(8);
  }
  uint64_t features() const { return GetParam() | kFeatureVersion1 | kFeatureIndirectDesc; }
  bool packed() const { return GetParam() & kFeatureRingPacked; }
  bool event_idx() const { return GetParam() & kFeatureEventIdx; }
  bool in_order() const { return GetParam() & kFeatureInOrder; }

  QueueConfig Config(uint16_t size) {
    const RingPlace place = PlaceRing(0x1000, size);
    return {256, size, true, {place.descriptors}, {place.driver}, {place.device}};
  }
  void Open(uint16_t size) {
    (void)memory_.Fill({0x1000}, 0x4000, std::byte{0});
    auto queue = VirtQueue::Activate(Config(size), features(), memory_, [this] { ++interrupts_; });
    ASSERT_TRUE(queue) << queue.error();
    queue_ = std::move(*queue);
    ring_ = DriverRing::Create(memory_, PlaceRing(0x1000, size), packed(), event_idx());
  }
  uint16_t PublishReadable(uint64_t at = kBuffers) { return ring_->Publish({{at, 16, 0}}); }
  DescriptorChain Pop() {
    auto chain = queue_->Pop();
    EXPECT_TRUE(chain) << chain.error();
    EXPECT_TRUE(chain->has_value());
    return std::move(**chain);
  }
  bool Empty() {
    auto chain = queue_->Pop();
    return chain && !chain->has_value();
  }

  memory::GuestMemory memory_;
  std::unique_ptr<VirtQueue> queue_;
  std::unique_ptr<DriverRing> ring_;
  int interrupts_ = 0;
};

TEST_P(QueueTest, FreshQueueIsEmpty) { EXPECT_TRUE(Empty()); }

TEST_P(QueueTest, ChainHasTheDriversBuffersInOrder) {
  (void)memory_.Write<uint32_t>({kBuffers}, 0x11111111);
  (void)memory_.Write<uint32_t>({kBuffers + 0x100}, 0x22222222);
  ring_->Publish({{kBuffers, 4, 0},
                  {kBuffers + 0x100, 4, 0},
                  {kBuffers + 0x200, 2, kWrite},
                  {kBuffers + 0x300, 6, kWrite}});
  const DescriptorChain chain = Pop();
  EXPECT_EQ(chain.readable_bytes(), 8U);
  EXPECT_EQ(chain.writable_bytes(), 8U);
  Reader reader = chain.reader();
  EXPECT_EQ(*reader.Read<uint64_t>(), 0x2222222211111111U);
  Writer writer = chain.writer();
  ASSERT_TRUE(writer.Write<uint64_t>(0x8877665544332211));
  EXPECT_EQ(*memory_.Read<uint16_t>({kBuffers + 0x200}), 0x2211);
  EXPECT_EQ(*memory_.Read<uint16_t>({kBuffers + 0x300}), 0x4433);
}

TEST_P(QueueTest, CompletedChainComesBackWithItsLength) {
  const uint16_t id = ring_->Publish({{kBuffers, 16, 0}, {kBuffers + 0x100, 16, kWrite}});
  ASSERT_TRUE(queue_->Complete(Pop(), 5));
  const auto used = ring_->TakeUsed();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->id, id);
  EXPECT_EQ(used->length, 5U);
  EXPECT_FALSE(ring_->TakeUsed());
}

TEST_P(QueueTest, RingIsUsedRoundAndRound) {
  for (int i = 0; i < 1000; ++i) {
    const uint16_t first = ring_->Publish({{kBuffers, 16, 0}, {kBuffers, 16, kWrite}});
    const uint16_t second = PublishReadable();
    ASSERT_TRUE(queue_->Complete(Pop(), 1));
    ASSERT_TRUE(queue_->Complete(Pop(), 0));
    EXPECT_TRUE(Empty());
    ASSERT_EQ(ring_->TakeUsed()->id, first);
    ASSERT_EQ(ring_->TakeUsed()->id, second);
  }
}

TEST_P(QueueTest, FullRingIsServedWhole) {
  for (int lap = 0; lap < 3; ++lap) {
    std::vector<uint16_t> ids;
    for (int i = 0; i < 8; ++i) ids.push_back(PublishReadable());
    std::vector<DescriptorChain> chains;
    for (int i = 0; i < 8; ++i) chains.push_back(Pop());
    EXPECT_EQ(queue_->in_flight(), 8);
    EXPECT_TRUE(Empty());
    for (auto& chain : chains) ASSERT_TRUE(queue_->Complete(std::move(chain), 0));
    for (const uint16_t id : ids) ASSERT_EQ(ring_->TakeUsed()->id, id);
    EXPECT_EQ(queue_->in_flight(), 0);
  }
}

TEST_P(QueueTest, ChainsCompletedBackwardsComeInTheOrderPromised) {
  const uint16_t first = PublishReadable(), second = PublishReadable();
  DescriptorChain chain1 = Pop(), chain2 = Pop();
  ASSERT_TRUE(queue_->Complete(std::move(chain2), 0));
  const auto early = ring_->TakeUsed();
  ASSERT_EQ(early.has_value(), !in_order());
  ASSERT_TRUE(queue_->Complete(std::move(chain1), 0));
  const auto late = ring_->TakeUsed();
  if (in_order()) {
    EXPECT_EQ(late->id, first);
    EXPECT_EQ(ring_->TakeUsed()->id, second);
  } else {
    EXPECT_EQ(early->id, second);
    EXPECT_EQ(late->id, first);
  }
}

TEST_P(QueueTest, ChainsCompletedTogetherComeInOrderWithTheirLengths) {
  // Several rounds, so that a group lies across the end of the ring too.
  for (int round = 0; round < 10; ++round) {
    std::vector<uint16_t> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(ring_->Publish({{kBuffers, 16, kWrite}}));
    std::vector<VirtQueue::Completed> group;
    for (uint64_t i = 0; i < 3; ++i) group.push_back({Pop(), i + 1});
    ASSERT_TRUE(queue_->CompleteAll(group));
    for (uint32_t i = 0; i < 3; ++i) {
      const auto used = ring_->TakeUsed();
      ASSERT_TRUE(used) << "round " << round << ", chain " << i;
      EXPECT_EQ(used->id, ids[i]);
      EXPECT_EQ(used->length, i + 1);
    }
    EXPECT_FALSE(ring_->TakeUsed());
    EXPECT_EQ(queue_->in_flight(), 0);
  }
}

TEST_P(QueueTest, UnpoppedChainIsPoppedAgain) {
  for (int i = 0; i < 20; ++i) {
    const uint16_t id = ring_->Publish({{kBuffers, 16, 0}, {kBuffers, 16, kWrite}});
    const uint16_t next = PublishReadable();
    DescriptorChain first = Pop(), second = Pop();
    queue_->Unpop(std::move(second));
    queue_->Unpop(std::move(first));
    EXPECT_EQ(queue_->in_flight(), 0);
    ASSERT_TRUE(queue_->Complete(Pop(), 0));
    ASSERT_TRUE(queue_->Complete(Pop(), 0));
    ASSERT_EQ(ring_->TakeUsed()->id, id);
    ASSERT_EQ(ring_->TakeUsed()->id, next);
  }
}

TEST_P(QueueTest, IndirectTableIsAChain) {
  const uint64_t table = 0x6000;
  const struct {
    uint64_t address;
    uint32_t length;
    uint16_t low, high;  // split: flags, next; packed: id, flags
  } entries[] = {{kBuffers, 16, uint16_t(packed() ? 0 : 1), uint16_t(packed() ? 0 : 1)},
                 {kBuffers + 0x100, 32, uint16_t(packed() ? 0 : 2), uint16_t(packed() ? 2 : 0)}};
  (void)memory_.Write({table}, std::as_bytes(std::span(entries)));
  const uint16_t id = ring_->Publish({{table, 32, testing::kIndirect}});
  DescriptorChain chain = Pop();
  EXPECT_EQ(chain.readable_bytes(), 16U);
  EXPECT_EQ(chain.writable_bytes(), 32U);
  EXPECT_EQ(chain.descriptors(), 1);
  ASSERT_TRUE(queue_->Complete(std::move(chain), 32));
  EXPECT_EQ(ring_->TakeUsed()->id, id);
}

TEST_P(QueueTest, InterruptComesWhenTheDriverWantsIt) {
  ring_->WantInterrupt(true);
  PublishReadable();
  PublishReadable();
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  EXPECT_EQ(interrupts_, 0);
  queue_->Notify();
  EXPECT_EQ(interrupts_, 1);
  queue_->Notify();
  EXPECT_EQ(interrupts_, 1) << "nothing was completed in between";
  // EVENT_IDX: the driver has not moved its event on, so that the second is not wanted.
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  queue_->Notify();
  EXPECT_EQ(interrupts_, event_idx() ? 1 : 2);
}

TEST_P(QueueTest, InterruptStaysAwayWhenTheDriverWantsNone) {
  ring_->WantInterrupt(false);
  PublishReadable();
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  queue_->Notify();
  EXPECT_EQ(interrupts_, 0);
}

TEST_P(QueueTest, EachOfManyBatchesInterrupts) {
  for (int i = 0; i < 100; ++i) {
    ring_->WantInterrupt(true);
    for (int j = 0; j < 3; ++j) PublishReadable();
    for (int j = 0; j < 3; ++j) ASSERT_TRUE(queue_->Complete(Pop(), 0));
    queue_->Notify();
    ASSERT_EQ(interrupts_, i + 1);
    while (ring_->TakeUsed()) {
    }
  }
}

TEST_P(QueueTest, EmptyPopAsksForAKick) {
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(Empty());
    PublishReadable();
    ASSERT_TRUE(ring_->KickWanted()) << i;
    ASSERT_TRUE(queue_->Complete(Pop(), 0));
    ring_->TakeUsed();
  }
}

TEST_P(QueueTest, NoKickIsWantedAfterDisableKicks) {
  EXPECT_TRUE(Empty());
  PublishReadable();
  ring_->KickWanted();
  queue_->DisableKicks();
  DescriptorChain chain = Pop();
  EXPECT_TRUE(Empty());
  PublishReadable();
  EXPECT_FALSE(ring_->KickWanted());
  EXPECT_TRUE(queue_->EnableKicks()) << "one came in between";
  ASSERT_TRUE(queue_->Complete(std::move(chain), 0));
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  EXPECT_FALSE(queue_->EnableKicks());
  PublishReadable();
  EXPECT_TRUE(ring_->KickWanted());
}

TEST_P(QueueTest, PolledQueueTellsOfRequests) {
  EXPECT_TRUE(Empty());
  queue_->SetPolled(true);
  EXPECT_FALSE(queue_->TakeKick());
  for (int i = 0; i < 50; ++i) {
    PublishReadable();
    EXPECT_TRUE(queue_->TakeKick()) << i;
    EXPECT_FALSE(queue_->TakeKick()) << "once";
    ASSERT_TRUE(queue_->Complete(Pop(), 0));
    EXPECT_TRUE(Empty());
    ring_->TakeUsed();
  }
}

TEST_P(QueueTest, PolledQueueAsksForNoKickWhileSeveralRequestsAreUnderWay) {
  EXPECT_TRUE(Empty());
  queue_->SetPolled(true);
  PublishReadable();
  EXPECT_TRUE(ring_->KickWanted()) << "the first";
  DescriptorChain first = Pop();
  EXPECT_TRUE(Empty());
  PublishReadable();
  EXPECT_TRUE(ring_->KickWanted()) << "one under way";
  DescriptorChain second = Pop();
  EXPECT_TRUE(Empty());
  PublishReadable();
  EXPECT_FALSE(ring_->KickWanted()) << "two under way";
  EXPECT_TRUE(queue_->TakeKick());
  DescriptorChain third = Pop();
  EXPECT_TRUE(Empty());
  queue_->SetPolled(false);
  PublishReadable();
  EXPECT_TRUE(ring_->KickWanted()) << "polled no more";
  EXPECT_TRUE(queue_->TakeKick());
  ASSERT_TRUE(queue_->Complete(std::move(first), 0));
  ASSERT_TRUE(queue_->Complete(std::move(second), 0));
  ASSERT_TRUE(queue_->Complete(std::move(third), 0));
}

TEST_P(QueueTest, PollingThatBeginsWithRequestsUnderWayTakesTheWishBack) {
  PublishReadable();
  PublishReadable();
  ring_->KickWanted();
  DescriptorChain first = Pop();
  DescriptorChain second = Pop();
  EXPECT_TRUE(Empty());
  queue_->SetPolled(true);
  PublishReadable();
  EXPECT_FALSE(ring_->KickWanted());
  ASSERT_TRUE(queue_->Complete(std::move(first), 0));
  ASSERT_TRUE(queue_->Complete(std::move(second), 0));
}

// Buffers for what the device has to say lie there for long; they are no work.
TEST_P(QueueTest, RequestsThatTheDeviceLeavesAreNoKick) {
  PublishReadable();
  EXPECT_FALSE(queue_->TakeKick()) << "the device has not looked yet";
  PublishReadable();
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  EXPECT_FALSE(queue_->TakeKick()) << "one is left";
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  EXPECT_TRUE(Empty());
  queue_->DisableKicks();
  PublishReadable();
  EXPECT_FALSE(queue_->TakeKick()) << "the device wants no kicks";
}

TEST_P(QueueTest, StoppedQueueIsNoKick) {
  EXPECT_TRUE(Empty());
  PublishReadable();
  queue_->Stop(false);
  EXPECT_FALSE(queue_->TakeKick());
}

TEST_P(QueueTest, StoppedQueueGivesNothingAndDropsWhatComesBack) {
  PublishReadable();
  PublishReadable();
  DescriptorChain chain = Pop();
  bool told = false;
  queue_->set_on_stop([&] { told = true; });
  queue_->Stop(true);
  EXPECT_TRUE(told);
  EXPECT_TRUE(Empty());
  ASSERT_TRUE(queue_->Complete(std::move(chain), 0));
  queue_->Notify();
  EXPECT_EQ(interrupts_, 0);
  EXPECT_FALSE(ring_->TakeUsed());
  EXPECT_EQ(queue_->in_flight(), 0);
}

TEST_P(QueueTest, RestartedQueueBeginsAtTheBeginning) {
  PublishReadable();
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  queue_->Stop(false);
  (void)memory_.Fill({0x1000}, 0x4000, std::byte{0});
  ring_ = DriverRing::Create(memory_, PlaceRing(0x1000, 4), packed(), event_idx());
  ASSERT_TRUE(queue_->Restart(Config(4)));
  EXPECT_EQ(queue_->size(), 4);
  const uint16_t id = PublishReadable();
  ASSERT_TRUE(queue_->Complete(Pop(), 0));
  EXPECT_EQ(ring_->TakeUsed()->id, id);
}

TEST_P(QueueTest, CursorsStayGoodWhenTheChainMoves) {
  (void)memory_.Write<uint32_t>({kBuffers}, 0x12345678);
  PublishReadable();
  DescriptorChain chain = Pop();
  Reader reader = chain.reader();
  const DescriptorChain moved = std::move(chain);
  EXPECT_EQ(*reader.Read<uint32_t>(), 0x12345678U);
}

TEST_P(QueueTest, ReaderRefusesMoreThanIsThere) {
  PublishReadable();
  const DescriptorChain chain = Pop();
  Reader reader = chain.reader();
  ASSERT_TRUE(reader.Skip(12));
  EXPECT_FALSE(reader.Read<uint64_t>());
  EXPECT_EQ(reader.remaining(), 4U) << "nothing was read";
  EXPECT_FALSE(reader.Borrow(5));
  EXPECT_EQ(reader.Borrow(4)->bytes(), 4U);
}

TEST_P(QueueTest, SkippedAndBorrowedBytesCountOnlyWhenCommitted) {
  ring_->Publish({{kBuffers, 16, kWrite}});
  const DescriptorChain chain = Pop();
  Writer writer = chain.writer();
  ASSERT_TRUE(writer.Borrow(8));
  ASSERT_TRUE(writer.Skip(4));
  EXPECT_EQ(writer.written(), 0U);
  writer.Commit(8);
  ASSERT_TRUE(writer.Write<uint32_t>(1));
  EXPECT_EQ(writer.written(), 12U);
  EXPECT_FALSE(writer.Write<uint8_t>(1));
}

TEST_P(QueueTest, RamThatIsGoneIsRefusedForLaterRequests) {
  PublishReadable();
  DescriptorChain before = Pop();
  queue_->SetMemory(memory::GuestMemory());
  EXPECT_TRUE(before.reader().Read<uint32_t>()) << "a chain keeps its memory";
  PublishReadable();
  EXPECT_FALSE(queue_->Pop());
}

std::string Name(const ::testing::TestParamInfo<uint64_t>& info) {
  std::string name = info.param & kFeatureRingPacked ? "Packed" : "Split";
  if (info.param & kFeatureEventIdx) name += "EventIdx";
  if (info.param & kFeatureInOrder) name += "InOrder";
  return name;
}

INSTANTIATE_TEST_SUITE_P(Rings, QueueTest,
                         ::testing::Values(0, kFeatureEventIdx, kFeatureInOrder, kFeatureRingPacked,
                                           kFeatureRingPacked | kFeatureEventIdx,
                                           kFeatureRingPacked | kFeatureInOrder),
                         Name);

// What Activate refuses: the ring's own checks.
struct BadRing {
  const char* name;
  bool packed;
  QueueConfig config;
};

class BadRingTest : public ::testing::TestWithParam<BadRing> {};

TEST_P(BadRingTest, IsRefused) {
  memory::RamBlockOptions options;
  options.id = "ram";
  options.size = kMiB;
  auto memory = memory::GuestMemory::Create({{{0}, kMiB, *memory::RamBlock::Create(options), 0}});
  const uint64_t features = GetParam().packed ? kFeatureRingPacked : 0;
  auto queue = VirtQueue::Activate(GetParam().config, features, *memory, [] {});
  ASSERT_FALSE(queue);
  EXPECT_FALSE(queue.error().message.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Rings, BadRingTest,
    ::testing::Values(
        BadRing{"SizeZero", false, {256, 0, true, {0x1000}, {0x2000}, {0x3000}}},
        BadRing{"SizeNotAPowerOfTwo", false, {256, 24, true, {0x1000}, {0x2000}, {0x3000}}},
        BadRing{"SizeAboveTheMaximum", false, {256, 512, true, {0x1000}, {0x4000}, {0x8000}}},
        BadRing{"TableMisaligned", false, {256, 16, true, {0x1008}, {0x2000}, {0x3000}}},
        BadRing{"AvailableMisaligned", false, {256, 16, true, {0x1000}, {0x2001}, {0x3000}}},
        BadRing{"UsedMisaligned", false, {256, 16, true, {0x1000}, {0x2000}, {0x3002}}},
        BadRing{"TableBeyondRam", false, {256, 16, true, {kMiB - 0x80}, {0x2000}, {0x3000}}},
        BadRing{"AvailableBeyondRam", false, {256, 16, true, {0x1000}, {kMiB - 4}, {0x3000}}},
        BadRing{"UsedWraps", false, {256, 16, true, {0x1000}, {0x2000}, {UINT64_MAX - 3}}},
        BadRing{"PackedSizeZero", true, {256, 0, true, {0x1000}, {0x2000}, {0x3000}}},
        BadRing{"PackedSizeAboveTheMaximum", true, {256, 257, true, {0x1000}, {0x8000}, {0x9000}}},
        BadRing{"PackedRingBeyondRam", true, {256, 16, true, {kMiB}, {0x2000}, {0x3000}}},
        BadRing{"PackedEventsMisaligned", true, {256, 16, true, {0x1000}, {0x2002}, {0x3000}}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace davit::virtio
