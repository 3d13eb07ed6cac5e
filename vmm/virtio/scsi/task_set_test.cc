// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/scsi/task_set.h"

#include <gtest/gtest.h>

#include <deque>

namespace davit::virtio::scsi {
namespace {

using Waits = std::vector<uint64_t>;

class TaskSetTest : public ::testing::Test {
 protected:
  ActiveTask& Begin(uint64_t tag) {
    ActiveTask& task = tasks_.emplace_back();
    task.tag = tag;
    set_.Begin(task);
    return task;
  }

  TaskSet set_;
  std::deque<ActiveTask> tasks_;
};

TEST_F(TaskSetTest, NothingUnderWayIsNotWaitedFor) {
  EXPECT_FALSE(set_.Abort({}, 1));
  EXPECT_FALSE(set_.Abort(7, 1));
  EXPECT_FALSE(set_.Any({}));
  ActiveTask& task = Begin(8);
  EXPECT_TRUE(set_.Any({}));
  EXPECT_TRUE(set_.Any(8));
  EXPECT_FALSE(set_.Any(7));
  EXPECT_FALSE(set_.Abort(7, 1));
  EXPECT_FALSE(task.aborted);
  EXPECT_EQ(set_.End(task), Waits());
  EXPECT_FALSE(set_.Any(8));
}

TEST_F(TaskSetTest, AWaitIsForWhatWasThereInAnyOrderOfEnds) {
  ActiveTask& first = Begin(1);
  ActiveTask& second = Begin(2);
  EXPECT_TRUE(set_.Abort({}, 10));
  ActiveTask& later = Begin(3);
  EXPECT_TRUE(first.aborted && second.aborted);
  EXPECT_FALSE(later.aborted);
  EXPECT_EQ(set_.End(second), Waits());
  EXPECT_EQ(set_.End(first), Waits({10}));
  EXPECT_TRUE(set_.Abort({}, 11));
  EXPECT_TRUE(later.aborted);
  EXPECT_EQ(set_.End(later), Waits({11}));
}

TEST_F(TaskSetTest, ATagIsWaitedForByItself) {
  ActiveTask& other = Begin(1);
  ActiveTask& one = Begin(2);
  ActiveTask& two = Begin(2);
  EXPECT_TRUE(set_.Abort(2, 10));
  EXPECT_TRUE(one.aborted && two.aborted);
  EXPECT_FALSE(other.aborted);
  ActiveTask& later = Begin(2);
  EXPECT_TRUE(set_.Abort(2, 11));
  EXPECT_TRUE(later.aborted);
  EXPECT_TRUE(set_.Abort({}, 12));
  EXPECT_EQ(set_.End(two), Waits());
  EXPECT_EQ(set_.End(one), Waits({10}));
  EXPECT_EQ(set_.End(other), Waits());
  EXPECT_EQ(set_.End(later), Waits({12, 11}));
}

TEST_F(TaskSetTest, DroppedWaitsAreForgotten) {
  ActiveTask& task = Begin(1);
  EXPECT_TRUE(set_.Abort({}, 10));
  EXPECT_TRUE(set_.Abort(1, 11));
  set_.DropWaits();
  EXPECT_TRUE(task.aborted);
  EXPECT_TRUE(set_.Abort({}, 12));
  EXPECT_EQ(set_.End(task), Waits({12}));
}

// A guest fills its queues with both.
TEST_F(TaskSetTest, TheWorkIsTheSumOfCommandsAndWaitsNotTheProduct) {
  constexpr uint64_t kCommands = 1000, kWaits = 1000;
  for (uint64_t i = 0; i < kCommands; ++i) Begin(5);
  for (uint64_t wait = 0; wait < kWaits; ++wait) {
    EXPECT_TRUE(set_.Abort({}, wait));
    EXPECT_TRUE(set_.Abort(5, kWaits + wait));
  }
  EXPECT_EQ(set_.work(), 2 * kCommands);
  size_t over = 0;
  for (ActiveTask& task : tasks_) {
    EXPECT_EQ(over, 0u);
    over += set_.End(task).size();
  }
  EXPECT_EQ(over, 2 * kWaits);
  EXPECT_EQ(set_.work(), 2 * kCommands + 2 * kWaits);
}

}  // namespace
}  // namespace davit::virtio::scsi
