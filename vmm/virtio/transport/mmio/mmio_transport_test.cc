// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The registers of virtio-mmio as a driver sees them, down to a served request.
#include "vmm/virtio/transport/mmio/mmio_transport.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "vmm/base/endian.h"
#include "vmm/base/units.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/testing/echo_device.h"
#include "vmm/virtio/testing/ring.h"

namespace davit::virtio {
namespace {

using testing::kWrite;

constexpr uint64_t kBase = 0xfeb00000;

class RecordingDoorbells final : public bus::DoorbellHost {
 public:
  Status Bind(const bus::Doorbell& doorbell, int event_fd) override {
    if (refuse) return Fail("no room");
    bound[{doorbell.address, *doorbell.value}] = event_fd;
    return {};
  }
  void Unbind(const bus::Doorbell& doorbell, int event_fd) override {
    EXPECT_EQ((bound[{doorbell.address, *doorbell.value}]), event_fd);
    bound.erase({doorbell.address, *doorbell.value});
  }
  std::map<std::pair<uint64_t, uint64_t>, int> bound;
  bool refuse = false;
};

class MmioTest : public ::testing::Test {
 protected:
  MmioTest() {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kMiB;
    memory_ = *memory::GuestMemory::Create({{{0}, kMiB, *memory::RamBlock::Create(options), 0}});
    frontend_ = std::make_unique<Frontend>(std::make_unique<testing::EchoDevice>(seen_),
                                           FrontendOptions{}, loop_, memory_);
    transport_ = std::make_unique<MmioTransport>(kBase, line_);
  }
  ~MmioTest() override {
    transport_.reset();
    frontend_->Quiesce();
  }
  void Plug() { transport_->Plug(*frontend_, &doorbells_); }

  uint32_t Get(uint64_t offset) {
    uint8_t data[4];
    transport_->Read(offset, data);
    return static_cast<uint32_t>(LoadLe(data, 4));
  }
  void Set(uint64_t offset, uint32_t value) {
    uint8_t data[4];
    StoreLe(data, 4, value);
    transport_->Write(offset, data);
  }
  uint64_t GetSized(uint64_t offset, size_t size) {
    uint8_t data[8] = {};
    transport_->Read(offset, std::span(data).first(size));
    return LoadLe(data, size);
  }
  void Negotiate() {
    Set(0x070, 0);
    Set(0x070, 1);
    Set(0x070, 3);
    Set(0x024, 0);
    Set(0x020, 0);
    Set(0x024, 1);
    Set(0x020, (kFeatureVersion1 | kFeatureRingReset) >> 32);
    Set(0x070, 11);
  }
  void SetUpQueue(uint32_t index, uint64_t base = 0x1000) {
    const testing::RingPlace place = testing::PlaceRing(base, 8);
    (void)memory_.Fill({base}, testing::RingBytes(8), std::byte{0});
    Set(0x030, index);
    Set(0x038, 8);
    Set(0x080, static_cast<uint32_t>(place.descriptors));
    Set(0x084, 0);
    Set(0x090, static_cast<uint32_t>(place.driver));
    Set(0x094, 0);
    Set(0x0a0, static_cast<uint32_t>(place.device));
    Set(0x0a4, 0);
    Set(0x044, 1);
    ring_ = testing::DriverRing::Create(memory_, place, false, false);
  }
  void Start() {
    Plug();
    Negotiate();
    SetUpQueue(0);
    Set(0x070, 15);
    loop_.RunPosted();
  }
  void Request() {
    ring_->Publish({{0x8000, 4, 0}, {0x9000, 4, kWrite}});
    Set(0x050, 0);
    loop_.RunPosted();
  }

