// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Frontend: status machine, features, configuration space, kicks while stopped, reset with
// requests in flight, reset of one queue, NEEDS_RESET.
#include "vmm/virtio/core/frontend.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vmm/memory/ram_block.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/testing/driver.h"
#include "vmm/virtio/testing/echo_device.h"

namespace davit::virtio {
namespace {

using testing::Driver;
using testing::DriverOptions;
using testing::EchoDevice;
using testing::kFeatureOwn;

class FrontendTest : public ::testing::Test {
 protected:
  Driver& Make(DriverOptions options = {}) {
    driver_.emplace(std::make_unique<EchoDevice>(seen_), options);
    return *driver_;
  }
  static DriverOptions ByHand() {
    DriverOptions options;
    options.start = false;
    return options;
  }
  EchoDevice::Seen seen_;
  std::optional<Driver> driver_;
};

TEST_F(FrontendTest, DriverOkActivatesWithNegotiatedFeatures) {
  Driver& driver = Make();
  EXPECT_EQ(driver.status(),
            kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk | kStatusDriverOk);
  EXPECT_EQ(seen_.activations, 1);
  EXPECT_EQ(seen_.features, driver.features());
  EXPECT_TRUE(driver.features() & kFeatureOwn);
  EXPECT_EQ(seen_.enabled, (std::vector<bool>{true, true}));
}

TEST_F(FrontendTest, OffersWhatItsOptionsSay) {
  DriverOptions options = ByHand();
  EXPECT_EQ(Make(options).frontend().offered_features(), kFeatureOwn | kFeatureVersion1 |
                                                             kFeatureIndirectDesc |
                                                             kFeatureEventIdx | kFeatureRingReset);
  options.frontend = {.indirect_desc = false,
                      .event_idx = false,
                      .packed = true,
                      .in_order = true,
                      .queue_reset = false};
  EXPECT_EQ(Make(options).frontend().offered_features(),
            kFeatureOwn | kFeatureVersion1 | kFeatureRingPacked | kFeatureInOrder);
}

TEST_F(FrontendTest, FeaturesWithoutVersion1AreRefused) {
  DriverOptions options = ByHand();
  options.features = ~kFeatureVersion1;
  Driver& driver = Make(options);
  EXPECT_FALSE(driver.Negotiate());
  EXPECT_EQ(driver.status(), kStatusAcknowledge | kStatusDriver);
}

TEST_F(FrontendTest, FeatureThatWasNotOfferedIsRefused) {
  Frontend& frontend = Make(ByHand()).frontend();
  frontend.SetDriverFeatures(0, 1 << 7);
  frontend.SetDriverFeatures(1, 1);
  frontend.SetStatus(kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk);
  EXPECT_EQ(frontend.status(), kStatusAcknowledge | kStatusDriver);
}

TEST_F(FrontendTest, FeaturesDoNotChangeAfterFeaturesOk) {
  Frontend& frontend = Make().frontend();
  const uint64_t before = frontend.driver_features();
  frontend.SetDriverFeatures(0, 0);
  frontend.SetDriverFeatures(1, 0);
  EXPECT_EQ(frontend.driver_features(), before);
}

TEST_F(FrontendTest, DriverOkWithoutFeaturesOkIsRefused) {
  Driver& driver = Make(ByHand());
  driver.frontend().SetStatus(kStatusAcknowledge | kStatusDriver | kStatusDriverOk);
  EXPECT_EQ(driver.status(), kStatusAcknowledge | kStatusDriver);
  EXPECT_EQ(seen_.activations, 0);
}

TEST_F(FrontendTest, DriverCannotSetNeedsResetNorClearBits) {
  Driver& driver = Make();
  const uint8_t before = driver.status();
  driver.frontend().SetStatus(kStatusNeedsReset | kStatusAcknowledge);
  EXPECT_EQ(driver.status(), before);
  driver.frontend().SetStatus(kStatusFailed);
  EXPECT_EQ(driver.status(), before | kStatusFailed);
}

TEST_F(FrontendTest, QueueLeftDisabledIsNullAtActivation) {
  Driver& driver = Make(ByHand());
  ASSERT_TRUE(driver.Negotiate());
  driver.SetUpQueue(1);
  driver.DriverOk();
  EXPECT_EQ(seen_.enabled, (std::vector<bool>{false, true}));
  driver.frontend().Kick(0);
  EXPECT_FALSE(driver.needs_reset());
}

TEST_F(FrontendTest, BadRingNeedsReset) {
  Driver& driver = Make(ByHand());
  ASSERT_TRUE(driver.Negotiate());
  driver.frontend().ConfigureQueue(0, [](QueueConfig& config) { config.size = 3; });
  driver.frontend().SetQueueReady(0, true);
  driver.DriverOk();
  EXPECT_TRUE(driver.needs_reset());
  EXPECT_EQ(driver.interrupts().config(), 1);
  EXPECT_EQ(seen_.activations, 0);
  driver.Reset();
  EXPECT_EQ(driver.status(), 0);
  EXPECT_TRUE(driver.Start());
  EXPECT_EQ(seen_.activations, 1);
}

TEST_F(FrontendTest, ReadyQueueIsNotReconfigured) {
  Driver& driver = Make();
  const QueueConfig before = driver.frontend().queue(0);
  EXPECT_FALSE(driver.frontend().ConfigureQueue(0, [](QueueConfig& config) { config.size = 1; }));
  EXPECT_EQ(driver.frontend().queue(0).size, before.size);
  EXPECT_FALSE(driver.frontend().ConfigureQueue(9, [](QueueConfig&) {}));
}

TEST_F(FrontendTest, MaximumSizeIsNotTheDriversToChange) {
  Driver& driver = Make(ByHand());
  driver.frontend().ConfigureQueue(0, [](QueueConfig& config) {
    config.max_size = 1024;
    config.ready = true;
  });
  EXPECT_EQ(driver.frontend().queue(0).max_size, 16);
  EXPECT_FALSE(driver.frontend().queue(0).ready);
}

TEST_F(FrontendTest, ConfigSpaceEndsWhereTheDeviceSays) {
  Driver& driver = Make();
  EXPECT_EQ(driver.Config<uint32_t>(4), 0x0605U);
  EXPECT_EQ(driver.Config<uint32_t>(0x1000), 0U);
  driver.SetConfig<uint64_t>(4, 0x1111111111112222);
  EXPECT_EQ(driver.Config<uint64_t>(0), 0x222204030201U);
}

TEST_F(FrontendTest, ConfigChangeBumpsTheGenerationAndInterrupts) {
  Driver& driver = Make();
  const uint8_t before = driver.frontend().config_generation();
  {
    auto lock = driver.frontend().Lock();
    driver.frontend().ConfigChanged();
  }
  EXPECT_NE(driver.frontend().config_generation(), before);
  EXPECT_EQ(driver.interrupts().config(), 1);
}

TEST_F(FrontendTest, RequestIsServedAndInterrupts) {
  Driver& driver = Make();
  driver.queue(1).Add().Readable("hello").Publish();
  driver.queue(1).Kick();
  EXPECT_EQ(driver.queue(1).CollectUsed().size(), 1U);
  EXPECT_EQ(driver.interrupts().queue(1), 1);
  EXPECT_EQ(driver.interrupts().queue(0), 0);
}

TEST_F(FrontendTest, KickOfAQueueThatDoesNotExistIsIgnored) {
  Driver& driver = Make();
  const int before = seen_.handled;
  for (const uint16_t index : {2, 3, 255, 256, 65535}) driver.frontend().Kick(index);
  driver.loop().RunPosted();
  EXPECT_EQ(seen_.handled, before);
}

TEST_F(FrontendTest, DoorbellServesTheQueue) {
  Driver& driver = Make();
  const int fd = *driver.frontend().KickFd(0);
  EXPECT_EQ(*driver.frontend().KickFd(0), fd);
  driver.loop().RunPosted();
  driver.queue(0).Add().Readable("x").Publish();
  const uint64_t one = 1;
  ASSERT_EQ(write(fd, &one, sizeof(one)), 8);
  ASSERT_TRUE(driver.loop().FireReadable(fd));
  EXPECT_EQ(driver.queue(0).CollectUsed().size(), 1U);
  const int handled = seen_.handled;
  driver.loop().FireReadable(fd);
  EXPECT_EQ(seen_.handled, handled) << "the eventfd was read empty";
}

TEST_F(FrontendTest, LoopThatLooksServesRequestsWithoutAKick) {
  Driver& driver = Make();
  driver.loop().RunPosted();
  driver.loop().Spin(true);
  EXPECT_FALSE(driver.loop().Look());
  driver.queue(1).Add().Readable("x").Publish();
  EXPECT_TRUE(driver.loop().Look());
  EXPECT_EQ(driver.queue(1).CollectUsed().size(), 1U);
  EXPECT_EQ(driver.interrupts().queue(1), 1);
  driver.loop().Spin(false);
  EXPECT_FALSE(driver.loop().Look());
}

TEST_F(FrontendTest, RequestSeenWhileStoppedIsServedOnResume) {
  Driver& driver = Make();
  driver.loop().RunPosted();
  driver.loop().Spin(true);
  driver.queue(0).Add().Readable("x").Publish();
  driver.frontend().OnRunning(false);
  EXPECT_FALSE(driver.loop().Look());
  driver.loop().Spin(false);
  driver.loop().RunPosted();
  EXPECT_TRUE(driver.queue(0).CollectUsed().empty());
  driver.frontend().OnRunning(true);
  driver.loop().RunPosted();
  EXPECT_EQ(driver.queue(0).CollectUsed().size(), 1U);
}

TEST_F(FrontendTest, BrokenRingSeenByALookNeedsReset) {
  Driver& driver = Make();
  driver.loop().RunPosted();
  const uint64_t index_at = driver.queue(0).ring().place().driver + 2;
  (void)driver.memory().Write<uint16_t>({index_at}, 1000);
  EXPECT_TRUE(driver.loop().Look());
  EXPECT_TRUE(driver.needs_reset());
  EXPECT_FALSE(driver.loop().Look());
}

TEST_F(FrontendTest, LookAfterAResetFindsNothing) {
  Driver& driver = Make();
  driver.loop().RunPosted();
  driver.Reset();
  EXPECT_FALSE(driver.loop().Look());
}

TEST_F(FrontendTest, KickWhileStoppedIsServedOnResume) {
  Driver& driver = Make();
  driver.frontend().OnRunning(false);
  EXPECT_FALSE(seen_.running);
  EXPECT_EQ(seen_.drains, 1);
  driver.queue(0).Add().Readable("x").Publish();
  driver.queue(0).Kick();
  EXPECT_TRUE(driver.queue(0).CollectUsed().empty());
  driver.frontend().OnRunning(true);
  driver.loop().RunPosted();
  EXPECT_EQ(driver.queue(0).CollectUsed().size(), 1U);
}

TEST_F(FrontendTest, ResetForgetsQueuesAndFeatures) {
  Driver& driver = Make();
  driver.Reset();
  EXPECT_EQ(driver.status(), 0);
  EXPECT_EQ(driver.frontend().driver_features(), 0U);
  EXPECT_FALSE(driver.frontend().queue(0).ready);
  EXPECT_EQ(driver.frontend().queue(0).size, 16);
  EXPECT_EQ(driver.frontend().queue(0).descriptors.value, 0U);
}

TEST_F(FrontendTest, ResetWithRequestsInFlightIsCompleteWhenTheyAre) {
  seen_.hold = seen_.async_reset = true;
  Driver& driver = Make();
  driver.queue(0).Add().Readable("x").Writable(4).Publish();
  driver.queue(0).Kick();
  ASSERT_EQ(seen_.held.size(), 1U);
  driver.frontend().SetStatus(0);
  EXPECT_NE(driver.status(), 0) << "the driver reads until it is 0";
  driver.frontend().SetStatus(kStatusAcknowledge);  // too early: ignored
  EXPECT_FALSE(driver.frontend().ConfigureQueue(0, [](QueueConfig&) {}));
  {
    auto lock = driver.frontend().Lock();
    auto [index, chain] = std::move(seen_.held.front());
    seen_.held.clear();
    ASSERT_TRUE(seen_.queues[index]->Complete(std::move(chain), 4));
    driver.frontend().ResetDone();
  }
  EXPECT_EQ(driver.status(), 0);
  EXPECT_TRUE(driver.queue(0).CollectUsed().empty()) << "dropped";
  EXPECT_EQ(driver.interrupts().queue(0), 0);
}

TEST_F(FrontendTest, QuiesceDrainsWhatIsInFlight) {
  seen_.hold = seen_.async_reset = true;
  Driver& driver = Make();
  driver.queue(0).Add().Readable("x").Publish();
  driver.queue(0).Kick();
  driver.frontend().Quiesce();
  EXPECT_EQ(seen_.drains, 1);
  EXPECT_EQ(driver.status(), 0);
}

TEST_F(FrontendTest, ResetOfOneQueueWaitsForItsRequests) {
  seen_.hold = true;
  Driver& driver = Make();
  driver.queue(0).Add().Readable("x").Publish();
  driver.queue(0).Kick();
  driver.queue(1).Add().Readable("y").Publish();
  driver.queue(1).Kick();
  ASSERT_EQ(seen_.held.size(), 2U);
  driver.frontend().ResetQueue(0);
  EXPECT_TRUE(driver.frontend().queue_resetting(0));
  EXPECT_FALSE(driver.frontend().queue_resetting(1));
  {
    auto lock = driver.frontend().Lock();
    for (auto& [index, chain] : seen_.held) {
      ASSERT_TRUE(seen_.queues[index]->Complete(std::move(chain), 0));
    }
    seen_.held.clear();
  }
  EXPECT_FALSE(driver.frontend().queue_resetting(0));
  EXPECT_FALSE(driver.frontend().queue(0).ready);
  EXPECT_TRUE(driver.queue(0).CollectUsed().empty());
  EXPECT_EQ(driver.queue(1).CollectUsed().size(), 1U);

  seen_.hold = false;
  driver.SetUpQueue(0);
  driver.queue(0).Add().Readable("again").Publish();
  driver.queue(0).Kick();
  EXPECT_EQ(driver.queue(0).CollectUsed().size(), 1U);
  EXPECT_FALSE(driver.needs_reset());
}

TEST_F(FrontendTest, QueueResetWithoutTheFeatureIsIgnored) {
  DriverOptions options;
  options.features = ~kFeatureRingReset;
  Driver& driver = Make(options);
  driver.frontend().ResetQueue(0);
  EXPECT_TRUE(driver.frontend().queue(0).ready);
}

TEST_F(FrontendTest, QueueEnabledAfterDriverOkIsNotServed) {
  Driver& driver = Make(ByHand());
  ASSERT_TRUE(driver.Negotiate());
  driver.SetUpQueue(1);
  driver.DriverOk();
  driver.SetUpQueue(0);
  driver.queue(0).Add().Readable("x").Publish();
  driver.queue(0).Kick();
  EXPECT_TRUE(driver.queue(0).CollectUsed().empty());
}

TEST_F(FrontendTest, BrokenQueueNeedsResetOnceAndIsNotServedAgain) {
  Driver& driver = Make();
  driver.queue(0).Add().Raw(1ULL << 40, 16, 0).Publish();
  driver.queue(0).Kick();
  EXPECT_TRUE(driver.needs_reset());
  EXPECT_EQ(driver.interrupts().config(), 1);
  const int handled = seen_.handled;
  driver.queue(0).Kick();
  driver.queue(1).Kick();
  EXPECT_EQ(seen_.handled, handled);
  EXPECT_EQ(driver.interrupts().config(), 1);
  driver.Reset();
  ASSERT_TRUE(driver.Start());
  driver.queue(0).Add().Readable("good").Publish();
  driver.queue(0).Kick();
  EXPECT_EQ(driver.queue(0).CollectUsed().size(), 1U);
}

TEST_F(FrontendTest, KicksOfAQueueThatTheKernelServesAreLeftInTheEventfd) {
  Driver& driver = Make();
  int fd = -1;
  {
    auto lock = driver.frontend().Lock();
    fd = *seen_.host->TakeKicks(0);
  }
  driver.loop().RunPosted();
  const int handled = seen_.handled;
  driver.queue(0).Kick();
  driver.loop().FireReadable(fd);
  EXPECT_FALSE(driver.loop().FireReadable(fd)) << "not watched any more";
  uint64_t count = 0;
  ASSERT_EQ(read(fd, &count, sizeof(count)), 8);
  EXPECT_EQ(count, 1U);
  EXPECT_EQ(seen_.handled, handled);

  driver.Reset();
  ASSERT_TRUE(driver.Start());
  driver.queue(0).Add().Readable("x").Publish();
  const uint64_t one = 1;
  ASSERT_EQ(write(fd, &one, sizeof(one)), 8);
  ASSERT_TRUE(driver.loop().FireReadable(fd));
  EXPECT_EQ(driver.queue(0).CollectUsed().size(), 1U);
}

TEST_F(FrontendTest, SignalOfTheInterruptFdRaisesTheQueuesInterrupt) {
  Driver& driver = Make();
  int fd = -1;
  {
    auto lock = driver.frontend().Lock();
    fd = *seen_.host->InterruptFd(1);
  }
  driver.loop().RunPosted();
  const uint64_t one = 1;
  ASSERT_EQ(write(fd, &one, sizeof(one)), 8);
  ASSERT_TRUE(driver.loop().FireReadable(fd));
  EXPECT_EQ(driver.interrupts().queue(1), 1);
}

// Its rings were set up while the RAM was there.
TEST_F(FrontendTest, RunningDeviceKeepsNoUnpluggedRam) {
  Driver& driver = Make();
  EXPECT_FALSE(driver.KeepsUnpluggedRam([&driver] {
    driver.Reset();
    ASSERT_TRUE(driver.Start());
    EXPECT_EQ(driver.queue(0).Request(std::vector<uint8_t>{1}, 1)->length, 1U);
  }));
}

TEST_F(FrontendTest, RequestsSeePluggedMemoryAndNotWhatWasUnplugged) {
  Driver& driver = Make();
  constexpr uint64_t kPlugged = 0x100000000;
  memory::RamBlockOptions options;
  options.id = "dimm";
  options.size = 0x1000;
  auto regions = driver.memory().regions();
  regions.push_back({{kPlugged}, options.size, *memory::RamBlock::Create(options), 0});
  const auto plugged = *memory::GuestMemory::Create(std::move(regions));
  ASSERT_TRUE(plugged.Write<uint32_t>({kPlugged}, 0x64636261));
  ASSERT_TRUE(driver.frontend().SetMemory(plugged));
  driver.queue(0).Add().Raw(kPlugged, 4, 0).Writable(4).Publish();
  driver.queue(0).Kick();
  const auto used = driver.queue(0).CollectUsed();
  ASSERT_EQ(used.size(), 1U);
  EXPECT_EQ(used[0].text(), "abcd");

  ASSERT_TRUE(driver.frontend().SetMemory(driver.memory()));
  driver.queue(0).Add().Raw(kPlugged, 4, 0).Writable(4).Publish();
  driver.queue(0).Kick();
  EXPECT_TRUE(driver.needs_reset());
}

TEST_F(FrontendTest, PostedKickAfterTheEndDoesNothing) {
  io::FakeEventLoop loop;
  auto frontend = std::make_unique<Frontend>(std::make_unique<EchoDevice>(seen_), FrontendOptions(),
                                             loop, memory::GuestMemory());
  (void)frontend->KickFd(0);
  frontend->Kick(0);
  frontend->KickLater(1);
  frontend.reset();
  EXPECT_TRUE(loop.RunPosted());
  EXPECT_EQ(seen_.handled, 0);
}

}  // namespace
}  // namespace davit::virtio
