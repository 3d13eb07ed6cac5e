// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// AF_VSOCK between the host and Debian's kernel in the guest, on both boards, through the host's
// vhost-vsock. Skips where the host has none.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
// After sys/socket.h, whose types it uses.
#include <linux/vm_sockets.h>

#include <array>
#include <map>
#include <utility>

#include "tests/guest/linux_devices.h"
#include "tests/guest/pattern.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

constexpr unsigned kFirstCid = 4242;
constexpr size_t kBytes = 1 << 20;

sockaddr_vm Address(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

// None of its calls waits for ever.
UniqueFd Socket() {
  UniqueFd fd(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_TRUE(fd) << errno;
  const timeval patience{kReplyTime.count() / 1000, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(fd.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof patience);
  return fd;
}

// False: the peer is gone, or takes nothing.
bool SendAll(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return shutdown(fd, SHUT_WR) == 0;
}

std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 65536> buffer;
  for (ssize_t n; (n = recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  return text;
}

class LinuxGuestVsock : public ::testing::TestWithParam<LinuxBoard> {
 protected:
  static void TearDownTestSuite() { guests_.clear(); }

  void SetUp() override {
    if (std::string why = WhyNoLinux(); !why.empty()) GTEST_SKIP() << why;
    if (access("/dev/vhost-vsock", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/vhost-vsock here";
    if (!guests_.contains(GetParam().machine)) Start(GetParam());
    ASSERT_NE(guests_[GetParam().machine].vm, nullptr) << "no guest";
  }

  Vm& vm() { return *guests_[GetParam().machine].vm; }
  unsigned cid() { return guests_[GetParam().machine].cid; }

  // A socket to the guest, which listens and gives back what it gets.
  UniqueFd ConnectToEcho(unsigned port) {
    EXPECT_EQ(Ask(vm(), "vsock echo " + std::to_string(port) + "\n", "init: vsock "), "listening");
    UniqueFd fd = Socket();
    const sockaddr_vm address = Address(cid(), port);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
        << errno;
    return fd;
  }

 private:
  struct Guest {
    unsigned cid = 0;
    std::unique_ptr<Vm> vm;  // null: it did not start
  };

  static void Start(const LinuxBoard& board) {
    Guest& guest = guests_[board.machine];
    guest.cid = kFirstCid + static_cast<unsigned>(guests_.size());
    auto vm = StartLinux(
        {"-machine", board.machine, "-device",
         std::string("vhost-vsock") + board.suffix + ",guest-cid=" + std::to_string(guest.cid)});
    ASSERT_NE(vm, nullptr);
    auto line = WaitForInit(*vm);
    ASSERT_TRUE(line) << line.error();
    Ask(*vm,
        "load virtio_ring virtio " + std::string(board.transport) +
            " vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport\n",
        "init: load ");
    guest.vm = std::move(vm);
  }

  static inline std::map<std::string, Guest> guests_;  // by machine
};

TEST_P(LinuxGuestVsock, BytesGoFromTheHostToTheGuestAndBack) {
  const UniqueFd fd = ConnectToEcho(1234);
  const std::string text = PatternText(kBytes);
  ASSERT_TRUE(SendAll(fd.get(), text)) << errno;
  const std::string back = ReadAll(fd.get());
  EXPECT_EQ(back.size(), text.size());
  EXPECT_TRUE(back == text);
}

TEST_P(LinuxGuestVsock, BytesGoFromTheGuestToTheHostAndBack) {
  const UniqueFd listener = Socket();
  sockaddr_vm address = Address(VMADDR_CID_ANY, VMADDR_PORT_ANY);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_OK(vm().serial().Send("vsock send " + std::to_string(address.svm_port) + " " +
                               std::to_string(kBytes) + "\n"));
  sockaddr_vm from{};
  size = sizeof from;
  const UniqueFd peer(accept(listener.get(), reinterpret_cast<sockaddr*>(&from), &size));
  ASSERT_TRUE(peer) << errno;
  EXPECT_EQ(from.svm_cid, cid());
  const std::string text = ReadAll(peer.get());
  EXPECT_TRUE(text == PatternText(kBytes)) << text.size();
  ASSERT_TRUE(SendAll(peer.get(), text)) << errno;
  EXPECT_EQ(vm().serial().WaitForLine("init: vsock ", kReplyTime),
            "back " + std::to_string(kBytes) + " same");
}

TEST_P(LinuxGuestVsock, WhatAStoppedGuestIsSentArrivesWhenItGoesOn) {
  const UniqueFd fd = ConnectToEcho(1235);
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(vm().qmp().Execute("stop"));
    ASSERT_EQ(send(fd.get(), "hello", 5, MSG_NOSIGNAL), 5);
    ASSERT_OK(vm().qmp().Execute("cont"));
  }
  ASSERT_TRUE(SendAll(fd.get(), "bye"));
  EXPECT_EQ(ReadAll(fd.get()), "hellohellohellobye");
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestVsock, ::testing::ValuesIn(kLinuxBoards), BoardName);

}  // namespace
}  // namespace davit::testing
