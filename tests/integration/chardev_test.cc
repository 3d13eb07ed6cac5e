// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The guest's serial port on a ring buffer, a multiplexer, datagrams and a socket that connects
// again, and character devices that come and go by command.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/integration/common.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

using json::Object;
using json::Value;

constexpr const char* kBanner = "davit probe guest";
constexpr const char* kReady = "ready, h for help";

class ChardevTest : public VmTest {
 protected:
  std::unique_ptr<Vm> Start(std::vector<std::string> args) {
    auto vm = Vm::Start({.args = std::move(args), .serial_stdio = false});
    if (!vm) ADD_FAILURE() << vm.error();
    return vm ? std::move(*vm) : nullptr;
  }
  // Takes bytes out of a ring until they hold `text`.
  static std::string ReadRing(Vm& vm, const std::string& id, const std::string& text) {
    std::string all;
    const auto deadline = std::chrono::steady_clock::now() + kReplyTime;
    while (!Contains(all, text) && std::chrono::steady_clock::now() < deadline) {
      auto bytes = vm.qmp().Execute("ringbuf-read", Object{{"device", id}, {"size", 100}});
      if (!bytes) return bytes.error().message;
      all += *bytes->AsString();
    }
    return all;
  }
  UniqueFd Listen(const std::string& path) {
    UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener.get(), 1), 0);
    return listener;
  }
  std::string File(const std::string& name) const { return dir_.File(name); }
  TempDir dir_;
};

TEST_F(ChardevTest, RingHoldsWhatTheGuestSaid) {
  auto vm = Start({"-chardev", "ringbuf,id=r", "-serial", "chardev:r"});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(ReadRing(*vm, "r", kReady), kBanner);
}

TEST_F(ChardevTest, MultiplexerCarriesTheGuestAndItsEscapeEndsTheVm) {
  auto vm = Start({"-chardev", "socket,id=m,path=" + File("m") + ",server=on,wait=off,mux=on",
                   "-serial", "chardev:m"});
  ASSERT_NE(vm, nullptr);
  auto socket = client::Connect(*client::ParseAddress("unix:" + File("m")));
  ASSERT_OK(socket);
  Console console(socket->get());
  ASSERT_OK(console.Send("b"));
  ASSERT_OK(console.WaitFor(kReady, kReplyTime));
  ASSERT_OK(console.Send("\x01h"));
  ASSERT_OK(console.WaitFor("C-a c    switch to the next device", kReplyTime));
  ASSERT_OK(console.Send("\x01x"));
  auto end = vm->qmp().WaitEvent("SHUTDOWN", kReplyTime);
  ASSERT_OK(end);
  EXPECT_EQ(end->data["reason"], Value("host-qmp-quit"));
  EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
}

