// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Limits: QEMU's rules, and the rate that results, on a clock that stands still.
#include "vmm/backend/block/throttle.h"

#include <gtest/gtest.h>

#include "vmm/backend/block/test_support.h"
#include "vmm/io/testing/fake_event_loop.h"

namespace davit::backend {
namespace {

using std::chrono::milliseconds;

TEST(Throttle, RulesAreQemus) {
  ThrottleConfig c;
  c.bps.average = 10;
  c.bps_read.average = 1;
  EXPECT_EQ(MessageOf(CheckThrottle(c)),
            "bps/iops/max total values and read/write values cannot be used at the same time");
  c = {};
  c.iops_size = 1;
  EXPECT_EQ(MessageOf(CheckThrottle(c)), "iops size requires an iops value to be set");
  c = {};
  c.bps.average = 2'000'000'000'000'000;
  EXPECT_EQ(MessageOf(CheckThrottle(c)),
            "bps/iops/max values must be within [0, 1000000000000000]");
  c = {};
  c.bps = {.average = 10, .max = 20, .length = 0};
  EXPECT_EQ(MessageOf(CheckThrottle(c)), "the burst length cannot be 0");
  c.bps = {.average = 10, .max = 0, .length = 3};
  EXPECT_EQ(MessageOf(CheckThrottle(c)), "burst length set without burst rate");
  c.bps = {.average = 0, .max = 3};
  EXPECT_EQ(MessageOf(CheckThrottle(c)), "bps_max/iops_max require corresponding bps/iops values");
  c.bps = {.average = 10, .max = 3};
  EXPECT_EQ(MessageOf(CheckThrottle(c)), "bps_max/iops_max cannot be lower than bps/iops");
  c.bps = {.average = 10, .max = 1'000'000'000'000, .length = 100'000};
  EXPECT_EQ(MessageOf(CheckThrottle(c)), "burst length too high for this burst rate");
  c.bps = {.average = 10, .max = 20, .length = 2};
  EXPECT_EQ(MessageOf(CheckThrottle(c)), "");
}

class Throttled : public ::testing::Test {
 protected:
  Throttled() {
    BlockNodeSpec spec;
    spec.driver = BlockDriver::kNullCo;
    spec.node_name = "n0";
    EXPECT_TRUE(graph_.AddNode(spec));
    auto disk = graph_.Attach("n0", {.qdev = "/machine/d0"});
    disk_ = std::move(*disk);
    disk_->Start(loop_, [this] { disk_->Reap(); });
  }
  // Submits `count` requests of 4 KiB.
  void Submit(BlockOp op, int count) {
    for (int i = 0; i < count; ++i) {
      auto request = std::make_unique<BlockRequest>();
      request->op = op;
      request->bytes = 4096;
      request->done = [this](int) { ++done_; };
      disk_->Submit(*request);
      requests_.push_back(std::move(request));
    }
    disk_->Kick();
    disk_->Reap();
  }
  void Limit(const ThrottleConfig& config) {
    const Status status = graph_.SetThrottle(*disk_, "", config);
    ASSERT_TRUE(status) << status.error().message;
    loop_.RunPosted();
  }

  io::FakeEventLoop loop_;
  PathOpener opener_;
  BlockGraph graph_{opener_};
  std::vector<std::unique_ptr<BlockRequest>> requests_;
  int done_ = 0;
  std::shared_ptr<BlockBackend> disk_;
};

TEST_F(Throttled, OperationsKeepToTheRate) {
  ThrottleConfig config;
  config.iops.average = 100;
  Limit(config);
  Submit(BlockOp::kRead, 200);
  EXPECT_LE(done_, 12);  // a tenth of a second may be run up
  loop_.Advance(milliseconds(1000));
  EXPECT_NEAR(done_, 111, 2);
  loop_.Advance(milliseconds(1000));
  EXPECT_EQ(done_, 200);
  EXPECT_EQ(disk_->in_flight(), 0u);
}

TEST_F(Throttled, ReadsDoNotWaitForALimitOnWrites) {
  ThrottleConfig config;
  config.bps_write.average = 4096;
  Limit(config);
  Submit(BlockOp::kWrite, 3);
  EXPECT_EQ(done_, 1);
  Submit(BlockOp::kRead, 10);
  EXPECT_EQ(done_, 11);
  loop_.Advance(milliseconds(3000));
  EXPECT_EQ(done_, 13);
}

TEST_F(Throttled, BurstsAreServedAtOnce) {
  ThrottleConfig config;
  config.iops = {.average = 10, .max = 100, .length = 1};
  Limit(config);
  Submit(BlockOp::kRead, 150);
  EXPECT_NEAR(done_, 101, 1);
  loop_.Advance(milliseconds(1000));
  EXPECT_NEAR(done_, 111, 1);
  Limit({});
  EXPECT_EQ(done_, 150);
}

TEST_F(Throttled, LargeRequestsCountAsSeveral) {
  ThrottleConfig config;
  config.iops.average = 8;
  config.iops_size = 512;
  Limit(config);
  Submit(BlockOp::kRead, 3);  // 8 operations each
  EXPECT_EQ(done_, 1);
  loop_.Advance(milliseconds(1000));
  EXPECT_EQ(done_, 2);
  loop_.Advance(milliseconds(1000));
  EXPECT_EQ(done_, 3);
}

TEST_F(Throttled, DrainingHoldsNothingUp) {
  ThrottleConfig config;
  config.iops.average = 1;
  Limit(config);
  Submit(BlockOp::kWrite, 20);
  EXPECT_LT(done_, 20);
  disk_->Drain();
  loop_.RunPosted();
  EXPECT_EQ(done_, 20);
  Submit(BlockOp::kWrite, 2);  // and the limit is there again
  EXPECT_EQ(disk_->in_flight(), 2u);
  disk_->Drain();
  loop_.RunPosted();
}

TEST_F(Throttled, AGroupIsSharedByItsDisks) {
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kNullCo;
  spec.node_name = "n1";
  ASSERT_TRUE(graph_.AddNode(spec));
  auto other = graph_.Attach("n1", {.qdev = "/machine/d1"});
  ASSERT_TRUE(other);
  ThrottleConfig config;
  config.iops.average = 10;
  ASSERT_TRUE(graph_.SetThrottle(*disk_, "g", config));
  ASSERT_TRUE(graph_.SetThrottle(**other, "g", config));
  EXPECT_EQ(disk_->throttle(), (*other)->throttle());
  EXPECT_EQ(disk_->throttle()->name(), "g");
  ASSERT_TRUE(graph_.SetThrottle(**other, "", {}));
  EXPECT_EQ((*other)->throttle(), nullptr);
}

TEST_F(Throttled, AGroupOfItsOwnOutlivesItsDisks) {
  ThrottleConfig config;
  config.iops.average = 10;
  auto group = graph_.MakeGroup("g", config);
  ASSERT_TRUE(group);
  EXPECT_EQ(MessageOf(Status(tl::unexpected(graph_.MakeGroup("g", {}).error()))),
            "A group with this name already exists");
  config.iops.average = 20;
  ASSERT_TRUE(graph_.SetThrottle(*disk_, "g", config));
  EXPECT_EQ(disk_->throttle(), *group);
  EXPECT_EQ((*group)->config(), config);  // the last who says something is right
  ASSERT_TRUE(graph_.SetThrottle(*disk_, "", {}));
  EXPECT_EQ(group->use_count(), 1);
  // Now the name is free.
  group->reset();
  EXPECT_TRUE(graph_.MakeGroup("g", {}));
}

TEST_F(Throttled, NewLimitsOfAGroupLetGoWhatWaits) {
  ThrottleConfig config;
  config.iops.average = 1;
  auto group = graph_.MakeGroup("g", config);
  ASSERT_TRUE(group && graph_.SetThrottle(*disk_, "g", config));
  loop_.RunPosted();
  Submit(BlockOp::kRead, 5);
  EXPECT_EQ(done_, 1);
  config.iops.average = 1'000'000;
  ASSERT_TRUE(graph_.SetLimits(**group, config));
  loop_.RunPosted();
  EXPECT_EQ(done_, 5);
  config.iops.max = 1;
  EXPECT_FALSE(graph_.SetLimits(**group, config));
  EXPECT_EQ((*group)->config().iops.max, 0u);
}

TEST_F(Throttled, AThrottleNodeHoldsItsDisksToTheGroup) {
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kThrottle;
  spec.node_name = "t0";
  spec.file_node = "n1";
  spec.throttle_group = "g";
  BlockNodeSpec null;
  null.driver = BlockDriver::kNullCo;
  null.node_name = "n1";
  null.null_size = 8192;
  ASSERT_TRUE(graph_.AddNode(null));
  EXPECT_EQ(MessageOf(graph_.AddNode(spec)), "Throttle group 'g' does not exist");
  ThrottleConfig config;
  config.iops.average = 10;
  auto group = graph_.MakeGroup("g", config);
  ASSERT_TRUE(group);
  EXPECT_EQ(MessageOf(graph_.AddNode(spec)), "");
  EXPECT_EQ(group->use_count(), 2);
  EXPECT_EQ(graph_.FindNode("t0")->length(), 8192u);
  EXPECT_EQ(graph_.FindNode("t0")->filename(),
            R"(json:{"throttle-group": "g", "driver": "throttle", )"
            R"("file": {"driver": "null-co", "size": 8192}})");
  EXPECT_EQ(MessageOf(graph_.RemoveNode("n1")), "Block device n1 is in use");
  spec.node_name = "t1";
  spec.file_node = "t0";
  EXPECT_EQ(MessageOf(graph_.AddNode(spec)), "Node 't0' is throttled already");

  disk_.reset();
  disk_ = *graph_.Attach("t0", {.qdev = "d1"});
  disk_->Start(loop_, [this] { disk_->Reap(); });
  Submit(BlockOp::kRead, 21);
  EXPECT_LE(done_, 3);
  loop_.Advance(milliseconds(1000));
  EXPECT_NEAR(done_, 12, 1);
  // The disk's own limits hold beside.
  config.iops.average = 1;
  Limit(config);
  const int before = done_;
  loop_.Advance(milliseconds(2000));
  EXPECT_NEAR(done_, before + 2, 1);
  disk_->Drain();
  loop_.RunPosted();
  EXPECT_EQ(done_, 21);
}

}  // namespace
}  // namespace davit::backend
