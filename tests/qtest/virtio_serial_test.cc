// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-serial end to end on both transports: ports announced, the guest agent's channel with
// VSERPORT_CHANGE and frontend-open, bytes both ways, flow control, a console, and what is refused.
// Runs on QEMU, too.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "tests/support/virtio/virtio.h"
#include "vmm/base/unique_fd.h"
#include "vmm/virtio/console/wire.h"

namespace davit::qtest {
namespace {

namespace console = virtio::console;
using json::Object;
using json::Value;

constexpr milliseconds kTime = testing::kPatience;

class SerialQtest : public ::testing::TestWithParam<bool> {  // on PCI
 protected:
  static std::unique_ptr<Machine> Make(std::vector<std::string> more,
                                       const std::string& properties = "") {
    std::vector<std::string> args = {
        "-M", GetParam() ? "q35" : "microvm", "-device",
        (GetParam() ? "virtio-serial-pci,id=vs" : "virtio-serial-device,id=vs") + properties};
    args.insert(args.end(), more.begin(), more.end());
    return std::make_unique<Machine>(args);
  }
  struct Message {
    uint32_t port;
    uint16_t event, value;
    std::string text;
    friend bool operator==(const Message&, const Message&) = default;
  };
  static void Say(Virtio& dev, uint32_t port, uint16_t event, uint16_t value) {
    ASSERT_TRUE(dev.queue(console::kControlTransmit)
                    .Do(Request().Struct(console::Control{port, event, value})));
  }
  static void GiveControlBuffers(Virtio& dev) {
    for (int i = 0; i < 16; ++i) {
      dev.queue(console::kControlReceive).Add(Request().Writable(64));
    }
    dev.queue(console::kControlReceive).Kick();
  }
  static Message Hear(Virtio& dev) {
    const auto used = dev.queue(console::kControlReceive).Wait();
    if (!used || used->bytes.size() < sizeof(console::Control)) return {};
    console::Control message;
    std::memcpy(&message, used->bytes.data(), sizeof(message));
    return {message.port, message.event, message.value, used->text().substr(sizeof(message))};
  }
  // As a driver that finds one port and opens it.
  static void OpenPort(Virtio& dev, uint32_t port) {
    ASSERT_TRUE(dev.Start());
    GiveControlBuffers(dev);
    Say(dev, UINT32_MAX, console::kDeviceReady, 1);
    EXPECT_EQ(Hear(dev), (Message{port, console::kPortAdd, 1, ""}));
    Say(dev, port, console::kPortReady, 1);
    Say(dev, port, console::kPortOpen, 1);
  }
  static Value Row(Machine& m, const std::string& label) {
    const Value rows = m.Qmp("query-chardev");
    for (const Value& row : *rows.AsArray()) {
      if (row["label"] == Value(label)) return row;
    }
    return {};
  }
};

TEST_P(SerialQtest, AgentChannelOpensClosesAndTellsSo) {
  auto m = Make({"-chardev", "ringbuf,id=c", "-device",
                 "virtserialport,id=channel0,chardev=c,name=org.qemu.guest_agent.0"});
  EXPECT_EQ(Row(*m, "c")["frontend-open"], Value(false));
  auto dev = FindVirtio(*m, virtio::kIdConsole);
  EXPECT_EQ(dev->Config<uint32_t>(4), 31U);
  OpenPort(*dev, 1);
  EXPECT_EQ(Hear(*dev), (Message{1, console::kPortName, 1,
                                 std::string("org.qemu.guest_agent.0").append(1, '\0')}));
  EXPECT_EQ(Hear(*dev), (Message{1, console::kPortOpen, 1, ""}));  // the host's side
  auto event = m->qmp().WaitEvent("VSERPORT_CHANGE", kTime);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->data["id"], Value("channel0"));
  EXPECT_EQ(event->data["open"], Value(true));
  EXPECT_EQ(Row(*m, "c")["frontend-open"], Value(true));

  ASSERT_TRUE(dev->queue(console::TransmitQueue(1)).Do(Request().Readable("hello host")));
  EXPECT_EQ(m->Qmp("ringbuf-read", Object{{"device", "c"}, {"size", 100}}), Value("hello host"));

  dev->Reset();
  event = m->qmp().WaitEvent("VSERPORT_CHANGE", kTime);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->data["open"], Value(false));
  EXPECT_EQ(Row(*m, "c")["frontend-open"], Value(false));
}

