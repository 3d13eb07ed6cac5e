// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A card on fake kernels: when they have the rings of a pair and when not, and what they are told.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vmm/virtio/net/net.h"
#include "vmm/virtio/testing/driver.h"
#include "vmm/virtio/vhost/fake.h"

namespace davit::virtio {
namespace {

using testing::Driver;
using testing::DriverOptions;

constexpr uint64_t kRingFeatures = kFeatureVersion1 | kFeatureIndirectDesc | kFeatureEventIdx;
constexpr uint64_t kKernelHeader = uint64_t{1} << 27;  // VHOST_NET_F_VIRTIO_NET_HDR
constexpr uint16_t kTx = 1, kControl = 4;

// A tap of two queues with the descriptors 100 and 101.
class FakeTap final : public backend::NetBackend {
 public:
  const std::string& id() const override { return id_; }
  const char* type() const override { return "tap"; }
  std::string info() const override { return ""; }
  unsigned queues() const override { return 2; }
  Status Attach(backend::NetClient*, io::EventLoop&) override { return {}; }
  bool has_vnet_header() const override { return headers; }
  int kernel_queue(unsigned queue) const override { return 100 + static_cast<int>(queue); }
  backend::SendResult Send(unsigned, std::span<const iovec>) override {
    ++sent;
    return backend::SendResult::kSent;
  }
  size_t Receive(unsigned, std::span<const iovec>) override { return 0; }
  void StopReceiving(unsigned) override { receiving = false; }
  void StartReceiving(unsigned) override { receiving = true; }

  bool headers = true, receiving = false;
  int sent = 0;

 private:
  const std::string id_ = "tap";
};

class NetVhostTest : public ::testing::Test {
 protected:
  NetVhostTest() {
    for (vhost::FakeState& kernel : kernels_) {
      kernel.features = kRingFeatures | net::kMrgRxbuf | kKernelHeader;
    }
  }
  void Make(bool start = true) {
    NetConfig config;
    config.queue_pairs = 2;
    config.mq = true;
    config.backend = &tap_;
    config.loop = &loop_;
    for (size_t i = 0; i < kernels_.size(); ++i) {
      auto rings = vhost::Rings::Create(std::make_unique<vhost::FakeKernel>(kernels_[i]));
      ASSERT_TRUE(rings) << rings.error();
      rings_[i] = std::move(*rings);
      config.vhost.push_back(rings_[i].get());
    }
    auto card = Net::Create(std::move(config));
    ASSERT_TRUE(card) << card.error();
    net_ = card->get();
    DriverOptions options;
    options.start = start;
    options.frontend.packed = true;
    driver_ = std::make_unique<Driver>(std::move(*card), options);
    driver_->loop().RunPosted();
  }
  void SetPairs(char pairs) {
    driver_->queue(kControl).Add().Readable(std::string{4, 0, pairs, 0}).Writable(1).Publish();
    driver_->queue(kControl).Kick();
    driver_->loop().RunPosted();
    const auto used = driver_->queue(kControl).CollectUsed();
    ASSERT_EQ(used.size(), 1U);
    EXPECT_EQ(used[0].bytes[0], 0);
  }
  void ExpectServed(size_t pairs) {
    for (size_t i = 0; i < kernels_.size(); ++i) {
      const int tap = 100 + static_cast<int>(i);
      const std::map<uint32_t, int> both{{0, tap}, {1, tap}};
      EXPECT_EQ(kernels_[i].net_backends, i < pairs ? both : decltype(both)()) << "pair " << i;
      EXPECT_EQ(kernels_[i].rings.size(), i < pairs ? 2U : 0U) << "pair " << i;
    }
  }

