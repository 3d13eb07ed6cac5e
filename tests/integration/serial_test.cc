// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Every way a guest's serial port can lead to: the guest's banner comes out of each, and what can
// carry keys carries them in.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include "tests/integration/common.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

using json::Value;

constexpr const char* kBanner = "davit probe guest";
constexpr const char* kReady = "ready, h for help";

// The address of a character device by its label, from query-chardev.
std::string Address(Vm& vm, std::string_view label) {
  auto rows = vm.qmp().Execute("query-chardev");
  if (!rows) return rows.error().message;
  for (const Value& row : *rows->AsArray()) {
    if (row["label"] == Value(label)) return *row["filename"].AsString();
  }
  return "none";
}

// Keys go in, a whole banner comes out.
void ExpectConversation(int fd) {
  Console console(fd);
  ASSERT_OK(console.Send("b"));
  ASSERT_OK(console.WaitFor(kBanner, kReplyTime));
  ASSERT_OK(console.WaitFor(kReady, kReplyTime));
}

void ExpectConversation(const std::string& address) {
  auto parsed = client::ParseAddress(address);
  ASSERT_OK(parsed);
  auto socket = client::Connect(*parsed);
  ASSERT_OK(socket);
  ExpectConversation(socket->get());
}

class SerialTest : public VmTest {
 protected:
  // A VM with these options alone for its serial port.
  std::unique_ptr<Vm> Start(std::vector<std::string> args) {
    auto vm = Vm::Start({.args = std::move(args), .serial_stdio = false});
    if (!vm) ADD_FAILURE() << vm.error();
    return vm ? std::move(*vm) : nullptr;
  }
  // The guest is there though nothing is heard of it: it obeys the power button.
  static void ExpectObeysTheButton(Vm& vm) {
    ASSERT_OK(vm.qmp().Execute("system_powerdown"));
    auto end = vm.qmp().WaitEvent("SHUTDOWN", kReplyTime);
    ASSERT_OK(end);
    EXPECT_EQ(end->data["reason"], Value("guest-shutdown"));
    EXPECT_EQ(vm.process().Wait(kReplyTime).value_or(-1), 0);
  }
  std::string File(const std::string& name) const { return dir_.File(name); }
  TempDir dir_;
};

TEST_F(SerialTest, UnixServerTalksToOneClientAfterTheOther) {
  auto vm = Start({"-serial", "unix:" + File("serial") + ",server=on,wait=off"});
  ASSERT_NE(vm, nullptr);
  for (int i = 0; i < 3; ++i) ExpectConversation("unix:" + File("serial"));
  ASSERT_OK(vm->qmp().Execute("quit"));
  EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
  EXPECT_FALSE(Exists(File("serial")));
}

TEST_F(SerialTest, TcpServerTalksToOneClientAfterTheOther) {
  auto vm = Start({"-serial", "tcp:127.0.0.1:0,server=on,wait=off"});
  ASSERT_NE(vm, nullptr);
  // "disconnected:tcp:127.0.0.1:PORT,server=on"
  std::string address = Address(*vm, "serial0");
  ASSERT_PRED2(Contains, address, "tcp:127.0.0.1:");
  address = address.substr(address.find("tcp:"));
  address = address.substr(0, address.find(','));
  EXPECT_NE(address, "tcp:127.0.0.1:0");
  for (int i = 0; i < 2; ++i) ExpectConversation(address);
}

