// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory device: requests and their answers (virtio 1.2, 5.15.6), what the host's memory does
// meanwhile, and what resets leave.
#include "vmm/virtio/mem/mem.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vmm/base/units.h"
#include "vmm/virtio/mem/wire.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kBase = testing::kWindow;
constexpr uint64_t kBlock = 2 * kMiB;
constexpr uint64_t kRegion = 1024 * kMiB;

using testing::Driver;

class MemTest : public ::testing::Test {
 protected:
  MemTest() {
    config_.address = kBase;
    config_.region_size = kRegion;
    config_.block_size = kBlock;
    config_.requested_size = 8 * kBlock;
    config_.on_change = [this](uint64_t size) { sizes_.push_back(size); };
  }
  void Make(uint64_t features = ~uint64_t{0}) {
    auto device = std::make_unique<Mem>(config_);
    mem_ = device.get();
    driver_ = std::make_unique<Driver>(
        std::move(device),
        testing::DriverOptions{.window = kRegion, .features = features, .start = false});
    started_ = driver_->Start();
  }
  std::pair<int, int> Ask(uint16_t type, uint64_t address = 0, uint16_t blocks = 0) {
    mem::Request request{};
    request.type = type;
    request.addr = address;
    request.nb_blocks = blocks;
    const auto used = driver_->queue(0).Request(
        std::span(reinterpret_cast<const uint8_t*>(&request), sizeof(request)),
        sizeof(mem::Response));
    if (!used || used->length != sizeof(mem::Response)) return {-1, -1};
    mem::Response response;
    std::memcpy(&response, used->bytes.data(), sizeof(response));
    return {response.type, response.state};
  }
  int Plug(uint64_t address, uint16_t blocks) { return Ask(mem::kPlug, address, blocks).first; }
  int Unplug(uint64_t address, uint16_t blocks) { return Ask(mem::kUnplug, address, blocks).first; }
  int State(uint64_t address, uint16_t blocks) {
    const auto [type, state] = Ask(mem::kState, address, blocks);
    return type == mem::kAck ? state : -1;
  }
  mem::Config Config() { return driver_->Config<mem::Config>(0); }
  // Of the block at this address, how many pages the host holds.
  uint64_t Resident(uint64_t address) const { return driver_->HostPages(address, kBlock); }
  const memory::GuestMemory& memory() const { return driver_->memory(); }

  MemConfig config_;
  Mem* mem_ = nullptr;
  bool started_ = false;
  std::unique_ptr<Driver> driver_;
  std::vector<uint64_t> sizes_;  // that on_change told
};

TEST_F(MemTest, ConfigurationSaysWhatIsAskedFor) {
  config_.node = 3;
  Make();
  mem::Config config = Config();
  EXPECT_EQ(config.block_size, kBlock);
  EXPECT_EQ(config.node_id, 3);
  EXPECT_EQ(config.addr, kBase);
  EXPECT_EQ(config.region_size, kRegion);
  EXPECT_EQ(config.usable_region_size, 8 * kBlock + 256 * kMiB);
  EXPECT_EQ(config.plugged_size, 0U);
  EXPECT_EQ(config.requested_size, 8 * kBlock);
  driver_->SetConfig<uint64_t>(48, 1);
  EXPECT_EQ(Config().requested_size, 8 * kBlock) << "the driver cannot write it";
}

TEST_F(MemTest, BlocksArePluggedAndUnplugged) {
  Make();
  EXPECT_EQ(Plug(kBase, 2), mem::kAck);
  EXPECT_EQ(Plug(kBase + 4 * kBlock, 1), mem::kAck);
  EXPECT_EQ(Config().plugged_size, 3 * kBlock);
  EXPECT_EQ(State(kBase, 2), mem::kPlugged);
  EXPECT_EQ(State(kBase + 2 * kBlock, 2), mem::kUnplugged);
  EXPECT_EQ(State(kBase, 3), mem::kMixed);
  EXPECT_EQ(Unplug(kBase, 1), mem::kAck);
  EXPECT_EQ(State(kBase, 1), mem::kUnplugged);
  EXPECT_EQ(mem_->plugged_size(), 2 * kBlock);
  EXPECT_EQ(sizes_, (std::vector<uint64_t>{2 * kBlock, 3 * kBlock, 2 * kBlock}));
}