  FakeTap tap_;
  io::FakeEventLoop loop_;
  std::array<vhost::FakeState, 2> kernels_;
  std::array<std::unique_ptr<vhost::Rings>, 2> rings_;
  Net* net_ = nullptr;
  std::unique_ptr<Driver> driver_;
};

TEST_F(NetVhostTest, TheKernelServesThePairsThatTheDriverUses) {
  Make();
  ExpectServed(1);
  EXPECT_EQ(kernels_[0].features_set, kRingFeatures | net::kMrgRxbuf);
  SetPairs(2);
  ExpectServed(2);
  SetPairs(1);
  ExpectServed(1);
  driver_->Reset();
  ExpectServed(0);
  ASSERT_TRUE(driver_->Start());
  driver_->loop().RunPosted();
  ExpectServed(1);
  driver_.reset();
  ExpectServed(0);
}

TEST_F(NetVhostTest, FramesAreTheKernelsAlone) {
  Make();
  driver_->queue(kTx).Add().Readable(std::string(100, 'x')).Publish();
  driver_->queue(kTx).Kick();
  driver_->loop().RunPosted();
  EXPECT_EQ(tap_.sent, 0);
  EXPECT_FALSE(tap_.receiving);
  uint64_t kicks = 0;
  EXPECT_EQ(read(kernels_[0].rings[kTx].kick, &kicks, sizeof(kicks)), 8) << "the kernel was kicked";
}

TEST_F(NetVhostTest, OffersWhatBothKernelsHave) {
  kernels_[1].features = kFeatureVersion1 | kFeatureIndirectDesc;
  Make(false);
  const uint64_t offered = driver_->frontend().offered_features();
  EXPECT_EQ(offered & (kFeatureEventIdx | kFeatureRingPacked | kFeatureRingReset), 0U);
  EXPECT_EQ(offered & net::kMrgRxbuf, 0U);
  EXPECT_NE(offered & kFeatureIndirectDesc, 0U);
  EXPECT_NE(offered & net::kCtrlVq, 0U) << "the control queue is not the kernel's";
}

TEST_F(NetVhostTest, TheKernelMakesHeadersForATapWithout) {
  tap_.headers = false;
  Make();
  EXPECT_EQ(kernels_[0].features_set, kRingFeatures | net::kMrgRxbuf | kKernelHeader);
}

TEST_F(NetVhostTest, StoppedVmAndLostLinkTakeTheRingsBackAndGoOnWhereTheyStood) {
  Make();
  kernels_[0].bases = {{0, 7}, {1, 9}};
  driver_->frontend().OnRunning(false);
  ExpectServed(0);
  driver_->frontend().OnRunning(true);
  ExpectServed(1);
  EXPECT_EQ(kernels_[0].rings[0].base, 7);
  EXPECT_EQ(kernels_[0].rings[1].base, 9);
  net_->SetLink(false);
  ExpectServed(0);
  driver_->frontend().OnRunning(false);
  driver_->frontend().OnRunning(true);
  ExpectServed(0);
  net_->SetLink(true);
  ExpectServed(1);
}

TEST_F(NetVhostTest, PluggedMemoryReachesTheKernelsThatServe) {
  Make();
  ASSERT_FALSE(kernels_[0].memory.empty());
  ASSERT_TRUE(driver_->frontend().SetMemory(memory::GuestMemory()));
  EXPECT_TRUE(kernels_[0].memory.empty());
  ExpectServed(1);
}

TEST_F(NetVhostTest, ANetdevThatGoesTakesTheKernelAlong) {
  Make();
  net_->LoseBackend();
  ExpectServed(0);
  rings_ = {};
  driver_->loop().RunPosted();
  // What the queues were told for the kernel's sake is still with them.
  driver_->frontend().SetQueueReady(kTx, false);
  driver_->Reset();
  ASSERT_TRUE(driver_->Start());
  driver_->loop().RunPosted();
  driver_->queue(kTx).Add().Readable(std::string(100, 'x')).Publish();
  driver_->queue(kTx).Kick();
  EXPECT_EQ(driver_->queue(kTx).CollectUsed().size(), 1U) << "served here, to nowhere";
}

TEST_F(NetVhostTest, WhatTheKernelRefusesNeedsResetAndNothingStaysOn) {
  for (const char* call : {"SetFeatures", "SetMemory", "SetRing1", "SetNetBackend1"}) {
    kernels_[0].fails = call;
    Make();
    EXPECT_TRUE(driver_->needs_reset()) << call;
    ExpectServed(0);
    kernels_[0].fails = "";
    driver_->Reset();
    ASSERT_TRUE(driver_->Start());
    driver_->loop().RunPosted();
    ExpectServed(1);
    driver_.reset();
  }
}

TEST_F(NetVhostTest, NonsenseOnTheControlQueueEndsTheKernelsWorkTooUntilTheReset) {
  Make();
  driver_->queue(kControl).Add().Raw(uint64_t{1} << 60, 2, 0).Publish();
  driver_->queue(kControl).Kick();
  EXPECT_TRUE(driver_->needs_reset());
  ExpectServed(0);
  net_->SetLink(false);
  net_->SetLink(true);
  driver_->frontend().OnRunning(false);
  driver_->frontend().OnRunning(true);
  ExpectServed(0);
  driver_->Reset();
  ASSERT_TRUE(driver_->Start());
  driver_->loop().RunPosted();
  ExpectServed(1);
}

TEST_F(NetVhostTest, AQueueWithoutItsPairNeedsReset) {
  Make(false);
  ASSERT_TRUE(driver_->Negotiate());
  driver_->SetUpQueue(0);
  driver_->DriverOk();
  EXPECT_TRUE(driver_->needs_reset());
  ExpectServed(0);
}

TEST_F(NetVhostTest, AQueueDisabledByItselfNeedsResetAndEndsTheKernelsWork) {
  Make();
  driver_->frontend().SetQueueReady(kTx, false);
  EXPECT_TRUE(driver_->needs_reset());
  ExpectServed(0);
}

}  // namespace
}  // namespace davit::virtio