TEST_F(SerialTest, SocketClientHearsTheGuestFromItsFirstWord) {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un path{};
  path.sun_family = AF_UNIX;
  File("listener").copy(path.sun_path, sizeof path.sun_path - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&path), sizeof path), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);

  UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in host{};
  host.sin_family = AF_INET;
  host.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof host;
  ASSERT_EQ(bind(tcp.get(), reinterpret_cast<sockaddr*>(&host), sizeof host), 0);
  ASSERT_EQ(listen(tcp.get(), 1), 0);
  ASSERT_EQ(getsockname(tcp.get(), reinterpret_cast<sockaddr*>(&host), &size), 0);

  for (const auto& [serial, fd] :
       {std::pair("unix:" + File("listener"), listener.get()),
        {"tcp:127.0.0.1:" + std::to_string(ntohs(host.sin_port)), tcp.get()}}) {
    auto vm = Start({"-serial", serial});
    ASSERT_NE(vm, nullptr);
    UniqueFd accepted(accept4(fd, nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(accepted) << serial;
    Console console(accepted.get());
    ASSERT_OK(console.WaitFor(kReady, kReplyTime));
    EXPECT_CONTAINS(console.transcript().substr(0, 40), kBanner);
    ExpectConversation(accepted.get());
  }
}

TEST_F(SerialTest, PtyIsNamedAndTalks) {
  auto vm = Start({"-serial", "pty"});
  ASSERT_NE(vm, nullptr);
  std::string path = Address(*vm, "serial0");
  ASSERT_TRUE(path.starts_with("pty:/dev/pts/")) << path;
  path = path.substr(4);
  EXPECT_CONTAINS(vm->process().Stderr(), "char device redirected to " + path + " (label serial0)");
  for (int i = 0; i < 2; ++i) {  // and again after a hang-up
    UniqueFd terminal(open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(terminal) << path;
    ASSERT_EQ(write(terminal.get(), "b", 1), 1);
    Console console(terminal.get());
    ASSERT_OK(console.WaitFor(kBanner, kReplyTime));
    ASSERT_OK(console.WaitFor(kReady, kReplyTime));
  }
}

// As libvirt has it: the guest finds the port where -serial would have put it.
TEST_F(SerialTest, DeviceByNameTalks) {
  for (const char* machine : {"q35", "microvm"}) {
    auto vm = Start({"-M", machine, "-nodefaults", "-chardev",
                     "socket,id=c,path=" + File("serial") + ",server=on,wait=off", "-device",
                     R"({"driver":"isa-serial","chardev":"c","id":"serial0","index":0})"});
    ASSERT_NE(vm, nullptr) << machine;
    for (int i = 0; i < 2; ++i) ExpectConversation("unix:" + File("serial"));
  }
}

TEST_F(SerialTest, FileHoldsAllThatTheGuestSaid) {
  std::ofstream(File("log")) << "what was there before\n";
  auto vm = Start({"-S", "-serial", "file:" + File("log")});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(ReadFile(File("log")), "");
  ASSERT_OK(vm->qmp().Execute("cont"));
  EXPECT_TRUE(WaitForText(File("log"), kReady)) << ReadFile(File("log"));
  EXPECT_CONTAINS(ReadFile(File("log")), kBanner);
  ExpectObeysTheButton(*vm);
  EXPECT_CONTAINS(ReadFile(File("log")), "power off: button");
}

TEST_F(SerialTest, NullAndNoneSayNothingAndTheGuestStillRuns) {
  for (const char* serial : {"null", "none"}) {
    auto vm = Start({"-serial", serial});
    ASSERT_NE(vm, nullptr);
    EXPECT_EQ(Address(*vm, "serial0"), serial);
    ExpectObeysTheButton(*vm);
    EXPECT_EQ(vm->serial().transcript(), "");
    EXPECT_TRUE(vm->serial().Quiet(milliseconds(0)));
  }
}

TEST_F(SerialTest, PortMadeByNameTalksAndIsInTheTree) {
  auto vm = Start({"-M", "q35", "-chardev",
                   "socket,id=port,path=" + File("serial") + ",server=on,wait=off", "-device",
                   "isa-serial,chardev=port,id=serial0,index=0", "-device", "isa-serial,index=2"});
  ASSERT_NE(vm, nullptr);
  ExpectConversation("unix:" + File("serial"));
  auto tree =
      vm->qmp().Execute("human-monitor-command", json::Object{{"command-line", "info qtree"}});
  ASSERT_OK(tree);
  EXPECT_CONTAINS(*tree->AsString(), "dev: isa-serial, id \"serial0\"");
  EXPECT_CONTAINS(*tree->AsString(), "index = 2 (0x2)");
}

TEST_F(SerialTest, ChardevByItsIdIsAnyOfThem) {
  auto vm = Start({"-chardev", "socket,id=port,path=" + File("serial") + ",server=on,wait=off",
                   "-serial", "chardev:port"});
  ASSERT_NE(vm, nullptr);
  ExpectConversation("unix:" + File("serial"));

  vm = Start({"-serial", "chardev:later", "-chardev", "file,id=later,path=" + File("log")});
  ASSERT_NE(vm, nullptr);
  EXPECT_TRUE(WaitForText(File("log"), kReady)) << ReadFile(File("log"));

  vm = Start({"-chardev", "pty,id=line", "-serial", "chardev:line"});
  ASSERT_NE(vm, nullptr);
  const std::string path = Address(*vm, "line");
  ASSERT_TRUE(path.starts_with("pty:/dev/pts/")) << path;
  UniqueFd terminal(open(path.c_str() + 4, O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal);
  ASSERT_EQ(write(terminal.get(), "b", 1), 1);
  Console console(terminal.get());
  ASSERT_OK(console.WaitFor(kReady, kReplyTime));
}

}  // namespace
}  // namespace davit::testing