  testing::EchoDevice::Seen seen_;
  memory::GuestMemory memory_;
  io::FakeEventLoop loop_;
  irq::RecordingIrqLine line_;
  RecordingDoorbells doorbells_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<MmioTransport> transport_;
  std::unique_ptr<testing::DriverRing> ring_;
};

TEST_F(MmioTest, EmptyWindowHasDeviceIdZero) {
  EXPECT_EQ(Get(0x000), 0x74726976U);
  EXPECT_EQ(Get(0x004), 2U);
  EXPECT_EQ(Get(0x008), 0U);
  EXPECT_EQ(Get(0x00c), 0x554d4551U);
  EXPECT_EQ(Get(0x034), 0U);
  EXPECT_EQ(Get(0x100), 0U);
  Set(0x070, 1);
  EXPECT_EQ(Get(0x070), 0U);
}

TEST_F(MmioTest, IdentifiesTheDevice) {
  Plug();
  EXPECT_EQ(Get(0x008), 42U);
  EXPECT_EQ(Get(0x0b0), UINT32_MAX);
  EXPECT_EQ(Get(0x0bc), UINT32_MAX);
  EXPECT_EQ(Get(0x010), static_cast<uint32_t>(frontend_->offered_features()));
  Set(0x014, 1);
  EXPECT_EQ(Get(0x010), frontend_->offered_features() >> 32);
}

TEST_F(MmioTest, QueueThatDoesNotExistHasSizeZero) {
  Plug();
  EXPECT_EQ(Get(0x034), 16U);
  Set(0x030, 1);
  EXPECT_EQ(Get(0x034), 32U);
  Set(0x030, 2);
  EXPECT_EQ(Get(0x034), 0U);
  Set(0x030, 0xffffffff);  // no selector at all: the old one stays
  Set(0x030, 1);
  EXPECT_EQ(Get(0x034), 32U);
}

TEST_F(MmioTest, RegistersTakeFourBytesOnly) {
  Plug();
  EXPECT_EQ(GetSized(0x000, 1), 0U);
  EXPECT_EQ(GetSized(0x000, 2), 0U);
  EXPECT_EQ(GetSized(0x002, 4), 0U);
  EXPECT_EQ(GetSized(0x000, 8), 0x0000000274726976U);
  const uint8_t one = 1;
  transport_->Write(0x070, std::span(&one, 1));
  EXPECT_EQ(Get(0x070), 0U);
}

TEST_F(MmioTest, ConfigSpaceTakesAnyWidthInside) {
  Plug();
  EXPECT_EQ(GetSized(0x101, 1), 2U);
  EXPECT_EQ(GetSized(0x102, 2), 0x0403U);
  EXPECT_EQ(GetSized(0x100, 4), 0x04030201U);
  EXPECT_EQ(GetSized(0x104, 4), UINT32_MAX);
  EXPECT_EQ(GetSized(0x1f8, 8), UINT64_MAX);
  const uint8_t value = 9;
  transport_->Write(0x105, std::span(&value, 1));
  EXPECT_EQ(GetSized(0x105, 1), 9U);
}

TEST_F(MmioTest, RequestIsServedAndTheLineRises) {
  Start();
  ASSERT_EQ(Get(0x070), 15U);
  (void)memory_.Write<uint32_t>({0x8000}, 0x12345678);
  Request();
  EXPECT_EQ(*memory_.Read<uint32_t>({0x9000}), 0x12345678U);
  EXPECT_EQ(ring_->TakeUsed()->length, 4U);
  EXPECT_TRUE(line_.level());
  EXPECT_EQ(Get(0x060), 1U);
  Set(0x064, 2);
  EXPECT_TRUE(line_.level());
  Set(0x064, 1);
  EXPECT_FALSE(line_.level());
  EXPECT_EQ(Get(0x060), 0U);
}

TEST_F(MmioTest, ConfigChangeIsSeenInStatusAndGeneration) {
  Start();
  const uint32_t before = Get(0x0fc);
  {
    auto lock = frontend_->Lock();
    frontend_->ConfigChanged();
  }
  EXPECT_NE(Get(0x0fc), before);
  EXPECT_EQ(Get(0x060) & 2, 2U);
  EXPECT_TRUE(line_.level());
}

TEST_F(MmioTest, ResetLowersTheLineAndForgetsSelectors) {
  Start();
  Request();
  ASSERT_TRUE(line_.level());
  Set(0x030, 1);
  Set(0x070, 0);
  EXPECT_FALSE(line_.level());
  EXPECT_EQ(Get(0x060), 0U);
  EXPECT_EQ(Get(0x034), 16U);
  EXPECT_EQ(Get(0x044), 0U);
}

TEST_F(MmioTest, ReadyQueueKeepsItsRegisters) {
  Start();
  Set(0x038, 16);
  Set(0x080, 0xdeadb000);
  Set(0x0a4, 0xffffffff);
  EXPECT_EQ(frontend_->queue(0).size, 8);
  EXPECT_EQ(frontend_->queue(0).descriptors.value, 0x1000U);
  EXPECT_EQ(frontend_->queue(0).device.value >> 32, 0U);
  Request();
  EXPECT_TRUE(ring_->TakeUsed());
}

TEST_F(MmioTest, SizeOfMoreThan16BitsIsNotCutToAGoodOne) {
  Plug();
  Negotiate();
  SetUpQueue(0);
  Set(0x044, 0);
  Set(0x038, 0x10008);
  Set(0x044, 1);
  Set(0x070, 15);
  EXPECT_TRUE(Get(0x070) & kStatusNeedsReset);
}

TEST_F(MmioTest, DisabledQueueIsNotServed) {
  Start();
  Set(0x044, 0);
  EXPECT_EQ(Get(0x044), 0U);
  Request();
  EXPECT_FALSE(ring_->TakeUsed());
}

TEST_F(MmioTest, QueueResetIsCompleteAndTheQueueServesAgain) {
  Start();
  Set(0x0c0, 1);
  EXPECT_EQ(Get(0x0c0), 0U);
  EXPECT_EQ(Get(0x044), 0U);
  SetUpQueue(0, 0x4000);
  Request();
  EXPECT_TRUE(ring_->TakeUsed());
}

TEST_F(MmioTest, NotifyOfAnyValueIsHarmless) {
  Start();
  for (const uint32_t value : {1U, 2U, 1023U, 1024U, 65536U, 65537U, 0xffffffffU}) {
    Set(0x050, value);
    loop_.RunPosted();
  }
  EXPECT_EQ(Get(0x070), 15U);
}

TEST_F(MmioTest, DoorbellsAreBoundForEachQueueAndGivenBack) {
  Plug();
  ASSERT_EQ(doorbells_.bound.size(), 2U);
  EXPECT_TRUE(doorbells_.bound.contains({kBase + 0x50, 0}));
  EXPECT_TRUE(doorbells_.bound.contains({kBase + 0x50, 1}));
  transport_.reset();
  EXPECT_TRUE(doorbells_.bound.empty());
}

TEST_F(MmioTest, NotifyRegisterServesWhereDoorbellsAreRefused) {
  doorbells_.refuse = true;
  Start();
  Request();
  EXPECT_TRUE(ring_->TakeUsed());
}

}  // namespace
}  // namespace davit::virtio
