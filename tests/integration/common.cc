// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/integration/common.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace davit::testing {

std::string Runfile(const std::string& path) {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  return runfiles == nullptr ? path : std::string(runfiles) + "/davit/" + path;
}

RunResult Davitd(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), DavitdPath());
  return RunCommand(arguments);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

long StatusKiB(pid_t pid, const std::string& key) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":")) return std::stol(line.substr(key.size() + 1));
  }
  return -1;
}

int OpenDescriptors(pid_t pid) {
  int count = 0;
  std::error_code error;
  const std::string path = "/proc/" + std::to_string(pid) + "/fd";
  for (auto it = std::filesystem::directory_iterator(path, error);
       !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    ++count;
  }
  return count;
}

bool WaitForText(const std::string& path, const std::string& text) {
  UniqueFd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (inotify_add_watch(watch.get(), path.c_str(), IN_MODIFY) < 0) return false;
  const auto deadline = std::chrono::steady_clock::now() + kReplyTime;
  while (!Contains(ReadFile(path), text)) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd p{watch.get(), POLLIN, 0};
    if (left.count() <= 0 || poll(&p, 1, static_cast<int>(left.count())) <= 0) return false;
    char events[4096];
    if (read(watch.get(), events, sizeof events) < 0 && errno != EAGAIN) return false;
  }
  return true;
}

bool WaitGone(pid_t pid, milliseconds timeout) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return true;
  pollfd p{pidfd.get(), POLLIN, 0};
  return poll(&p, 1, static_cast<int>(timeout.count())) == 1;
}

std::unique_ptr<Vm> StartReady(std::vector<std::string> args) {
  auto vm = Vm::Start({.args = std::move(args)});
  if (!vm) {
    ADD_FAILURE() << vm.error();
    return nullptr;
  }
  auto text = (*vm)->serial().WaitFor("ready, h for help", kReplyTime);
  EXPECT_TRUE(text) << text.error();
  return text ? std::move(*vm) : nullptr;
}

void ExpectAlive(Vm& vm) {
  vm.serial().DropPending();
  ASSERT_TRUE(vm.serial().Send("b"));
  auto text = vm.serial().WaitFor("ready, h for help", kReplyTime);
  EXPECT_TRUE(text) << text.error();
  auto client = client::Client::Connect(vm.qmp_address());
  ASSERT_OK(client);
  auto status = (*client)->Execute("query-status");
  ASSERT_OK(status);
  EXPECT_EQ((*status)["status"], json::Value("running"));
}

bool SendWithFds(int socket, std::string_view bytes, const std::vector<int>& fds) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  return sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

}  // namespace davit::testing
