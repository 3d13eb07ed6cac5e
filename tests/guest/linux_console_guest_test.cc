// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Consoles, agent channels and random numbers under Debian's virtio_console and virtio-rng.
#include <gtest/gtest.h>

#include "clients/lib/address.h"
#include "tests/guest/linux_devices.h"

namespace davit::testing {
namespace {

class LinuxGuestConsole : public LinuxDevicesTest {
 protected:
  // Our end of a device's socket.
  UniqueFd Connect(const std::string& name) {
    auto socket = client::Connect(client::Address{true, File(name), "", ""});
    EXPECT_TRUE(socket) << socket.error();
    return socket ? std::move(*socket) : UniqueFd();
  }
  void ExpectPortChange(bool open) {
    auto event = vm().qmp().WaitEvent("VSERPORT_CHANGE", kReplyTime);
    ASSERT_OK(event);
    EXPECT_EQ(event->data["id"], json::Value("channel0"));
    EXPECT_EQ(event->data["open"], json::Value(open));
  }
};

TEST_P(LinuxGuestConsole, LoginWithPasswordOnTheConsole) {
  const UniqueFd socket = Connect("console");
  Console console(socket.get());
  EXPECT_EQ(Ask(vm(), "spawn getty -L 0 hvc0 vt100\n", "init: spawn "), "done");
  ASSERT_OK(console.WaitForPrompt("login: ", kReplyTime));
  ASSERT_OK(console.Send("root\r"));
  ASSERT_OK(console.WaitForPrompt("Password: ", kReplyTime));
  ASSERT_OK(console.Send("open-sesame\r"));
  ASSERT_OK(console.WaitForPrompt("# ", kReplyTime));
  // The terminal's echo of the sum is not its result.
  ASSERT_OK(console.Send("echo $(whoami) on $(tty) sees $((1200 + 34))\r"));
  ASSERT_OK(console.WaitFor("root on /dev/hvc0 sees 1234", kReplyTime));
  ASSERT_OK(console.Send("exit\r"));
}

TEST_P(LinuxGuestConsole, AgentChannelCarriesLinesBothWays) {
  const std::string name = "org.qemu.guest_agent.0";
  const std::string found = Shell("grep -lx " + name + " /sys/class/virtio-ports/*/name");
  const std::string prefix = "init: | /sys/class/virtio-ports/";
  const size_t from = found.find(prefix) + prefix.size();
  const std::string port = "/dev/" + found.substr(from, found.find('/', from) - from);

  const UniqueFd socket = Connect("agent");
  Console host(socket.get());
  EXPECT_EQ(Ask(vm(),
                "spawn exec 3<>" + port +
                    "; while read -r line <&3; do [ \"$line\" != bye ] || exit; echo \"guest has " +
                    "$line\" >&3; done\n",
                "init: spawn "),
            "done");
  ExpectPortChange(true);
  for (const std::string& line : {std::string("hello"), std::string(9000, 'q')}) {
    ASSERT_OK(host.Send(line + "\n"));
    EXPECT_EQ(host.WaitForLine("guest has ", kReplyTime), line);
  }
  ASSERT_OK(host.Send("bye\n"));
  ExpectPortChange(false);
}

TEST_P(LinuxGuestConsole, RandomNumbersArrive) {
  EXPECT_CONTAINS(Lines(vm(), "cat /sys/class/misc/hw_random/rng_current\n"), "virtio_rng.0");
  const std::string read = Ask(vm(), "read /dev/hwrng 16384\n", "init: ");
  EXPECT_EQ(NumberAfter(read, "read"), 16384) << read;
  EXPECT_EQ(NumberAfter(read, "different"), 256) << read;
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestConsole, ::testing::ValuesIn(kLinuxBoards), BoardName);

}  // namespace
}  // namespace davit::testing
