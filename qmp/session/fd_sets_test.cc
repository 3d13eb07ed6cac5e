// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Life of the descriptor sets, as tried on QEMU 7.2.
#include "qmp/session/fd_sets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace davit::qmp {
namespace {

UniqueFd Null(int flags) { return UniqueFd(open("/dev/null", flags | O_CLOEXEC)); }

class FdSetsTest : public ::testing::Test {
 protected:
  int64_t Add(std::optional<int64_t> id = {}, int flags = O_RDWR) {
    return sets_.Add(Null(flags), id, {})->fdset_id;
  }

  bool running_ = true;
  int error_ = 0;
  FdSets sets_{[this] { return running_; }};
};

TEST_F(FdSetsTest, GivesTheSmallestFreeId) {
  sets_.ClientConnected();
  EXPECT_EQ(Add(), 0);
  EXPECT_EQ(Add(2), 2);
  EXPECT_EQ(Add(), 1);
  EXPECT_EQ(Add(), 3);
}

TEST_F(FdSetsTest, RefusesANegativeId) {
  const auto added = sets_.Add(Null(O_RDWR), -1, {});
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().message, "Parameter 'fdset-id' expects a non-negative value");
}

TEST_F(FdSetsTest, ListsTheHighestIdFirst) {
  sets_.ClientConnected();
  Add(1);
  Add(7);
  const auto list = sets_.List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].fdset_id, 7);
}

TEST_F(FdSetsTest, RemovesOneOrAll) {
  sets_.ClientConnected();
  Add(1);
  Add(1);
  const int64_t fd = sets_.List()[0].fds[0].fd;
  EXPECT_TRUE(sets_.Remove(1, fd));
  EXPECT_EQ(sets_.List()[0].fds.size(), 1u);
  EXPECT_TRUE(sets_.Remove(1, {}));
  EXPECT_TRUE(sets_.List().empty());
}

TEST_F(FdSetsTest, RemovingNothingNamesIt) {
  EXPECT_EQ(sets_.Remove(9, {}).error().message, "File descriptor named 'fdset-id:9' not found");
  Add(5);
  EXPECT_EQ(sets_.Remove(5, 99).error().message,
            "File descriptor named 'fdset-id:5, fd:99' not found");
}

TEST_F(FdSetsTest, APausedVmKeepsRemovedDescriptors) {
  sets_.ClientConnected();
  Add(1);
  running_ = false;
  EXPECT_TRUE(sets_.Remove(1, {}));
  EXPECT_EQ(sets_.List().size(), 1u);
  running_ = true;
  EXPECT_TRUE(sets_.Remove(1, {}));
  EXPECT_TRUE(sets_.List().empty());
}

TEST_F(FdSetsTest, UnusedSetsGoWithTheLastClient) {
  sets_.ClientConnected();
  sets_.ClientConnected();
  Add();
  sets_.ClientDisconnected();
  EXPECT_EQ(sets_.List().size(), 1u);
  sets_.ClientDisconnected();
  EXPECT_TRUE(sets_.List().empty());
}

TEST_F(FdSetsTest, ASetInUseOutlivesItsClients) {
  sets_.ClientConnected();
  Add(4);
  Result<UniqueFd> copy = sets_.Open(4, O_RDWR, &error_);
  ASSERT_TRUE(copy);
  sets_.ClientDisconnected();
  EXPECT_EQ(sets_.List().size(), 1u);
  sets_.Release(copy->get());
  EXPECT_TRUE(sets_.List().empty());
}

TEST_F(FdSetsTest, OpensADescriptorOfTheWantedMode) {
  sets_.ClientConnected();
  Add(4, O_RDONLY);
  EXPECT_TRUE(sets_.Open(4, O_RDONLY, &error_));
  EXPECT_FALSE(sets_.Open(4, O_RDWR, &error_));
  EXPECT_EQ(error_, EACCES);
  EXPECT_FALSE(sets_.Open(5, O_RDONLY, &error_));
  EXPECT_EQ(error_, ENOENT);
}

TEST_F(FdSetsTest, OpensAsItIsAsked) {
  const UniqueFd file(memfd_create("set", MFD_CLOEXEC));
  ASSERT_EQ(write(file.get(), "abc", 3), 3);
  sets_.ClientConnected();
  ASSERT_TRUE(sets_.Add(UniqueFd(dup(file.get())), 4, {}));
  const auto appended = sets_.Open(4, O_RDWR | O_APPEND | O_NONBLOCK, &error_);
  ASSERT_TRUE(appended);
  EXPECT_EQ(fcntl(appended->get(), F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
  EXPECT_EQ(lseek(file.get(), 0, SEEK_END), 3);
  ASSERT_TRUE(sets_.Open(4, O_RDWR | O_TRUNC, &error_));
  EXPECT_EQ(lseek(file.get(), 0, SEEK_END), 0);
}

TEST_F(FdSetsTest, APipeCannotBeEmptied) {
  int pair[2];
  ASSERT_EQ(pipe2(pair, O_CLOEXEC), 0);
  const UniqueFd reader(pair[0]);
  sets_.ClientConnected();
  ASSERT_TRUE(sets_.Add(UniqueFd(pair[1]), 4, {}));
  EXPECT_TRUE(sets_.Open(4, O_WRONLY | O_APPEND, &error_));
  EXPECT_FALSE(sets_.Open(4, O_WRONLY | O_TRUNC, &error_));
  EXPECT_EQ(error_, EINVAL);
}

}  // namespace
}  // namespace davit::qmp
