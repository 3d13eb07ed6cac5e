// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// LiveMemory: who is told what, and that a refused table leaves no trace.
#include "vmm/memory/live_memory.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

GuestMemory Ram(uint64_t base, uint64_t size) {
  RamBlockOptions options;
  options.id = "ram";
  options.size = size;
  return *GuestMemory::Create({{{base}, size, *RamBlock::Create(options), 0}});
}

class Follower final : public LiveMemory::Listener {
 public:
  Follower(std::string name, std::vector<std::string>& log) : name_(std::move(name)), log_(log) {}
  Status OnMemory(const GuestMemory& next) override {
    log_.push_back(name_ + " " + std::to_string(next.total_bytes()));
    if (refuses) return Fail(name_ + " refuses");
    has = next;
    return {};
  }

  bool refuses = false;
  GuestMemory has;

 private:
  const std::string name_;
  std::vector<std::string>& log_;
};

class LiveMemoryTest : public testing::Test {
 protected:
  LiveMemoryTest() {
    EXPECT_TRUE(memory_.Set(Ram(0, 0x1000)));
    for (Follower* follower : {&a_, &b_, &c_}) EXPECT_TRUE(memory_.Follow(*follower));
    EXPECT_EQ(std::exchange(log_, {}), (std::vector<std::string>{"a 4096", "b 4096", "c 4096"}));
  }

  std::vector<std::string> log_;
  Follower a_{"a", log_}, b_{"b", log_}, c_{"c", log_};
  LiveMemory memory_;
};

TEST_F(LiveMemoryTest, NewTableIsToldInOrderAndThenIsTheOneToGet) {
  ASSERT_TRUE(memory_.Set(Ram(0x100000, 0x2000)));
  EXPECT_EQ(log_, (std::vector<std::string>{"a 8192", "b 8192", "c 8192"}));
  EXPECT_TRUE(memory_.Get().Contains({0x100000}, 0x2000));
  EXPECT_FALSE(memory_.Get().Contains({0}, 1));
}

TEST_F(LiveMemoryTest, RefusedTableIsTakenBackFromThoseWhoHadIt) {
  b_.refuses = true;
  const Status set = memory_.Set(Ram(0x100000, 0x2000));
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().message, "b refuses");
  EXPECT_EQ(log_, (std::vector<std::string>{"a 8192", "b 8192", "a 4096"}));
  EXPECT_EQ(a_.has.total_bytes(), 0x1000U);
  EXPECT_EQ(memory_.Get().total_bytes(), 0x1000U);
}

TEST_F(LiveMemoryTest, WhoRefusesTheTableOfNowDoesNotFollow) {
  Follower late{"late", log_};
  late.refuses = true;
  EXPECT_FALSE(memory_.Follow(late));
  log_.clear();
  ASSERT_TRUE(memory_.Set(Ram(0, 0x2000)));
  EXPECT_EQ(log_, (std::vector<std::string>{"a 8192", "b 8192", "c 8192"}));
}

TEST_F(LiveMemoryTest, ListenerThatLeftHearsNothing) {
  memory_.Forget(a_);
  memory_.Forget(c_);
  ASSERT_TRUE(memory_.Set(Ram(0, 0x3000)));
  EXPECT_EQ(log_, (std::vector<std::string>{"b 12288"}));
}

TEST_F(LiveMemoryTest, HolderOfTheOldTableCanStillUseIt) {
  const GuestMemory old = memory_.Get();
  ASSERT_TRUE(old.Write<uint32_t>({0x10}, 0x1234));
  ASSERT_TRUE(memory_.Set(GuestMemory()));
  EXPECT_EQ(*old.Read<uint32_t>({0x10}), 0x1234U);
  EXPECT_FALSE(memory_.Get().Read<uint32_t>({0x10}));
}

}  // namespace
}  // namespace davit::memory
