// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Rings on the fake kernel: what it is told of a device's queues, and when.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "vmm/memory/ram_block.h"
#include "vmm/virtio/testing/driver.h"
#include "vmm/virtio/vhost/fake.h"
#include "vmm/virtio/vhost/rings.h"

namespace davit::virtio::vhost {
namespace {

constexpr uint64_t kKernelFeatures = kFeatureVersion1 | kFeatureEventIdx | Bit(3);

// Queues 1 and 2 are the kernel's, queue 0 is not.
class OffloadedDevice final : public VirtioDevice {
 public:
  explicit OffloadedDevice(std::unique_ptr<Rings> rings) : rings_(std::move(rings)) {
    traits_.name = "offloaded";
    traits_.features = Bit(3) | Bit(4);
    traits_.queue_sizes = {16, 32, 64};
    traits_.withheld = rings_->withheld();
  }
  Rings& rings() { return *rings_; }

  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t, std::span<uint8_t>) override {}
  void WriteConfig(uint32_t, std::span<const uint8_t>) override {}
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override {
    DAVIT_TRY(rings_->Attach(host(), features, 1, queues.subspan(1)));
    return rings_->Start();
  }
  void HandleQueue(uint16_t index) override { handled_.push_back(index); }
  Status OnMemory() override { return rings_->FollowMemory(); }
  bool Reset() override {
    rings_->Stop();
    rings_->Detach();
    return true;
  }
  std::vector<uint16_t> handled_;

 private:
  const std::unique_ptr<Rings> rings_;
  DeviceTraits traits_;
};

class VhostTest : public ::testing::Test {
 protected:
  VhostTest() { state_.features = kKernelFeatures; }
  testing::Driver& Make(bool start = true) {
    auto rings = Rings::Create(std::make_unique<FakeKernel>(state_));
    EXPECT_TRUE(rings);
    auto device = std::make_unique<OffloadedDevice>(std::move(*rings));
    device_ = device.get();
    testing::DriverOptions options;
    options.start = start;
    options.frontend.packed = true;
    driver_ = std::make_unique<testing::Driver>(std::move(device), options);
    return *driver_;
  }
  uint64_t HostAddress(uint64_t guest) {
    for (const memory::Region& region : driver_->memory().regions()) {
      if (guest - region.base.value < region.size) {
        return region.block->host_address() + region.block_offset + guest - region.base.value;
      }
    }
    return 0;
  }
  static uint64_t CountOf(int eventfd) {
    uint64_t count = 0;
    return read(eventfd, &count, sizeof(count)) == sizeof(count) ? count : 0;
  }

