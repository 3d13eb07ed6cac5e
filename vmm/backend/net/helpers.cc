// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See helpers.h. posix_spawn: the process has threads. Other descriptors of the process are
// close-on-exec.
#include "vmm/backend/net/helpers.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "vmm/base/log.h"
#include "vmm/base/waiting.h"

namespace davit::backend {
namespace {

// What a program that cannot be run ends with, as wait() gives it.
constexpr int kNotRun = 256;

// Signals as after exec by a shell: the process blocks some and ignores SIGPIPE.
void ResetSignals(posix_spawnattr_t& attributes) {
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

// The process id, or -1. keep_fd: stays open in the child; -1: none.
pid_t Spawn(const std::vector<std::string>& words, int keep_fd) {
  std::vector<char*> arguments;
  std::vector<std::string> copies = words;
  arguments.reserve(copies.size() + 1);
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_init(&actions);
  ResetSignals(attributes);
  // Onto itself: close-on-exec goes.
  if (keep_fd >= 0) posix_spawn_file_actions_adddup2(&actions, keep_fd, keep_fd);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, words[0].c_str(), &actions, &attributes, arguments.data(), environ);
  if (error != 0) {
    DAVIT_LOG_WARN("{}: {}", words[0], std::strerror(error));
    pid = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return pid;
}

int WaitToTheEnd(pid_t pid) {
  if (pid < 0) return kNotRun;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return kNotRun;
  }
  return status;
}

// What it ended with. Error: a signal, which has ended the process, too.
Result<int> WaitUntilSignal(pid_t pid, const std::string& what) {
  if (pid < 0) return kNotRun;
  const UniqueFd ended(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (ended && !WaitUntilReadable(ended.get())) {
    const int error = errno;
    kill(pid, SIGTERM);
    return FailErrno(what + " has not ended", error);
  }
  return WaitToTheEnd(pid);
}

// The descriptor that comes with a message. The sender may go without one.
UniqueFd ReceiveFd(int socket) {
  std::array<char, 64> text;
  iovec piece{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n;
  do {
    n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return {};
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return {};
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return UniqueFd(fd);
}

}  // namespace

Status RunNetworkScript(ScriptKind kind, const std::string& script, const std::string& interface) {
  const pid_t pid = Spawn({script, interface}, -1);
  int status = 0;
  if (kind == ScriptKind::kDown) {
    status = WaitToTheEnd(pid);
  } else {
    DAVIT_ASSIGN(status, WaitUntilSignal(pid, "network script " + script));
  }
  if (status == 0) return {};
  return Fail(fmt::format("network script {} failed with status {}", script, status));
}

Result<UniqueFd> RunBridgeHelper(const std::string& helper, const std::string& bridge) {
  std::array<int, 2> pair;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return FailErrno("socketpair() failed");
  }
  const UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  const std::string fd_word = fmt::format("--fd={}", theirs.get());
  const std::string bridge_word = fmt::format("--br={}", bridge);
  std::vector<std::string> words{helper, "--use-vnet", fd_word, bridge_word};
  if (helper.find_first_of(" \t") != std::string::npos) {
    std::string line = fmt::format("{} --use-vnet {}", helper, fd_word);
    if (helper.find("--br=") == std::string::npos) line += " " + bridge_word;
    words = {"/bin/sh", "-c", line};
  }
  const pid_t pid = Spawn(words, theirs.get());
  theirs.reset();
  UniqueFd fd;
  if (pid >= 0 && WaitUntilReadable(ours.get())) fd = ReceiveFd(ours.get());
  DAVIT_ASSIGN(const int status, WaitUntilSignal(pid, "bridge helper"));
  if (status != 0 || !fd) return Fail("bridge helper failed");
  return fd;
}

}  // namespace davit::backend
