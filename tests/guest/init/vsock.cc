// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// AF_VSOCK between guest and host. Either end sends all it has before it reads the answer, so that
// no buffer in between can hold both up.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
// After sys/socket.h, whose types it uses.
#include <linux/vm_sockets.h>

#include <string>

#include "tests/guest/init/commands.h"
#include "tests/guest/pattern.h"

namespace init {
namespace {

sockaddr_vm Address(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

bool SendAll(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return shutdown(fd, SHUT_WR) == 0;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

// A child gives one peer back what it has sent.
void Echo(unsigned port) {
  const int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_vm address = Address(VMADDR_CID_ANY, port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, 1) != 0) {
    printf("init: vsock %s\n", strerror(errno));
    return;
  }
  if (fork() == 0) {
    const int peer = accept(listener, nullptr, nullptr);
    SendAll(peer, ReadAll(peer));
    _exit(0);
  }
  close(listener);
  printf("init: vsock listening\n");
}

void Send(unsigned port, size_t bytes) {
  const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{20, 0};
  setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience);
  const sockaddr_vm address = Address(VMADDR_CID_HOST, port);
  const std::string text = davit::testing::PatternText(bytes);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      !SendAll(fd, text)) {
    printf("init: vsock %s\n", strerror(errno));
  } else {
    const std::string back = ReadAll(fd);
    printf("init: vsock back %zu %s\n", back.size(), back == text ? "same" : "different");
  }
  close(fd);
}

}  // namespace

void UseSocket(const std::string& arguments) {
  char word[16];
  unsigned port = 0;
  size_t bytes = 0;
  const int got = sscanf(arguments.c_str(), "%15s %u %zu", word, &port, &bytes);
  if (got == 2 && strcmp(word, "echo") == 0) {
    Echo(port);
  } else if (got == 3 && strcmp(word, "send") == 0) {
    Send(port, bytes);
  } else {
    printf("init: vsock what?\n");
  }
}

}  // namespace init
