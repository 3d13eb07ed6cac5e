// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of waiting.h: the signal is sent to the thread before the wait or by another one during it.
#include "vmm/base/waiting.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace davit {
namespace {

template <typename Address>
const sockaddr* Generic(const Address& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

// The signals are blocked, as davitd has them; those that are still pending are taken at the end.
class WaitingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const sigset_t set = TerminationSet();
    ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set, &before_), 0);
    std::array<int, 2> ends;
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    read_end_.reset(ends[0]);
    write_end_.reset(ends[1]);
  }

  void TearDown() override {
    while (TakePending()) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  static std::optional<int> TakePending() {
    const sigset_t set = TerminationSet();
    const timespec now{};
    const int signal = sigtimedwait(&set, nullptr, &now);
    return signal > 0 ? std::optional(signal) : std::nullopt;
  }

  // A listener whose backlog is full.
  void FillUnix() {
    address_.sun_family = AF_UNIX;
    // Abstract, chosen by the kernel.
    listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(listener_.get(), Generic(address_), sizeof(sa_family_t)), 0);
    length_ = sizeof address_;
    ASSERT_EQ(getsockname(listener_.get(), static_cast<sockaddr*>(static_cast<void*>(&address_)),
                          &length_),
              0);
    ASSERT_EQ(listen(listener_.get(), 0), 0);
    for (;;) {
      UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (connect(client.get(), Generic(address_), length_) != 0) break;
      clients_.push_back(std::move(client));
    }
    ASSERT_EQ(errno, EAGAIN);
  }

  sigset_t before_{};
  UniqueFd read_end_;
  UniqueFd write_end_;
  UniqueFd listener_;
  std::vector<UniqueFd> clients_;
  sockaddr_un address_{};
  socklen_t length_ = 0;
};

TEST_F(WaitingTest, EndsWhenADescriptorIsReady) {
  std::thread writer([this] { EXPECT_EQ(write(write_end_.get(), "x", 1), 1); });
  EXPECT_TRUE(WaitUntilReadable(read_end_.get()));
  writer.join();
}

TEST_F(WaitingTest, ASignalEndsItAndStaysPending) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    raise(signal);
    EXPECT_FALSE(WaitUntilReadable(read_end_.get()));
    EXPECT_EQ(errno, EINTR);
    EXPECT_EQ(TakePending(), signal);
  }
}

TEST_F(WaitingTest, ASignalThatComesMeanwhileEndsIt) {
  std::thread sender([self = pthread_self()] { pthread_kill(self, SIGTERM); });
  EXPECT_FALSE(WaitUntilReadable(read_end_.get()));
  EXPECT_EQ(errno, EINTR);
  sender.join();
}

TEST_F(WaitingTest, WhatIsReadyGoesBeforeASignal) {
  ASSERT_EQ(write(write_end_.get(), "x", 1), 1);
  raise(SIGTERM);
  std::array<pollfd, 2> polled{{{write_end_.get(), 0, 0}, {read_end_.get(), POLLIN, 0}}};
  EXPECT_TRUE(WaitUntilReady(polled));
  EXPECT_EQ(polled[0].revents, 0);
  EXPECT_EQ(polled[1].revents, POLLIN);
}

TEST_F(WaitingTest, ConnectWaitsForRoomInTheBacklog) {
  ASSERT_NO_FATAL_FAILURE(FillUnix());
  std::thread server([this] {
    const UniqueFd first(accept(listener_.get(), nullptr, nullptr));
    EXPECT_TRUE(first);
  });
  int error = 0;
  const UniqueFd fd = ConnectStream(Generic(address_), length_, &error);
  EXPECT_TRUE(fd) << error;
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
  server.join();
}

TEST_F(WaitingTest, ASignalEndsAConnectToAFullBacklog) {
  ASSERT_NO_FATAL_FAILURE(FillUnix());
  std::thread sender([self = pthread_self()] { pthread_kill(self, SIGTERM); });
  int error = 0;
  EXPECT_FALSE(ConnectStream(Generic(address_), length_, &error));
  EXPECT_EQ(error, EINTR);
  sender.join();
  EXPECT_EQ(TakePending(), SIGTERM);
}

TEST_F(WaitingTest, NobodyListens) {
  address_.sun_family = AF_UNIX;
  const std::string path = "/nonexistent/socket";
  path.copy(address_.sun_path, path.size());
  int error = 0;
  EXPECT_FALSE(ConnectStream(Generic(address_), sizeof address_, &error));
  EXPECT_EQ(error, ENOENT);
}

class WaitingTcpTest : public WaitingTest {
 protected:
  void SetUp() override {
    WaitingTest::SetUp();
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    tcp_.sin_family = AF_INET;
    tcp_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(listener_.get(), Generic(tcp_), sizeof tcp_), 0);
    socklen_t length = sizeof tcp_;
    ASSERT_EQ(
        getsockname(listener_.get(), static_cast<sockaddr*>(static_cast<void*>(&tcp_)), &length),
        0);
  }

  sockaddr_in tcp_{};
};

TEST_F(WaitingTcpTest, Connects) {
  ASSERT_EQ(listen(listener_.get(), 1), 0);
  int error = 0;
  const UniqueFd fd = ConnectStream(Generic(tcp_), sizeof tcp_, &error);
  EXPECT_TRUE(fd) << error;
  EXPECT_EQ(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(WaitingTcpTest, IsRefused) {
  int error = 0;
  EXPECT_FALSE(ConnectStream(Generic(tcp_), sizeof tcp_, &error));
  EXPECT_EQ(error, ECONNREFUSED);
}

// A listener with a full queue does not answer.
TEST_F(WaitingTcpTest, ASignalEndsTheWaitForAnAnswer) {
  ASSERT_EQ(listen(listener_.get(), 0), 0);
  for (int i = 0; i < 4; ++i) {
    clients_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)connect(clients_.back().get(), Generic(tcp_), sizeof tcp_);
  }
  raise(SIGHUP);
  int error = 0;
  EXPECT_FALSE(ConnectStream(Generic(tcp_), sizeof tcp_, &error));
  EXPECT_EQ(error, EINTR);
}

}  // namespace
}  // namespace davit
