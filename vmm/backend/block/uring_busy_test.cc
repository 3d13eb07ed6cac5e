// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls of the kernel. One that has no room for requests while none is under way: no completion
// will wake anybody. And how many requests a call hands over. The linker puts the test's call in
// the place of liburing's (--wrap).
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "vmm/backend/block/test_support.h"
#include "vmm/backend/block/uring.h"
#include "vmm/base/units.h"
#include "vmm/io/epoll_event_loop.h"

namespace {
int refusals = 0;
std::vector<int> batches;
}  // namespace

struct io_uring;

extern "C" int __real_io_uring_submit(io_uring* ring);
extern "C" int __wrap_io_uring_submit(io_uring* ring) {
  if (refusals > 0) {
    --refusals;
    return -EAGAIN;
  }
  const int taken = __real_io_uring_submit(ring);
  batches.push_back(taken);
  return taken;
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

class UringBatch : public UringBusy {
 protected:
  // The sizes of the calls for seven reads that come at once.
  std::vector<int> BatchesOfSeven(int64_t most) {
    io::EpollEventLoop loop;
    loop.SetMaxBatch(most);
    user_.reset();
    auto disk = graph_.Attach("f0", {.qdev = "e"});
    if (!disk) return {};
    DiskUser user(loop, std::move(*disk));
    std::array<std::string, 7> data;
    std::array<iovec, 7> iov;
    std::array<int, 7> errors;
    std::array<BlockRequest, 7> requests;
    batches.clear();
    for (size_t i = 0; i < requests.size(); ++i) {
      data[i] = std::string(512, '?');
      iov[i] = {data[i].data(), data[i].size()};
      requests[i].op = BlockOp::kRead;
      requests[i].bytes = 512;
      requests[i].iov = {&iov[i], 1};
      user.Submit(requests[i], &errors[i]);
    }
    user.Wait();
    for (const int error : errors) EXPECT_EQ(error, 0);
    return batches;
  }
};

TEST_F(UringBatch, ACallTakesAllThereIs) { EXPECT_EQ(BatchesOfSeven(0), std::vector({7})); }

TEST_F(UringBatch, OrTheMostThatTheLoopAllows) {
  EXPECT_EQ(BatchesOfSeven(3), std::vector({3, 3, 1}));
  EXPECT_EQ(BatchesOfSeven(1), std::vector(7, 1));
  EXPECT_EQ(BatchesOfSeven(INT64_MAX), std::vector({7}));
}

}  // namespace
}  // namespace davit::backend