TEST_F(MemTest, LargeRequestsLetOthersHaveTheirTurn) {
  constexpr uint16_t kBlocks = 64;
  config_.requested_size = kBlocks * kBlock;
  Make();
  for (int i = 0; i < 20; ++i) {
    mem::Request request{};
    request.type = i % 2 == 0 ? mem::kPlug : mem::kUnplug;
    request.addr = kBase;
    request.nb_blocks = kBlocks;
    driver_->queue(0).Add().Readable(request).Writable(sizeof(mem::Response)).Publish();
  }
  size_t between = 0;
  driver_->loop().Post([&] { between = sizes_.size(); });
  driver_->queue(0).Kick();
  EXPECT_EQ(between, 4U) << "256 MiB were given back";
  EXPECT_EQ(sizes_.size(), 20U);
  EXPECT_EQ(driver_->queue(0).CollectUsed().size(), 20U);
}

TEST_F(MemTest, UnpluggedMemoryGoesBackToTheHost) {
  Make();
  ASSERT_EQ(Plug(kBase, 2), mem::kAck);
  ASSERT_TRUE(memory().Fill({kBase}, 2 * kBlock, std::byte{0x5a}));
  ASSERT_EQ(Unplug(kBase, 1), mem::kAck);
  EXPECT_EQ(Resident(kBase), 0U);
  EXPECT_EQ(*memory().Read<uint8_t>({kBase}), 0);
  EXPECT_EQ(*memory().Read<uint8_t>({kBase + kBlock}), 0x5a);
}

TEST_F(MemTest, NoMoreIsPluggedThanIsAskedFor) {
  Make();
  EXPECT_EQ(Plug(kBase, 9), mem::kNack);
  EXPECT_EQ(Plug(kBase, 8), mem::kAck);
  EXPECT_EQ(Plug(kBase + 8 * kBlock, 1), mem::kNack);
  ASSERT_TRUE(mem_->SetRequestedSize(4 * kBlock));
  EXPECT_EQ(Plug(kBase + 8 * kBlock, 1), mem::kNack) << "more than is asked for is there";
  EXPECT_EQ(sizes_.size(), 1U);
}

TEST_F(MemTest, NonsenseOfTheDriverIsAnError) {
  Make();
  ASSERT_EQ(Plug(kBase, 2), mem::kAck);
  const uint64_t usable = Config().usable_region_size;
  EXPECT_EQ(Plug(kBase + 1, 1), mem::kError) << "not a block's address";
  EXPECT_EQ(Plug(kBase + 2 * kBlock, 0), mem::kError) << "no block";
  EXPECT_EQ(Plug(kBase - kBlock, 1), mem::kError) << "before the region";
  EXPECT_EQ(Plug(kBase + usable, 1), mem::kError) << "behind what is usable";
  EXPECT_EQ(Plug(kBase + usable - kBlock, 2), mem::kError) << "across its end";
  EXPECT_EQ(Plug(UINT64_MAX - kBlock + 1, 65535), mem::kError) << "wraps";
  EXPECT_EQ(Plug(kBase + kBlock, 2), mem::kError) << "one is plugged";
  EXPECT_EQ(Unplug(kBase + kBlock, 2), mem::kError) << "one is not";
  EXPECT_EQ(State(kBase + usable, 1), -1);
  EXPECT_EQ(mem_->plugged_size(), 2 * kBlock);
}

TEST_F(MemTest, MalformedRequestsNeedAReset) {
  for (const auto& [readable, writable] : {std::pair(23U, 10U), {24U, 9U}}) {
    Make();
    driver_->queue(0).Add().Readable(std::string(readable, '\0')).Writable(writable).Publish();
    driver_->queue(0).Kick();
    EXPECT_TRUE(driver_->needs_reset()) << readable << " " << writable;
  }
  Make();
  EXPECT_EQ(Ask(4).first, -1);
  EXPECT_TRUE(driver_->needs_reset()) << "no such request";
}