TEST_P(SerialQtest, SocketsPeerIsOpenedClosedAndFlowControlled) {
  testing::TempDir dir;
  const std::string path = dir.File("s");
  auto m = Make({"-chardev", "socket,id=c,path=" + path + ",server=on,wait=off", "-device",
                 "virtserialport,id=channel0,chardev=c"});
  auto dev = FindVirtio(*m, virtio::kIdConsole);
  OpenPort(*dev, 1);
  // Nobody is there: dropped.
  ASSERT_TRUE(dev->queue(console::TransmitQueue(1)).Do(Request().Readable("lost")));
  UniqueFd peer(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(connect(peer.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(Hear(*dev), (Message{1, console::kPortOpen, 1, ""}));

  // Bytes for the guest wait until it has buffers.
  ASSERT_EQ(write(peer.get(), "hello guest", 11), 11);
  auto& receive = dev->queue(console::ReceiveQueue(1));
  std::string text;
  while (text.size() < 11) {
    const auto used = receive.Do(Request().Writable(4));
    ASSERT_TRUE(used);
    text += used->text();
  }
  EXPECT_EQ(text, "hello guest");

  // A peer that does not read stops the guest, which loses nothing.
  auto& transmit = dev->queue(console::TransmitQueue(1));
  const std::string piece(4096, 'x');
  size_t sent = 0;
  for (; sent < 100; ++sent) transmit.Add(Request().Readable(piece));
  transmit.Kick();
  size_t got = 0;
  while (got < sent * piece.size()) {
    char buffer[65536];
    const ssize_t n = read(peer.get(), buffer, sizeof buffer);
    ASSERT_GT(n, 0);
    got += static_cast<size_t>(n);
  }
  for (size_t i = 0; i < sent; ++i) ASSERT_TRUE(transmit.Wait()) << i;
  receive.Add(Request().Writable(4));
  receive.Kick();
  peer.reset();
  EXPECT_EQ(Hear(*dev), (Message{1, console::kPortOpen, 0, ""}));
}

TEST_P(SerialQtest, ConsoleIsPortZeroAndOpen) {
  auto m = Make({"-chardev", "ringbuf,id=c", "-device", "virtconsole,chardev=c"});
  auto dev = FindVirtio(*m, virtio::kIdConsole);
  OpenPort(*dev, 0);
  EXPECT_EQ(Hear(*dev), (Message{0, console::kConsolePort, 1, ""}));
  EXPECT_EQ(Hear(*dev), (Message{0, console::kPortOpen, 1, ""}));
  ASSERT_TRUE(dev->queue(console::TransmitQueue(0)).Do(Request().Readable("login:")));
  EXPECT_EQ(m->Qmp("ringbuf-read", Object{{"device", "c"}, {"size", 100}}), Value("login:"));
}

TEST_P(SerialQtest, ConsoleWithoutMultiport) {
  auto m = Make({"-chardev", "ringbuf,id=c", "-device", "virtconsole,chardev=c"}, ",max_ports=1");
  auto dev = FindVirtio(*m, virtio::kIdConsole);
  ASSERT_TRUE(dev->Start());
  EXPECT_FALSE(dev->Has(console::kMultiport));
  ASSERT_TRUE(dev->queue(1).Do(Request().Readable("hi")));
  EXPECT_EQ(m->Qmp("ringbuf-read", Object{{"device", "c"}, {"size", 100}}), Value("hi"));
}

TEST_P(SerialQtest, PortWithoutBusGoesToTheNewestDevice) {
  const std::string driver = GetParam() ? "virtio-serial-pci" : "virtio-serial-device";
  auto m = Make({"-device", driver + ",id=newer,max_ports=8", "-device", "virtserialport,nr=7",
                 "-device", "virtserialport,bus=vs.0,nr=20"});
  const std::string tree =
      *m->Qmp("human-monitor-command", Object{{"command-line", "info qtree"}}).AsString();
  const size_t newer = tree.find("bus: newer.0"), seven = tree.find("nr = 7 ");
  const size_t older = tree.find("bus: vs.0"), twenty = tree.find("nr = 20 ");
  ASSERT_NE(std::string::npos, std::max({newer, seven, older, twenty})) << tree;
  EXPECT_TRUE(seven > newer && (older < newer || older > seven)) << tree;
  EXPECT_TRUE(twenty > older && (newer < older || newer > twenty)) << tree;
}

INSTANTIATE_TEST_SUITE_P(Transports, SerialQtest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Pci" : "Mmio"; });

}  // namespace
}  // namespace davit::qtest
