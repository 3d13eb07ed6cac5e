// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A kernel that has no room for requests while none is under way: no completion will wake anybody.
// The linker puts the test's call in the place of liburing's (--wrap).
#include <gtest/gtest.h>

#include <cerrno>

#include "vmm/backend/block/test_support.h"
#include "vmm/backend/block/uring.h"
#include "vmm/base/units.h"

namespace {
int refusals = 0;
}  // namespace

struct io_uring;

extern "C" int __real_io_uring_submit(io_uring* ring);
extern "C" int __wrap_io_uring_submit(io_uring* ring) {
  if (refusals > 0) {
    --refusals;
    return -EAGAIN;
  }
  return __real_io_uring_submit(ring);
}

namespace davit::backend {
namespace {

class UringBusy : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status status = Uring::Available(); !status) GTEST_SKIP() << status.error().message;
    BlockNodeSpec spec = FileSpec("f0", dir_.Image("a.img", kMiB));
    spec.aio = AioMode::kIoUring;
    ASSERT_TRUE(graph_.AddNode(spec));
    auto disk = graph_.Attach("f0", {.qdev = "d"});
    ASSERT_TRUE(disk);
    user_ = std::make_unique<DiskUser>(loop_, std::move(*disk));
  }
  void TearDown() override { EXPECT_EQ(refusals, 0); }

  TempDir dir_;
  io::AsioEventLoop loop_;
  PathOpener opener_;
  BlockGraph graph_{opener_};
  std::unique_ptr<DiskUser> user_;
};

TEST_F(UringBusy, ARefusedRequestIsTriedAgain) {
  refusals = 3;
  EXPECT_EQ(user_->Write(0, std::string(512, 'x')), 0);
  EXPECT_EQ(user_->Read(0, 512), std::string(512, 'x'));
}

TEST_F(UringBusy, WhoWaitsForItIsNotStuck) {
  refusals = 3;
  std::string data(512, '?');
  const iovec iov{data.data(), data.size()};
  BlockRequest request{.op = BlockOp::kRead, .bytes = 512, .iov = {&iov, 1}};
  int error;
  user_->Submit(request, &error);
  user_->disk().Kick();
  while (user_->disk().in_flight() != 0) {
    user_->disk().WaitSome();
    user_->disk().Reap();
  }
  EXPECT_EQ(error, 0);
  EXPECT_EQ(data, std::string(512, '\0'));
}

// Inside a wait nothing that is posted to the loop runs; it must not pile up there.
TEST_F(UringBusy, ALongWaitLeavesNoQueueOfTries) {
  user_.reset();
  auto disk = graph_.Attach("f0", {.qdev = "e"});
  ASSERT_TRUE(disk);
  BlockBackend& busy = **disk;
  int ready = 0;
  busy.Start(loop_, [&] { ++ready; });
  refusals = 20;
  std::string data(512, '?');
  const iovec iov{data.data(), data.size()};
  int error = -1;
  BlockRequest request{.op = BlockOp::kRead, .bytes = 512, .iov = {&iov, 1}};
  request.done = [&](int result) { error = result; };
  busy.Submit(request);
  busy.Kick();
  while (busy.in_flight() != 0) {
    busy.WaitSome();
    busy.Reap();
  }
  EXPECT_EQ(error, 0);
  loop_.Post([&] { loop_.Stop(); });
  loop_.Run();
  EXPECT_LE(ready, 2);  // one try, and the ring's own word
}

}  // namespace
}  // namespace davit::backend
