// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Network cards and their back ends on davitd, in a network namespace of the test's own: tap
// interfaces with their scripts, descriptors passed over the monitor, what is refused and how.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/integration/common.h"

namespace davit::testing {
namespace {

using json::Object;
using json::Value;

std::unique_ptr<Vm> StartVm(std::vector<std::string> args) {
  auto vm = Vm::Start({.args = std::move(args), .serial_stdio = false});
  if (!vm) ADD_FAILURE() << vm.error();
  return vm ? std::move(*vm) : nullptr;
}

// The reply's text, or the error's.
std::string Do(Vm& vm, std::string_view command, Object arguments = {}) {
  auto reply = vm.qmp().Execute(command, std::move(arguments), kReplyTime);
  if (!reply) return reply.error().message;
  const std::string* text = reply->AsString();
  return text != nullptr ? *text : "ok";
}

std::string Info(Vm& vm) {
  return Do(vm, "human-monitor-command", Object{{"command-line", "info network"}});
}

// Why -device with these values is refused.
std::string Refusal(const std::vector<std::string>& args) {
  std::vector<std::string> all{"-S", "-m", "16M", "-nodefaults"};
  all.insert(all.end(), args.begin(), args.end());
  const RunResult result = Davitd(std::move(all));
  EXPECT_EQ(result.status, 1) << result.err;
  return result.err;
}

class NetworkTest : public VmTest {};

class TapNetworkTest : public NetworkTest {
 protected:
  void SetUp() override {
    NetworkTest::SetUp();
    if (IsSkipped()) return;
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "needs root and /dev/net/tun";
    }
  }
  std::string Script(const std::string& name, const std::string& text) {
    const std::string path = dir_.File(name);
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    chmod(path.c_str(), 0755);
    return path;
  }
  TempDir dir_;
};

TEST_F(NetworkTest, DefaultAddressesCountUp) {
  auto vm = StartVm({"-S", "-m", "64M", "-netdev", "user,id=a", "-device",
                     "virtio-net-device,netdev=a,id=n0", "-device", "virtio-net-device"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Info(*vm),
            "n0: index=0,type=nic,model=virtio-net-device,macaddr=52:54:00:12:34:56\r\n"
            " \\ a: index=0,type=user,net=10.0.2.0,restrict=off\r\n"
            "virtio-net-device.1: index=0,type=nic,model=virtio-net-device,"
            "macaddr=52:54:00:12:34:57\r\n");
  EXPECT_CONTAINS(vm->process().Stderr(), "warning: nic virtio-net-device.1 has no peer");
}

TEST_F(NetworkTest, AShortFormMakesBoth) {
  auto vm = StartVm({"-S", "-m", "64M", "-nic", "user,mac=52:54:00:00:00:09,restrict=on"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Info(*vm),
            "virtio-net-device.0: index=0,type=nic,model=virtio-net-device,"
            "macaddr=52:54:00:00:00:09\r\n"
            " \\ #net000: index=0,type=user,net=10.0.2.0,restrict=on\r\n");
}

TEST_F(NetworkTest, WithoutAnOptionThereIsNoCard) {
  auto vm = StartVm({"-S", "-m", "64M", "-M", "q35"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Info(*vm), "");
}

TEST_F(NetworkTest, LinksAndFilterByName) {
  auto vm = StartVm({"-S", "-m", "64M", "-M", "q35", "-netdev", "user,id=a", "-device",
                     "virtio-net-pci,netdev=a,id=n0"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Do(*vm, "set_link", Object{{"name", "n0"}, {"up", false}}), "ok");
  EXPECT_EQ(Do(*vm, "set_link", Object{{"name", "a"}, {"up", true}}), "ok");
  auto filter = vm->qmp().Execute("query-rx-filter", Object{{"name", "n0"}});
  ASSERT_OK(filter);
  const Value& row = (*filter->AsArray())[0];
  EXPECT_EQ(row["main-mac"], Value("52:54:00:12:34:56"));
  EXPECT_EQ(row["promiscuous"], Value(true));
  EXPECT_EQ(row["vlan"], Value("all"));
  EXPECT_EQ(row["vlan-table"].AsArray()->size(), 4096U);
}

TEST_F(NetworkTest, ACardOutlivesItsNetdev) {
  auto vm = StartVm(
      {"-S", "-m", "64M", "-netdev", "user,id=a", "-device", "virtio-net-device,netdev=a,id=n0"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Do(*vm, "netdev_del", Object{{"id", "a"}}), "ok");
  EXPECT_EQ(Do(*vm, "netdev_del", Object{{"id", "a"}}), "Device 'a' not found");
  EXPECT_EQ(Do(*vm, "netdev_add", Object{{"type", "user"}, {"id", "a"}}), "ok");
  EXPECT_EQ(Do(*vm, "set_link", Object{{"name", "n0"}, {"up", true}}), "ok");
  EXPECT_EQ(Do(*vm, "system_reset"), "ok");
}

TEST_F(NetworkTest, MistakesAreNamed) {
  const auto device = [](const std::string& text) {
    return Refusal({"-netdev", "user,id=x", "-device", text});
  };
  const auto expected = [](const std::string& text, const std::string& why) {
    return "davitd: -device " + text + ": " + why + "\n";
  };
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"virtio-net-device,netdev=nope",
            "Property 'virtio-net-device.netdev' can't find value 'nope'"},
           {"virtio-net-device,mac=foo",
            "Property 'virtio-net-device.mac' doesn't take value 'foo'"},
           {"virtio-net-device,rx_queue_size=300",
            "Invalid rx_queue_size (= 300), must be a power of 2 between 256 and 1024."},
           {"virtio-net-device,tx_queue_size=128",
            "Invalid tx_queue_size (= 128), must be a power of 2 between 256 and 1024"},
           {"virtio-net-device,speed=-2", "'speed' must be between 0 and INT_MAX"},
           {"virtio-net-device,duplex=foo", "'duplex' must be 'half' or 'full'"},
           {"virtio-net-device,tx=timer", "Property 'virtio-net-device.tx' not found"},
       }) {
    EXPECT_EQ(device(text), expected(text, why));
  }
  EXPECT_CONTAINS(Refusal({"-netdev", "user,id=x", "-device", "virtio-net-device,netdev=x",
                           "-device", "virtio-net-device,netdev=x"}),
                  "Property 'virtio-net-device.netdev' can't take value 'x', it's in use");
}

TEST_F(TapNetworkTest, MistakesWithVhostAreNamed) {
  const auto tap = [](const std::string& options) {
    const std::string text = "tap,id=x,ifname=dv0,script=no,downscript=no," + options;
    const std::string head = "davitd: -netdev " + text + ": ";
    const std::string refusal = Refusal({"-netdev", text});
    return refusal.starts_with(head) ? refusal.substr(head.size()) : refusal;
  };
  EXPECT_EQ(tap("vhost=off,vhostfd=9"), "vhostfd(s)= is not valid without vhost\n");
  EXPECT_EQ(tap("vhostfds=9"), "vhostfds= is invalid if fds= wasn't specified\n");
  EXPECT_EQ(tap("vhostfd=77"), "x: Can't use file descriptor 77: Bad file descriptor\n");
  EXPECT_EQ(tap("vhostfd=0"),
            "file descriptor 0 is not a vhost device: Inappropriate ioctl for device\n");
  EXPECT_EQ(tap("queues=2,vhostfd=0"), "vhostfd= is invalid with several queues\n");
  if (access("/dev/vhost-net", F_OK) != 0) {
    for (const char* how : {"vhost=on", "vhostforce=on"}) {
      EXPECT_EQ(tap(how), "tap: open vhost char device failed: No such file or directory\n");
    }
  }
  EXPECT_EQ(if_nametoindex("dv0"), 0U);
}

TEST_F(TapNetworkTest, ScriptsComeWithTheInterface) {
  const std::string up = Script("up", "echo \"$1\" > " + dir_.File("is-up"));
  const std::string down = Script("down", "echo \"$1\" > " + dir_.File("is-down"));
  auto vm = StartVm(
      {"-M", "none", "-netdev", "tap,id=t,ifname=dv0,script=" + up + ",downscript=" + down});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(ReadFile(dir_.File("is-up")), "dv0\n");
  EXPECT_NE(if_nametoindex("dv0"), 0U);
  EXPECT_EQ(Info(*vm),
            "t: index=0,type=tap,ifname=dv0,script=" + up + ",downscript=" + down + "\r\n");
  EXPECT_FALSE(Exists(dir_.File("is-down")));
  EXPECT_EQ(Do(*vm, "netdev_del", Object{{"id", "t"}}), "ok");
  EXPECT_EQ(ReadFile(dir_.File("is-down")), "dv0\n");
  EXPECT_EQ(if_nametoindex("dv0"), 0U);
}

TEST_F(TapNetworkTest, TheDownScriptRunsAtTheEndToo) {
  const std::string down = Script("down", "echo \"$1\" > " + dir_.File("is-down"));
  auto vm = StartVm({"-M", "none", "-netdev", "tap,id=t,ifname=dv0,script=no,downscript=" + down});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Do(*vm, "quit"), "ok");
  ASSERT_OK(vm->process().Wait(kReplyTime));
  EXPECT_EQ(ReadFile(dir_.File("is-down")), "dv0\n");
}

TEST_F(TapNetworkTest, AFailedScriptLeavesNothing) {
  const std::string netdev = "tap,id=t,ifname=dv0,script=/bin/false";
  EXPECT_EQ(Refusal({"-M", "none", "-netdev", netdev}),
            "davitd: -netdev " + netdev + ": network script /bin/false failed with status 256\n");
  EXPECT_EQ(if_nametoindex("dv0"), 0U);
}

// As qemu-bridge-helper: it makes the interface, puts it into the bridge, and passes it on.
TEST_F(TapNetworkTest, AHelperMakesTheInterface) {
  const std::string helper = dir_.File("helper");
  std::ofstream(helper) << "#!/usr/bin/env python3\n"
                           "import fcntl, os, socket, struct, sys\n"
                           "open(sys.argv[0] + '.args', 'w').write(' '.join(sys.argv[1:]))\n"
                           "fd = next(int(a[5:]) for a in sys.argv if a.startswith('--fd='))\n"
                           "tap = os.open('/dev/net/tun', os.O_RDWR)\n"
                           "name = struct.pack('16sH22x', b'dv2', 0x5002)\n"  // tap, vnet_hdr
                           "fcntl.ioctl(tap, 0x400454ca, name)\n"
                           "socket.send_fds(socket.socket(fileno=fd), [b'x'], [tap])\n";
  chmod(helper.c_str(), 0755);
  auto vm = StartVm({"-M", "none", "-netdev", "tap,id=t,br=br7,helper=" + helper});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(Info(*vm), "t: index=0,type=tap,helper=" + helper);
  EXPECT_NE(if_nametoindex("dv2"), 0U);
  const std::string args = ReadFile(helper + ".args");
  EXPECT_TRUE(args.starts_with("--use-vnet --fd=")) << args;
  EXPECT_TRUE(args.ends_with(" --br=br7")) << args;
  EXPECT_EQ(Do(*vm, "netdev_del", Object{{"id", "t"}}), "ok");
  EXPECT_EQ(if_nametoindex("dv2"), 0U) << "the descriptor is closed";
}

TEST_F(TapNetworkTest, ADescriptorComesOverTheMonitor) {
  UniqueFd tap(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(tap);
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  std::string("dv1").copy(request.ifr_name, IFNAMSIZ - 1);
  ASSERT_EQ(ioctl(tap.get(), TUNSETIFF, &request), 0);
  auto vm = StartVm({"-M", "none"});
  ASSERT_NE(vm, nullptr);
  ASSERT_TRUE(SendWithFds(vm->qmp().fd(), R"({"execute":"getfd","arguments":{"fdname":"tap0"}})",
                          {tap.get()}));
  ASSERT_OK(vm->qmp().ReadMessage(kReplyTime));
  tap.reset();
  EXPECT_EQ(Do(*vm, "netdev_add", Object{{"type", "tap"}, {"id", "t"}, {"fd", "tap0"}}), "ok");
  EXPECT_CONTAINS(Info(*vm), "t: index=0,type=tap,fd=");
  EXPECT_NE(if_nametoindex("dv1"), 0U);
  EXPECT_EQ(Do(*vm, "netdev_add", Object{{"type", "tap"}, {"id", "u"}, {"fd", "tap0"}}),
            "File descriptor named 'tap0' has not been found");
  EXPECT_EQ(Do(*vm, "netdev_del", Object{{"id", "t"}}), "ok");
  EXPECT_EQ(if_nametoindex("dv1"), 0U) << "the descriptor is closed";
}

TEST_F(TapNetworkTest, ManyNetdevsLeaveNothingBehind) {
  auto vm = StartVm({"-M", "none"});
  ASSERT_NE(vm, nullptr);
  const auto cycle = [&] {
    for (const char* type : {"user", "tap"}) {
      Object options{{"type", type}, {"id", "x"}};
      if (std::string_view(type) == "tap") {
        options.Set("script", "no");
        options.Set("downscript", "no");
      }
      EXPECT_EQ(Do(*vm, "netdev_add", options), "ok");
      EXPECT_EQ(Do(*vm, "netdev_del", Object{{"id", "x"}}), "ok");
    }
  };
  cycle();
  const int before = OpenDescriptors(vm->process().pid());
  for (int i = 0; i < 50; ++i) cycle();
  EXPECT_EQ(OpenDescriptors(vm->process().pid()), before);
}

}  // namespace
}  // namespace davit::testing
