// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A serial port of the q35 with a test as the guest, on character devices of each kind: bytes both
// ways, breaks. Runs on QEMU, too.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tests/support/virtio/machine.h"

namespace davit::qtest {
namespace {

using json::Object;
using json::Value;

// 16550A: its data and its line status.
constexpr uint16_t kData = 0x3f8, kLineStatus = kData + 5;
constexpr uint8_t kDataReady = 1, kBreak = 0x10;

void Say(Machine& m, const std::string& text) {
  for (const char c : text) m.OutB(kData, static_cast<uint8_t>(c));
}

std::string Hear(Machine& m, size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    if (!m.WaitFor([&] { return (m.InB(kLineStatus) & kDataReady) != 0; })) break;
    text += static_cast<char>(m.InB(kData));
  }
  return text;
}

// Exactly these bytes of a descriptor that does not block, or what came of them.
std::string Read(Machine& m, int fd, size_t bytes) {
  std::string text;
  m.WaitFor([&] {
    char buffer[64];
    const ssize_t n = read(fd, buffer, std::min(sizeof(buffer), bytes - text.size()));
    if (n > 0) text.append(buffer, static_cast<size_t>(n));
    return text.size() == bytes;
  });
  return text;
}

void ExpectBothWays(Machine& m, int out, int in) {
  Say(m, "of the guest");
  EXPECT_EQ(Read(m, out, 12), "of the guest");
  ASSERT_EQ(write(in, "of the host", 11), 11);
  EXPECT_EQ(Hear(m, 11), "of the host");
}

TEST(SerialPort, OnAFile) {
  const testing::TempDir dir;
  Machine m({"-M", "q35", "-chardev", "file,id=c,path=" + dir.File("out"), "-serial", "chardev:c"});
  Say(m, "of the guest");
  EXPECT_TRUE(m.WaitFor([&] { return testing::ReadFile(dir.File("out")) == "of the guest"; }));
}

TEST(SerialPort, OnAPipe) {
  const testing::TempDir dir;
  ASSERT_EQ(mkfifo(dir.File("p.in").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo(dir.File("p.out").c_str(), 0600), 0);
  Machine m({"-M", "q35", "-chardev", "pipe,id=c,path=" + dir.File("p"), "-serial", "chardev:c"});
  const UniqueFd out(open(dir.File("p.out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const UniqueFd in(open(dir.File("p.in").c_str(), O_WRONLY | O_CLOEXEC));
  ExpectBothWays(m, out.get(), in.get());
}

TEST(SerialPort, OnATerminal) {
  Machine m({"-M", "q35", "-chardev", "pty,id=c", "-serial", "chardev:c"});
  std::string name;
  const Value rows = m.Qmp("query-chardev");
  for (const Value& row : *rows.AsArray()) {
    if (row["label"] == Value("c")) name = row["filename"].AsString()->substr(4);  // "pty:"
  }
  const UniqueFd terminal(open(name.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(terminal) << name;
  termios raw{};
  ASSERT_EQ(tcgetattr(terminal.get(), &raw), 0);
  cfmakeraw(&raw);
  ASSERT_EQ(tcsetattr(terminal.get(), TCSANOW, &raw), 0);
  // Whoever opened it is found out by looking; what is said before is dropped.
  ASSERT_EQ(write(terminal.get(), "first", 5), 5);
  EXPECT_EQ(Hear(m, 5), "first");
  ExpectBothWays(m, terminal.get(), terminal.get());
}

TEST(SerialPort, OnASocket) {
  const testing::TempDir dir;
  Machine m({"-M", "q35", "-chardev", "socket,id=c,server=on,wait=off,path=" + dir.File("s"),
             "-serial", "chardev:c"});
  const UniqueFd peer = ConnectTo(dir.File("s"));
  ASSERT_EQ(write(peer.get(), "first", 5), 5);
  EXPECT_EQ(Hear(m, 5), "first");
  ExpectBothWays(m, peer.get(), peer.get());
}

TEST(SerialPort, OnAPlaceOfAMultiplexer) {
  const testing::TempDir dir;
  Machine m({"-M", "q35", "-chardev", "socket,id=c,server=on,wait=off,mux=on,path=" + dir.File("s"),
             "-serial", "chardev:c"});
  const UniqueFd peer = ConnectTo(dir.File("s"));
  ASSERT_EQ(write(peer.get(), "first", 5), 5);
  EXPECT_EQ(Hear(m, 5), "first");
  ExpectBothWays(m, peer.get(), peer.get());
  // C-a b.
  ASSERT_EQ(write(peer.get(), "\1b", 2), 2);
  EXPECT_TRUE(m.WaitFor([&] { return (m.InB(kLineStatus) & kBreak) != 0; }));
}

TEST(SerialPort, OnARing) {
  Machine m({"-M", "q35", "-chardev", "ringbuf,id=c,size=8", "-serial", "chardev:c"});
  Say(m, "of the guest");
  EXPECT_EQ(m.Qmp("ringbuf-read", Object{{"device", "c"}, {"size", 100}}), Value("he guest"));
}

TEST(SerialPort, ABreakIsSentByCommand) {
  Machine m({"-M", "q35", "-chardev", "null,id=c", "-serial", "chardev:c"});
  EXPECT_EQ(m.InB(kLineStatus) & (kBreak | kDataReady), 0);
  m.Qmp("chardev-send-break", Object{{"id", "c"}});
  EXPECT_EQ(m.InB(kLineStatus) & (kBreak | kDataReady), kBreak | kDataReady);
  EXPECT_EQ(m.InB(kLineStatus) & kBreak, 0) << "reading clears it";
  EXPECT_EQ(m.InB(kData), 0);
}

}  // namespace
}  // namespace davit::qtest