TEST_F(ChardevTest, SocketConnectsAgainWhenItsPeerComesBack) {
  auto vm = Start({"-serial", "unix:" + File("s") + ",reconnect=1"});
  ASSERT_NE(vm, nullptr);
  for (int i = 0; i < 2; ++i) {  // it comes late, and again
    UniqueFd listener = Listen(File("s"));
    UniqueFd peer(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(peer);
    Console console(peer.get());
    ASSERT_OK(console.Send("b"));
    ASSERT_OK(console.WaitFor(kReady, kReplyTime));
    unlink(File("s").c_str());
  }
  EXPECT_CONTAINS(vm->process().Stderr(),
                  "Unable to connect character device serial0: Failed to connect to '" + File("s") +
                      "': No such file or directory");
}

TEST_F(ChardevTest, DatagramsCarryTheConsole) {
  UniqueFd peer(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(peer.get(), reinterpret_cast<sockaddr*>(&own), sizeof own), 0);
  socklen_t size = sizeof own;
  ASSERT_EQ(getsockname(peer.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  timeval patience{kReplyTime.count() / 1000, 0};
  setsockopt(peer.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);

  auto vm = Start({"-serial", "udp:127.0.0.1:" + std::to_string(ntohs(own.sin_port))});
  ASSERT_NE(vm, nullptr);
  sockaddr_in from{};
  const auto hear = [&](const std::string& text) {
    std::string all;
    while (!Contains(all, text)) {
      char buffer[256];
      size = sizeof from;
      const ssize_t n =
          recvfrom(peer.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 0) return all + " and no more";
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  };
  EXPECT_CONTAINS(hear(kReady), kBanner);
  ASSERT_EQ(sendto(peer.get(), "b", 1, 0, reinterpret_cast<sockaddr*>(&from), sizeof from), 1);
  EXPECT_CONTAINS(hear(kReady), kBanner);
}

TEST_F(ChardevTest, CommandsMakeAndRemoveWithoutATrace) {
  auto vm = StartReady();
  ASSERT_NE(vm, nullptr);
  const auto add = [&](const std::string& type, Object data) {
    return vm->qmp().Execute(
        "chardev-add", Object{{"id", "c"}, {"backend", Object{{"type", type}, {"data", data}}}});
  };
  const auto unix = [&](bool server) {
    return Object{{"addr", Object{{"type", "unix"}, {"data", Object{{"path", File("c")}}}}},
                  {"server", server}};
  };
  const int before = OpenDescriptors(vm->process().pid());
  for (int i = 0; i < 50; ++i) {
    for (auto& [type, data] : std::vector<std::pair<std::string, Object>>{
             {"pty", {}}, {"ringbuf", {}}, {"socket", unix(true)}, {"null", {}}}) {
      ASSERT_OK(add(type, data));
      ASSERT_OK(vm->qmp().Execute("chardev-remove", Object{{"id", "c"}}));
    }
    EXPECT_FALSE(add("socket", unix(false)));
  }
  ASSERT_OK(add("null", {}));
  const auto change = [&](const std::string& id) {
    const Object both_ways{
        {"addr", Object{{"type", "unix"}, {"data", Object{{"path", File("c")}}}}},
        {"server", false},
        {"wait", true}};
    auto reply = vm->qmp().Execute(
        "chardev-change",
        Object{{"id", id}, {"backend", Object{{"type", "socket"}, {"data", both_ways}}}});
    return reply ? "changed" : reply.error().message;
  };
  EXPECT_CONTAINS(change("nope"), "Chardev 'nope' does not exist");
  EXPECT_CONTAINS(change("c"),
                  "Failed to add chardev 'c': 'wait' option is incompatible with socket in client "
                  "connect mode");
  ASSERT_OK(vm->qmp().Execute("chardev-remove", Object{{"id", "c"}}));
  EXPECT_EQ(OpenDescriptors(vm->process().pid()), before);
  EXPECT_FALSE(Exists(File("c")));
  ExpectAlive(*vm);
}

// What waits for a client when the VM runs already, too: the command fails, and the VM ends as
// ever.
TEST_F(ChardevTest, SignalEndsAWaitForAClientAndTheVmInGoodOrder) {
  auto vm = Start({"-S"});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().SendRaw(
      R"({"execute": "chardev-add", "arguments": {"id": "w", "backend": {"type": "socket", "data":
         {"wait": true, "addr": {"type": "unix", "data": {"path": ")" +
      File("w") + R"("}}}}}})"));
  ASSERT_TRUE(
      WaitForText(vm->dir().File("stderr"), "waiting for connection on: disconnected:unix:"));
  vm->process().Signal(SIGTERM);
  auto reply = vm->qmp().ReadMessage(kReplyTime);
  ASSERT_OK(reply);
  EXPECT_EQ((*reply)["error"]["desc"],
            Value("Failed to add chardev 'w': waiting for a connection of chardev 'w': "
                  "Interrupted system call"));
  auto end = vm->qmp().WaitEvent("SHUTDOWN", kReplyTime);
  ASSERT_OK(end);
  EXPECT_EQ(end->data["reason"], Value("host-signal"));
  EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
  EXPECT_FALSE(Exists(File("w")));
}

TEST(SerialPortsTest, MistakesAreNamedInQemusWords) {
  const std::string driver = "virtio-serial-device";
  const struct {
    std::vector<std::string> args;
    const char* message;
  } cases[] = {
      {{"-device", "virtserialport,nr=0"},
       "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward "
       "compatibility."},
      {{"-device", "virtserialport,nr=99"},
       "virtio-serial-bus: Out-of-range port id specified, max. allowed: 30"},
      {{"-device", "virtserialport,nr=1", "-device", "virtserialport,nr=1"},
       "virtio-serial-bus: A port already exists at id 1"},
      {{"-device", "virtserialport,name=a", "-device", "virtserialport,name=a"},
       "virtio-serial-bus: A port already exists by name a"},
      {{"-device", "virtserialport,chardev=x"},
       "Property 'virtserialport.chardev' can't find value 'x'"},
      {{"-chardev", "null,id=c", "-device", "virtconsole,chardev=c", "-device",
        "virtserialport,chardev=c"},
       "Property 'virtserialport.chardev' can't take value 'c': Device 'c' is in use"},
      {{"-device", "virtserialport,bus=b.0"}, "Bus 'b.0' not found"},
      {{"-device", driver + ",max_ports=0"}, "Maximum number of serial ports not specified"},
      {{"-device", driver + ",max_ports=600"}, "maximum ports supported: 511"},
      {{"-device", driver + ",max_ports=1", "-device", "virtserialport"},
       "virtio-serial-bus: Out-of-range port id specified, max. allowed: 0"},
  };
  const std::vector<std::string> board = {"-M", "microvm", "-accel", "qtest", "-nodefaults"};
  for (const auto& c : cases) {
    std::vector<std::string> args = board;
    args.insert(args.end(), {"-device", driver});
    args.insert(args.end(), c.args.begin(), c.args.end());
    const RunResult result = Davitd(args);
    EXPECT_EQ(result.status, 1) << c.message;
    EXPECT_CONTAINS(result.err, c.message);
  }
  std::vector<std::string> alone = board;
  alone.insert(alone.end(), {"-device", "virtserialport"});
  EXPECT_CONTAINS(Davitd(alone).err,
                  "No 'virtio-serial-bus' bus found for device 'virtserialport'");
}

}  // namespace
}  // namespace davit::testing