TEST_F(MemTest, RequestedSizeIsAnnouncedAndChecked) {
  Make();
  const int before = driver_->interrupts().config();
  ASSERT_TRUE(mem_->SetRequestedSize(300 * kMiB));
  EXPECT_EQ(driver_->interrupts().config(), before + 1);
  EXPECT_EQ(Config().requested_size, 300 * kMiB);
  EXPECT_EQ(Config().usable_region_size, 556 * kMiB);
  ASSERT_TRUE(mem_->SetRequestedSize(300 * kMiB));
  EXPECT_EQ(driver_->interrupts().config(), before + 1) << "nothing changed";
  EXPECT_EQ(mem_->SetRequestedSize(4096).error().message,
            "'requested-size' has to be multiples of 'block-size' (0x200000)");
  EXPECT_EQ(mem_->SetRequestedSize(kRegion + kBlock).error().message,
            "'requested-size' cannot exceed the memory backend size(0x40000000)");
  EXPECT_EQ(mem_->requested_size(), 300 * kMiB);
}

TEST_F(MemTest, UsableRegionShrinksOnlyWhenNothingIsPlugged) {
  Make();
  ASSERT_TRUE(mem_->SetRequestedSize(kRegion));
  EXPECT_EQ(Config().usable_region_size, kRegion);
  ASSERT_EQ(Plug(kBase + kRegion - kBlock, 1), mem::kAck);
  ASSERT_TRUE(mem_->SetRequestedSize(0));
  EXPECT_EQ(Config().usable_region_size, kRegion);
  EXPECT_EQ(Ask(mem::kUnplugAll).first, mem::kAck);
  EXPECT_EQ(Config().usable_region_size, 0U);
  EXPECT_EQ(Config().plugged_size, 0U);
}

TEST_F(MemTest, ResetOfTheDeviceKeepsMemoryAndOneOfTheMachineDoesNot) {
  Make();
  ASSERT_EQ(Plug(kBase, 2), mem::kAck);
  ASSERT_TRUE(memory().Fill({kBase}, kBlock, std::byte{1}));
  driver_->Reset();
  ASSERT_TRUE(driver_->Start());
  EXPECT_EQ(Config().plugged_size, 2 * kBlock);
  EXPECT_EQ(State(kBase, 2), mem::kPlugged);
  // What the driver touched without having plugged it goes as well.
  ASSERT_TRUE(memory().Fill({kBase + 10 * kBlock}, kBlock, std::byte{1}));
  driver_->frontend().Quiesce();
  mem_->OnMachineReset();
  EXPECT_EQ(Resident(kBase), 0U);
  EXPECT_EQ(Resident(kBase + 10 * kBlock), 0U);
  EXPECT_EQ(Config().plugged_size, 0U);
  EXPECT_EQ(Config().requested_size, 8 * kBlock);
  EXPECT_EQ(sizes_.back(), 0U);
}

TEST_F(MemTest, PreallocatedBlocksHaveTheirMemoryAtOnce) {
  config_.prealloc = true;
  Make();
  ASSERT_EQ(Plug(kBase + kBlock, 1), mem::kAck);
  EXPECT_EQ(Resident(kBase + kBlock), kBlock / kPageSize);
  EXPECT_EQ(Resident(kBase), 0U);
}

TEST_F(MemTest, WhatTheHostCannotGiveOrTakeIsBusy) {
  config_.prealloc = true;
  Make();
  ASSERT_EQ(Plug(kBase, 1), mem::kAck);
  // The region is gone from under the device.
  auto regions = memory().regions();
  regions.pop_back();
  ASSERT_TRUE(driver_->frontend().SetMemory(*memory::GuestMemory::Create(std::move(regions))));
  EXPECT_EQ(Plug(kBase + kBlock, 1), mem::kBusy);
  EXPECT_EQ(Unplug(kBase, 1), mem::kBusy);
  EXPECT_EQ(Ask(mem::kUnplugAll).first, mem::kBusy);
  EXPECT_EQ(mem_->plugged_size(), kBlock);
}

TEST_F(MemTest, DriverThatMustNotTouchUnpluggedMemoryHasToKnow) {
  config_.unplugged_inaccessible = true;
  Make();
  EXPECT_TRUE(started_);
  Make(~mem::kUnpluggedInaccessible);
  EXPECT_FALSE(started_);
}

}  // namespace
}  // namespace davit::virtio
