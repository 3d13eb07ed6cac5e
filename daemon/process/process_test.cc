// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of pidfile.h, daemonize.h, service_manager.h and signals.h. Children are forked: what is
// tested concerns processes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "daemon/process/daemonize.h"
#include "daemon/process/pidfile.h"
#include "daemon/process/service_manager.h"
#include "daemon/process/signals.h"
#include "tests/support/notify_socket.h"
#include "vmm/io/asio_event_loop.h"

namespace davit::daemon {
namespace {

using davit::testing::NotifySocket;

std::string TempPath(const std::string& name) {
  const char* folder = std::getenv("TEST_TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/" + name;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Runs fn in a child and gives its exit status.
int InChild(const std::function<int()>& fn) {
  const pid_t pid = fork();
  if (pid == 0) _exit(fn());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(PidFileTest, HoldsThePidAndGoesAwayWithItsOwner) {
  const std::string path = TempPath("pid1");
  {
    auto file = PidFile::Create(path);
    ASSERT_TRUE(file) << file.error();
    EXPECT_EQ(ReadAll(path), std::to_string(getpid()) + "\n");
    struct stat info {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST(PidFileTest, OneOwnerAtATime) {
  const std::string path = TempPath("pid2");
  auto first = PidFile::Create(path);
  ASSERT_TRUE(first);
  const auto second = PidFile::Create(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "cannot create PID file: Cannot lock pid file: Resource temporarily unavailable");
  EXPECT_EQ(ReadAll(path), std::to_string(getpid()) + "\n");
}

TEST(PidFileTest, StaleFileOfADeadProcessIsTakenOver) {
  const std::string path = TempPath("pid3");
  std::ofstream(path) << "999999999 and more text than a pid\n";
  auto file = PidFile::Create(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(ReadAll(path), std::to_string(getpid()) + "\n");
}

TEST(PidFileTest, MissingFolderIsNamed) {
  EXPECT_EQ(PidFile::Create("/nonexistent/p").error().message,
            "cannot create PID file: Could not create '/nonexistent/p': No such file or directory");
}

TEST(DaemonizeTest, ParentEndsWellOnlyAfterDetach) {
  const std::string path = TempPath("detached");
  const int status = InChild([&] {
    auto daemonizer = Daemonizer::Fork();
    if (!daemonizer) return 3;
    { std::ofstream(path) << getpid(); }
    return daemonizer->Detach() ? 0 : 4;
  });
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(ReadAll(path).empty());
}

TEST(DaemonizeTest, ParentFailsWhenTheChildDiesBefore) {
  const int status = InChild([] {
    auto daemonizer = Daemonizer::Fork();
    return 0;  // never detached
  });
  EXPECT_EQ(status, 1);
}

// What a caller does next (read the error, start again) must not come before the end of the first.
TEST(DaemonizeTest, ParentWaitsForTheEndOfAChildThatFailed) {
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    close(go[1]);
    { auto daemonizer = Daemonizer::Fork(); }  // failed, and goes on to clean up
    char byte = 0;
    _exit(read(go[0], &byte, 1) == 0 ? 3 : 4);
  }
  close(go[0]);
  const UniqueFd parent(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  ASSERT_TRUE(parent);
  pollfd ended{parent.get(), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 100), 0) << "the parent has ended before its child";
  close(go[1]);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

TEST(SignalsTest, SignalIsDescribedOnTheLoop) {
  const int status = InChild([] {
    TerminationSignals::Block();
    io::AsioEventLoop loop;
    std::string what;
    auto signals = TerminationSignals::Watch(loop, [&](const std::string& text) {
      what = text;
      loop.Stop();
    });
    if (!signals) return 3;
    kill(getpid(), SIGTERM);
    loop.Run();
    return what.starts_with("terminating on signal 15 from pid " + std::to_string(getpid())) ? 0
                                                                                             : 4;
  });
  EXPECT_EQ(status, 0);
}

// Paths of bazel's folders are too long for an address.
std::string ManagerAddress(const std::string& kind) {
  return kind + (kind == "@" ? "" : "tmp/") + "davit-test-" + std::to_string(getpid());
}

class ServiceManagerTest : public ::testing::Test {
 protected:
  void TearDown() override { unsetenv("NOTIFY_SOCKET"); }
};

class ServiceManagerSocketTest : public ServiceManagerTest,
                                 public ::testing::WithParamInterface<const char*> {};

TEST_P(ServiceManagerSocketTest, IsToldOfTheSetUpAndOfTheEnd) {
  NotifySocket socket(ManagerAddress(GetParam()));
  auto manager = ServiceManager::FromEnvironment();
  ASSERT_TRUE(manager) << manager.error();
  EXPECT_EQ(getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(socket.Next(std::chrono::milliseconds(0)), "");
  EXPECT_TRUE(manager->Ready());
  EXPECT_EQ(socket.Next(), "READY=1");
  EXPECT_TRUE(manager->Stopping());
  EXPECT_EQ(socket.Next(), "STOPPING=1");
}

INSTANTIATE_TEST_SUITE_P(Addresses, ServiceManagerSocketTest, ::testing::Values("/", "@"),
                         [](const auto& info) {
                           return info.param[0] == '@' ? "Abstract" : "InTheFileSystem";
                         });

TEST_F(ServiceManagerTest, AManagerThatDoesNotReadIsNotWaitedFor) {
  const NotifySocket socket(ManagerAddress("@"));
  auto manager = ServiceManager::FromEnvironment();
  ASSERT_TRUE(manager) << manager.error();
  Status told;
  for (int i = 0; told && i < 100'000; ++i) told = manager->Ready();
  ASSERT_FALSE(told);
  EXPECT_TRUE(told.error().message.ends_with(": Resource temporarily unavailable")) << told.error();
}

TEST_F(ServiceManagerTest, NobodyAskedNothingIsSent) {
  auto manager = ServiceManager::FromEnvironment();
  ASSERT_TRUE(manager);
  EXPECT_TRUE(manager->Ready());
}

TEST_F(ServiceManagerTest, AnAddressOfNoUseIsNamed) {
  setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
  EXPECT_EQ(ServiceManager::FromEnvironment().error().message,
            "NOTIFY_SOCKET: 'vsock:2:1' is not the address of a UNIX socket");
  const std::string longest = "/" + std::string(107, 'x');
  setenv("NOTIFY_SOCKET", longest.c_str(), 1);
  EXPECT_EQ(ServiceManager::FromEnvironment().error().message,
            "NOTIFY_SOCKET: '" + longest + "' is too long for a UNIX socket");
}

TEST_F(ServiceManagerTest, AManagerThatIsGoneIsNamed) {
  setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
  auto manager = ServiceManager::FromEnvironment();
  ASSERT_TRUE(manager);
  EXPECT_EQ(manager->Ready().error().message,
            "NOTIFY_SOCKET: cannot tell 'READY=1' to '/nonexistent/notify': No such file or "
            "directory");
}

}  // namespace
}  // namespace davit::daemon