  FakeState state_;
  OffloadedDevice* device_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
};

TEST_F(VhostTest, FaultsOfTheDescriptorAreNamed) {
  for (const char* call : {"SetOwner", "Features"}) {
    state_.fails = call;
    const auto rings = Rings::Create(std::make_unique<FakeKernel>(state_));
    ASSERT_FALSE(rings);
    EXPECT_EQ(rings.error().message, std::string(call) + " failed: no");
  }
  // The real kernel's, of a descriptor that is no vhost.
  auto real = Rings::Create(MakeKernel(UniqueFd(dup(STDIN_FILENO))));
  ASSERT_FALSE(real);
  EXPECT_EQ(real.error().message.find("vhost_set_owner failed: "), 0U) << real.error().message;
  EXPECT_EQ(OpenDevice("/dev/no-such").error().message, "No such file or directory");
}

TEST_F(VhostTest, RingFeaturesThatTheKernelLacksAreNotOffered) {
  testing::Driver& driver = Make();
  EXPECT_EQ(driver.frontend().offered_features(), kKernelFeatures | Bit(4));
  // And what it has nothing to do with is not told it.
  EXPECT_EQ(state_.features_set, kKernelFeatures);
}

TEST_F(VhostTest, TheKernelHearsOfMemoryAndRings) {
  testing::Driver& driver = Make();
  ASSERT_EQ(driver.status() & kStatusNeedsReset, 0);
  ASSERT_EQ(state_.memory.size(), driver.memory().regions().size());
  uint64_t total = 0;
  for (const MemoryRange& range : state_.memory) {
    EXPECT_EQ(range.host, HostAddress(range.guest));
    total += range.size;
  }
  EXPECT_EQ(total, driver.memory().total_bytes());
  ASSERT_EQ(state_.rings.size(), 2U);
  for (uint16_t i = 0; i < 2; ++i) {
    const RingSetup& ring = state_.rings[i];
    const QueueConfig queue = driver.frontend().queue(static_cast<uint16_t>(1 + i));
    EXPECT_EQ(ring.size, queue.size);
    EXPECT_EQ(ring.base, 0);
    EXPECT_EQ(ring.descriptors, HostAddress(queue.descriptors.value));
    EXPECT_EQ(ring.available, HostAddress(queue.driver.value));
    EXPECT_EQ(ring.used, HostAddress(queue.device.value));
  }
}

TEST_F(VhostTest, KicksAreTheKernelsAndItsCallsInterrupt) {
  testing::Driver& driver = Make();
  driver.loop().RunPosted();
  const RingSetup ring = state_.rings[1];
  CountOf(ring.kick);
  device_->handled_.clear();
  driver.queue(2).Add().Readable("x").Publish();
  driver.queue(2).Kick();
  EXPECT_EQ(CountOf(ring.kick), 1U);
  EXPECT_TRUE(device_->handled_.empty());
  driver.queue(0).Kick();
  EXPECT_EQ(device_->handled_, std::vector<uint16_t>{0});
  const uint64_t one = 1;
  ASSERT_EQ(write(ring.call, &one, sizeof(one)), 8);
  ASSERT_TRUE(driver.loop().FireReadable(ring.call));
  EXPECT_EQ(driver.interrupts().queue(2), 1);
}

TEST_F(VhostTest, AStopKeepsThePlaceAndAResetForgetsIt) {
  testing::Driver& driver = Make();
  state_.bases = {{0, 7}, {1, 65535}};
  device_->rings().Stop();
  EXPECT_TRUE(state_.rings.empty());
  ASSERT_TRUE(device_->rings().Start());
  EXPECT_EQ(state_.rings[0].base, 7);
  EXPECT_EQ(state_.rings[1].base, 65535);
  driver.Reset();
  EXPECT_TRUE(state_.rings.empty());
  EXPECT_FALSE(device_->rings().attached());
  ASSERT_TRUE(driver.Start());
  EXPECT_EQ(state_.rings[0].base, 0);
  EXPECT_EQ(state_.rings[1].base, 0);
}

TEST_F(VhostTest, AQueueThatIsDisabledIsNotTheKernels) {
  testing::Driver& driver = Make(false);
  ASSERT_TRUE(driver.Negotiate());
  driver.SetUpQueue(2);
  driver.DriverOk();
  ASSERT_EQ(state_.rings.size(), 1U);
  EXPECT_EQ(state_.rings.begin()->first, 1U);
  EXPECT_EQ(state_.rings.begin()->second.size, 64);
}

TEST_F(VhostTest, WhatTheKernelRefusesNeedsAResetAndLeavesNoRing) {
  for (const char* call : {"SetFeatures", "SetMemory", "SetRing0", "SetRing1"}) {
    state_.fails = call;
    testing::Driver& driver = Make();
    EXPECT_TRUE(driver.needs_reset()) << call;
    EXPECT_TRUE(state_.rings.empty()) << call;
    state_.fails = "";
    driver.Reset();
    ASSERT_TRUE(driver.Start());
    EXPECT_FALSE(driver.needs_reset()) << call;
    EXPECT_EQ(state_.rings.size(), 2U);
  }
}

memory::GuestMemory WithMore(const memory::GuestMemory& memory) {
  memory::RamBlockOptions options;
  options.id = "more";
  options.size = 0x200000;
  std::vector<memory::Region> regions = memory.regions();
  regions.push_back({{0x100000000}, options.size, *memory::RamBlock::Create(options), 0});
  return *memory::GuestMemory::Create(std::move(regions));
}

TEST_F(VhostTest, PluggedMemoryReachesTheKernelWhileItServes) {
  testing::Driver& driver = Make();
  const memory::GuestMemory old = driver.memory();
  const size_t before = state_.memory.size();
  ASSERT_TRUE(driver.frontend().SetMemory(WithMore(old)));
  ASSERT_EQ(state_.memory.size(), before + 1);
  EXPECT_EQ(state_.memory.back().guest, 0x100000000U);
  EXPECT_EQ(state_.rings.size(), 2U);
  ASSERT_TRUE(driver.frontend().SetMemory(old));
  EXPECT_EQ(state_.memory.size(), before);
}

TEST_F(VhostTest, MemoryThatTheKernelRefusesIsNobodys) {
  testing::Driver& driver = Make();
  const memory::GuestMemory old = driver.memory();
  const size_t before = state_.memory.size();
  state_.fails_once = "SetMemory";
  const Status followed = driver.frontend().SetMemory(WithMore(old));
  ASSERT_FALSE(followed);
  EXPECT_EQ(followed.error().message, "SetMemory failed: no");
  EXPECT_EQ(state_.memory.size(), before);
  EXPECT_FALSE(driver.needs_reset());
  const auto lock = driver.frontend().Lock();
  EXPECT_EQ(driver.frontend().memory().total_bytes(), old.total_bytes());
}

TEST_F(VhostTest, RingsThatStandStillHearOfMemoryWhenTheyStart) {
  testing::Driver& driver = Make();
  device_->rings().Stop();
  const size_t before = state_.memory.size();
  ASSERT_TRUE(driver.frontend().SetMemory(WithMore(driver.memory())));
  EXPECT_EQ(state_.memory.size(), before);
  ASSERT_TRUE(device_->rings().Start());
  EXPECT_EQ(state_.memory.size(), before + 1);
}

// The driver's RAM is two blocks that touch; the core takes a ring across both, the kernel cannot.
TEST_F(VhostTest, ARingAcrossTwoBlocksNeedsAReset) {
  testing::Driver& driver = Make(false);
  const uint64_t edge = driver.memory().regions()[1].base.value;
  ASSERT_TRUE(driver.Negotiate());
  ASSERT_TRUE(driver.frontend().ConfigureQueue(1, [edge](QueueConfig& queue) {
    queue.descriptors = {edge - 256};
    queue.driver = {edge - 4096};
    queue.device = {edge + 4096};
  }));
  driver.frontend().SetQueueReady(1, true);
  driver.DriverOk();
  EXPECT_TRUE(driver.needs_reset());
  EXPECT_TRUE(state_.rings.empty());
}

TEST_F(VhostTest, TheDevicesEndTakesTheRingsBack) {
  Make();
  ASSERT_EQ(state_.rings.size(), 2U);
  driver_->frontend().Quiesce();
  driver_.reset();
  EXPECT_TRUE(state_.rings.empty());
}

}  // namespace
}  // namespace davit::virtio::vhost
