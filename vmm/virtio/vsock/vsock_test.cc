// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The socket device on a fake kernel: when the kernel has the rings and when not, what is offered,
// and what is refused.
#include "vmm/virtio/vsock/vsock.h"

#include <gtest/gtest.h>

#include <utility>

#include "vmm/virtio/testing/driver.h"
#include "vmm/virtio/vhost/fake.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kSeqpacket = Bit(1);
constexpr uint64_t kCid = 0x12345678;

class VsockTest : public ::testing::Test {
 protected:
  VsockTest() {
    state_.features = kFeatureVersion1 | kFeatureIndirectDesc | kFeatureEventIdx | kSeqpacket;
  }
  Result<std::unique_ptr<Vsock>> Create(VsockConfig config = {.guest_cid = kCid}) {
    return Vsock::Create(config, std::make_unique<vhost::FakeKernel>(state_));
  }
  testing::Driver& Make(bool start = true, VsockConfig config = {.guest_cid = kCid}) {
    auto device = Create(config);
    EXPECT_TRUE(device);
    testing::DriverOptions options;
    options.start = start;
    options.frontend.packed = true;
    driver_ = std::make_unique<testing::Driver>(std::move(*device), options);
    return *driver_;
  }
  void ExpectServed(bool served) {
    EXPECT_EQ(state_.running, served);
    EXPECT_EQ(state_.rings.size(), served ? 2U : 0U);
  }

  vhost::FakeState state_;
  std::unique_ptr<testing::Driver> driver_;
};

TEST_F(VsockTest, ContextIdsAreCheckedAndTold) {
  EXPECT_EQ(Create({.guest_cid = 0}).error().message, "guest-cid property must be greater than 2");
  EXPECT_EQ(Create({.guest_cid = 2}).error().message, "guest-cid property must be greater than 2");
  EXPECT_EQ(Create({.guest_cid = uint64_t{1} << 32}).error().message,
            "guest-cid property must be a 32-bit number");
  EXPECT_FALSE(state_.owned);
  testing::Driver& driver = Make();
  EXPECT_EQ(state_.cid, kCid);
  EXPECT_EQ(driver.Config<uint64_t>(0), kCid);
  driver.SetConfig<uint64_t>(0, 7);
  EXPECT_EQ(driver.Config<uint64_t>(0), kCid);
  EXPECT_EQ(driver.Config<uint32_t>(4), 0U);
}

TEST_F(VsockTest, WhatTheKernelCannotIsRefusedByName) {
  state_.fails = "SetOwner";
  EXPECT_EQ(Create().error().message, "SetOwner failed: no");
  state_.fails = "SetGuestCid";
  EXPECT_EQ(Create().error().message,
            "vhost-vsock: unable to set guest cid: SetGuestCid failed: no");
  state_.fails = "";
  state_.features = kFeatureVersion1;
  EXPECT_EQ(Create({.guest_cid = kCid, .seqpacket = Seqpacket::kOn}).error().message,
            "vhost-vsock backend doesn't support seqpacket");
  state_.features = kSeqpacket;
  EXPECT_EQ(Create().error().message, "vhost-vsock: the host's kernel has no VIRTIO_F_VERSION_1");
}

TEST_F(VsockTest, FeaturesAreTheKernelsAndTheOperators) {
  const auto offered = [&](Seqpacket seqpacket) {
    return Make(false, {.guest_cid = kCid, .seqpacket = seqpacket}).frontend().offered_features();
  };
  const uint64_t rings = kFeatureVersion1 | kFeatureIndirectDesc | kFeatureEventIdx;
  EXPECT_EQ(offered(Seqpacket::kAuto), rings | kSeqpacket);
  EXPECT_EQ(offered(Seqpacket::kOn), rings | kSeqpacket);
  EXPECT_EQ(offered(Seqpacket::kOff), rings);
  state_.features = kFeatureVersion1 | kFeatureEventIdx;
  EXPECT_EQ(offered(Seqpacket::kAuto), kFeatureVersion1 | kFeatureEventIdx);
}

TEST_F(VsockTest, TheKernelServesFromDriverOkToTheReset) {
  testing::Driver& driver = Make(false);
  ASSERT_TRUE(driver.Negotiate());
  driver.SetUpQueues();
  ExpectServed(false);
  driver.DriverOk();
  ExpectServed(true);
  EXPECT_EQ(state_.rings[0].size, 128);
  driver.Reset();
  ExpectServed(false);
  ASSERT_TRUE(driver.Start());
  ExpectServed(true);
  driver.frontend().Quiesce();
  ExpectServed(false);
}

TEST_F(VsockTest, TheKernelServesOnlyWhileTheVmRuns) {
  testing::Driver& driver = Make();
  state_.bases = {{0, 3}, {1, 4}};
  driver.frontend().OnRunning(false);
  ExpectServed(false);
  driver.frontend().OnRunning(true);
  ExpectServed(true);
  EXPECT_EQ(state_.rings[0].base, 3);
  EXPECT_EQ(state_.rings[1].base, 4);
  // A driver that starts, or goes, while the VM stands still.
  driver.frontend().OnRunning(false);
  driver.Reset();
  ASSERT_TRUE(driver.Start());
  ExpectServed(false);
  driver.frontend().OnRunning(true);
  ExpectServed(true);
  EXPECT_EQ(state_.rings[0].base, 0);
  driver.frontend().OnRunning(false);
  driver.Reset();
  driver.frontend().OnRunning(true);
  ExpectServed(false);
}

TEST_F(VsockTest, EventBuffersStayWithTheDevice) {
  testing::Driver& driver = Make();
  driver.queue(2).Add().Writable(8).Publish();
  driver.queue(2).Kick();
  EXPECT_TRUE(driver.queue(2).CollectUsed().empty());
  EXPECT_FALSE(driver.needs_reset());
}

TEST_F(VsockTest, ADriverWithoutAQueueNeedsAReset) {
  testing::Driver& driver = Make(false);
  ASSERT_TRUE(driver.Negotiate());
  driver.SetUpQueue(0);
  driver.SetUpQueue(2);
  driver.DriverOk();
  EXPECT_TRUE(driver.needs_reset());
  ExpectServed(false);
  driver.Reset();
  ASSERT_TRUE(driver.Start());
  ExpectServed(true);
}

TEST_F(VsockTest, AQueueDisabledUnderwayIsTakenFromTheKernel) {
  testing::Driver& driver = Make();
  driver.frontend().SetQueueReady(1, false);
  EXPECT_TRUE(driver.needs_reset());
  ExpectServed(false);
}

TEST_F(VsockTest, PluggedMemoryReachesTheKernel) {
  testing::Driver& driver = Make();
  ASSERT_FALSE(state_.memory.empty());
  ASSERT_TRUE(driver.frontend().SetMemory(memory::GuestMemory()));
  EXPECT_TRUE(state_.memory.empty());
  ExpectServed(true);
}

TEST_F(VsockTest, AKernelThatRefusesNeedsAReset) {
  for (const char* call : {"SetMemory", "SetRing1", "SetVsockRunning"}) {
    state_.fails = call;
    testing::Driver& driver = Make();
    EXPECT_TRUE(driver.needs_reset()) << call;
    ExpectServed(false);
    state_.fails = "";
    driver.Reset();
    ASSERT_TRUE(driver.Start());
    ExpectServed(true);
    driver.frontend().OnRunning(false);
    state_.fails = call;
    driver.frontend().OnRunning(true);
    EXPECT_TRUE(driver.needs_reset()) << call;
    ExpectServed(false);
    state_.fails = "";
  }
}

}  // namespace
}  // namespace davit::virtio
