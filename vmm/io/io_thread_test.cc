// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of IoThread.
#include "vmm/io/io_thread.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <string>
#include <utility>

#include "vmm/base/unique_fd.h"

namespace davit::io {
namespace {

TEST(IoThreadTest, RunsWorkOnItsNamedThread) {
  auto made = IoThread::Create("IO iothread0-long-name");
  ASSERT_TRUE(made) << made.error();
  IoThread& thread = **made;
  std::promise<std::pair<pid_t, std::string>> where;
  thread.loop().Post([&] {
    std::string name;
    std::ifstream comm("/proc/thread-self/comm");
    std::getline(comm, name);
    where.set_value({gettid(), name});
  });
  const auto [tid, name] = where.get_future().get();
  EXPECT_EQ(tid, thread.thread_id());
  EXPECT_NE(tid, getpid());
  EXPECT_EQ(name, "IO iothread0-lo");
}

TEST(IoThreadTest, DestructorRunsWhatIsPosted) {
  bool ran = false;
  {
    auto made = IoThread::Create("io");
    ASSERT_TRUE(made) << made.error();
    IoThread& thread = **made;
    thread.loop().Post([&] { ran = true; });
  }
  EXPECT_TRUE(ran);
}

// Whichever of its descriptors is the one too many.
TEST(IoThreadTest, WithoutDescriptorsItIsAnErrorThatLeavesNothingBehind) {
  { ASSERT_TRUE(IoThread::Create("io")); }
  const int lowest_free = UniqueFd(dup(0)).get();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  bool made = false;
  for (rlim_t room = 0; room < 16 && !made; ++room) {
    const rlimit limit{static_cast<rlim_t>(lowest_free) + room, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    {
      auto thread = IoThread::Create("io");
      made = thread.has_value();
      EXPECT_EQ(made ? "" : thread.error().message,
                made ? "" : "cannot create thread 'io': Too many open files");
    }
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(UniqueFd(dup(0)).get(), lowest_free) << "with room for " << room;
  }
  EXPECT_TRUE(made);
}

}  // namespace
}  // namespace davit::io
