// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Network cards under Debian's virtio_net: megabytes over TCP, both ways and begun from either
// side, through the user-mode stack, through a tap that davitd serves and one that the host's
// kernel serves (vhost-net); across a stopped VM; what the guest sees of its cable. All in a
// network namespace of the test's own.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "tests/guest/linux_devices.h"
#include "tests/guest/own_network.h"
#include "tests/guest/pattern.h"
#include "tests/guest/tcp_peer.h"

namespace davit::testing {
namespace {

constexpr size_t kBytes = 2 * kMiB;

// One card: how the ends reach each other.
struct Link {
  std::string name;   // of the netdev
  std::string mac;    // of the card, and so its interface in the guest
  std::string host;   // address of the host as the guest sees it
  std::string guest;  // address of the guest
};
const Link kUser = {"user", "52:54:00:00:00:01", "10.0.2.2", "10.0.2.15"};
// The taps of two guests may be there at the same time.
Link TapOf(const LinuxBoard& board) {
  const std::string net = std::string_view(board.machine) == "q35" ? "192.0.2." : "203.0.113.";
  return {"tap", "52:54:00:00:00:02", net + "1", net + "2"};
}
Link VhostOf(const LinuxBoard& board) {
  const std::string net = std::string_view(board.machine) == "q35" ? "198.51.100." : "198.18.0.";
  return {"vhost", "52:54:00:00:00:03", net + "1", net + "2"};
}
constexpr uint16_t kGuestPort = 7000;  // 0x1b58

// The up script gives the host its address.
std::string TapOptions(const LinuxDevices& guest, const Link& link) {
  const std::string script = guest.dir.File(link.name + "-up");
  std::ofstream(script) << "#!/bin/busybox sh\n"
                        << "/bin/busybox ip addr add " << link.host << "/24 dev $1 &&\n"
                        << "/bin/busybox ip link set $1 up\n";
  chmod(script.c_str(), 0755);
  return "tap,id=" + link.name + ",script=" + script + ",downscript=no";
}

bool StartNetGuest(LinuxDevices& guest, const LinuxBoard& board) {
  OwnNetwork();
  Args args = {"-smp", "2"};
  const auto add = [&](const std::string& netdev, const Link& link, const std::string& options) {
    args.insert(args.end(), {"-netdev", netdev, "-device",
                             std::string("virtio-net") + board.suffix + ",netdev=" + link.name +
                                 ",mac=" + link.mac + options});
  };
  // The host's port that leads to kGuestPort.
  const uint16_t forwarded = FreeTcpPort();
  std::ofstream(guest.dir.File("forwarded")) << forwarded;
  add("user,id=user,hostfwd=tcp:127.0.0.1:" + std::to_string(forwarded) +
          "-:" + std::to_string(kGuestPort),
      kUser, ",packed=on");
  const Link tap = TapOf(board), vhost = VhostOf(board);
  if (HasTap()) add(TapOptions(guest, tap) + ",queues=2", tap, ",mq=on");
  if (HasVhost()) add(TapOptions(guest, vhost) + ",vhost=on", vhost, "");
  return StartLinuxDevices(guest, board, std::move(args), "failover net_failover virtio_net");
}

std::string Pattern(uint64_t seed) {
  std::vector<uint64_t> words(kBytes / 8);
  FillPattern(words, seed * words.size());
  return std::string(reinterpret_cast<const char*>(words.data()), kBytes);
}

class LinuxGuestNet : public LinuxDevicesTest {
 protected:
  LinuxDevices* Guest() override { return SharedGuest("net-", GetParam(), StartNetGuest); }

  // The interface of a card, up and with its address.
  std::string Up(const Link& link) {
    const std::string lines = Shell("grep -l " + link.mac + " /sys/class/net/*/address");
    const std::string prefix = "init: | /sys/class/net/";
    const size_t from = lines.find(prefix);
    if (from == std::string::npos) return "none";
    const size_t begin = from + prefix.size();
    const std::string name = lines.substr(begin, lines.find('/', begin) - begin);
    Shell("ip addr flush dev " + name + "; ip addr add " + link.guest + "/24 dev " + name +
          " && ip link set " + name + " up");
    return name;
  }
  uint16_t Forwarded() const {
    std::ifstream in(File("forwarded"));
    unsigned port = 0;
    in >> port;
    return static_cast<uint16_t>(port);
  }
  // Begins a command of the guest's shell; End() waits for it.
  void Begin(const std::string& command) {
    ASSERT_TRUE(vm().serial().Send("sh " + command + "\n"));
  }
  std::string End() {
    auto lines = vm().serial().WaitFor("init: end ", kTransferTime);
    EXPECT_TRUE(lines) << lines.error();
    return lines ? *lines : "";
  }
  void ExpectInGuest(const std::string& path, const std::string& bytes) {
    std::ofstream(File("bytes"), std::ios::binary) << bytes;
    const std::string sum = RunCommand({"/bin/busybox", "md5sum", File("bytes")}).out.substr(0, 32);
    EXPECT_CONTAINS(Shell("md5sum " + path), sum);
  }

  void GuestConnects(const Link& link) {
    TcpListener listener;
    const std::string peer = link.host + " " + std::to_string(listener.port());
    const std::string data = Pattern(1);
    Begin("nc " + peer + " </dev/null >/data");
    {
      TcpPeer host = listener.Accept(kTransferTime);
      ASSERT_TRUE(host.connected()) << "the guest did not connect";
      EXPECT_TRUE(host.Send(data));
    }
    EXPECT_CONTAINS(End(), "init: end 0");
    ExpectInGuest("/data", data);
    Begin("nc " + peer + " </data");
    {
      TcpPeer host = listener.Accept(kTransferTime);
      ASSERT_TRUE(host.connected()) << "the guest did not connect";
      EXPECT_TRUE(host.ReceiveAll() == data) << "the host got other bytes";
    }
    EXPECT_CONTAINS(End(), "init: end 0");
  }

  // The guest listens when this returns; when it has ended, the file /served is there.
  void Serve(const std::string& redirections) {
    const std::string port = std::to_string(kGuestPort);
    EXPECT_EQ(
        Ask(vm(), "spawn rm -f /served; nc -l -p " + port + " " + redirections + "; >/served\n",
            "init: spawn "),
        "done");
    Shell("until cat /proc/net/tcp /proc/net/tcp6 | grep -q ':1B58 .* 0A '; do :; done");
  }
  void HostConnects(const Link& link) {
    const bool user = link.name == "user";
    const std::string address = user ? "127.0.0.1" : link.guest;
    const uint16_t port = user ? Forwarded() : kGuestPort;
    const std::string data = Pattern(2);
    Serve("</dev/null >/data");
    {
      TcpPeer host = TcpPeer::Connect(address, port);
      ASSERT_TRUE(host.connected()) << "the guest cannot be reached";
      EXPECT_TRUE(host.Send(data));
    }
    Shell("until [ -e /served ]; do :; done");
    ExpectInGuest("/data", data);
    Serve("</data");
    TcpPeer host = TcpPeer::Connect(address, port);
    ASSERT_TRUE(host.connected()) << "the guest cannot be reached";
    EXPECT_TRUE(host.ReceiveAll() == data) << "the host got other bytes";
  }

  // A transfer out of the guest, in whose midst the VM stops and goes on.
  void StopsInTheMidst(const Link& link) {
    TcpListener listener;
    Begin("dd if=/dev/zero bs=1024 count=3072 2>/dev/null | tr '\\0' d | nc " + link.host + " " +
          std::to_string(listener.port()));
    TcpPeer host = listener.Accept(kTransferTime);
    ASSERT_TRUE(host.connected()) << "the guest did not connect";
    EXPECT_EQ(host.Receive(kMiB), std::string(kMiB, 'd'));
    ASSERT_OK(vm().qmp().Execute("stop"));
    ASSERT_OK(vm().qmp().WaitEvent("STOP", kReplyTime));
    ASSERT_OK(vm().qmp().Execute("cont"));
    ASSERT_OK(vm().qmp().WaitEvent("RESUME", kReplyTime));
    EXPECT_TRUE(host.ReceiveAll() == std::string(2 * kMiB, 'd')) << "the host got other bytes";
    host = TcpPeer();
    EXPECT_CONTAINS(End(), "init: end 0");
  }

  static constexpr milliseconds kTransferTime{40'000};
};

TEST_P(LinuxGuestNet, UserNetworkCarriesTcpBothWays) {
  Up(kUser);
  GuestConnects(kUser);
  HostConnects(kUser);
}

TEST_P(LinuxGuestNet, TapCarriesTcpBothWays) {
  if (!HasTap()) GTEST_SKIP() << "no right to make taps";
  const Link tap = TapOf(GetParam());
  Up(tap);
  GuestConnects(tap);
  HostConnects(tap);
  StopsInTheMidst(tap);
}

TEST_P(LinuxGuestNet, VhostCarriesTcpBothWays) {
  if (!HasVhost()) GTEST_SKIP() << "no /dev/vhost-net";
  const Link vhost = VhostOf(GetParam());
  Up(vhost);
  // The kernel's thread is named for its owner.
  const std::string worker = "vhost-" + std::to_string(vm().process().pid()) + "\n";
  bool found = false;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "comm");
    std::string name;
    if (std::getline(in, name)) found |= name + "\n" == worker;
  }
  EXPECT_TRUE(found) << "no thread " << worker;
  GuestConnects(vhost);
  HostConnects(vhost);
  StopsInTheMidst(vhost);
}

TEST_P(LinuxGuestNet, CableIsSeen) {
  const std::string carrier = "/sys/class/net/" + Up(kUser) + "/carrier";
  for (const bool up : {false, true}) {
    ASSERT_OK(vm().qmp().Execute("set_link", json::Object{{"name", "user"}, {"up", up}}));
    Shell("until [ $(cat " + carrier + ") = " + (up ? "1" : "0") + " ]; do :; done");
  }
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestNet, ::testing::ValuesIn(kLinuxBoards), BoardName);

}  // namespace
}  // namespace davit::testing
