// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of ChardevRegistry with the null and stdio back ends.
#include "vmm/backend/char/registry.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/backend/char/testing/recording_client.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/asio_event_loop.h"

namespace davit::backend {
namespace {

class RegistryTest : public testing::Test {
 protected:
  io::AsioEventLoop loop_;
  ChardevRegistry registry_{loop_};
  RecordingClient client_;
};

TEST_F(RegistryTest, CreatedDeviceIsFoundAndListed) {
  auto chardev = registry_.Create({"a", NullSpec{}});
  ASSERT_TRUE(chardev);
  EXPECT_EQ(registry_.Find("a"), *chardev);
  ASSERT_EQ(registry_.List().size(), 1u);
  EXPECT_EQ(registry_.List()[0].label, "a");
  EXPECT_EQ(registry_.List()[0].filename, "null");
  EXPECT_FALSE(registry_.List()[0].frontend_open);
}

TEST_F(RegistryTest, AttachedClientShowsAsFrontendOpen) {
  ASSERT_TRUE(registry_.Create({"a", NullSpec{}}));
  ASSERT_TRUE(registry_.Find("a")->Attach(&client_));
  EXPECT_TRUE(registry_.List()[0].frontend_open);
}

TEST_F(RegistryTest, SecondClientIsRefused) {
  ASSERT_TRUE(registry_.Create({"a", NullSpec{}}));
  ASSERT_TRUE(registry_.Find("a")->Attach(&client_));
  RecordingClient other;
  EXPECT_EQ(registry_.Find("a")->Attach(&other).error().message, "Device 'a' is in use");
  ASSERT_TRUE(registry_.Find("a")->Attach(nullptr));
  EXPECT_TRUE(registry_.Find("a")->Attach(&other));
}

TEST_F(RegistryTest, DuplicateIdIsRefused) {
  ASSERT_TRUE(registry_.Create({"a", NullSpec{}}));
  EXPECT_EQ(registry_.Create({"a", NullSpec{}}).error().message, "Duplicate ID 'a' for chardev");
}

TEST_F(RegistryTest, RemoveFailsForUnknownAndBusyDevices) {
  EXPECT_EQ(registry_.Remove("a").error().message, "Chardev 'a' not found");
  ASSERT_TRUE(registry_.Create({"a", NullSpec{}}));
  ASSERT_TRUE(registry_.Find("a")->Attach(&client_));
  EXPECT_EQ(registry_.Remove("a").error().message, "Chardev 'a' is busy");
  ASSERT_TRUE(registry_.Find("a")->Attach(nullptr));
  EXPECT_TRUE(registry_.Remove("a"));
  EXPECT_EQ(registry_.Find("a"), nullptr);
}

TEST_F(RegistryTest, StdioIsOneInTheProcessAndGivesTheFlagsBack) {
  const int before = fcntl(1, F_GETFL);
  ASSERT_TRUE(registry_.Create({"a", StdioSpec{}}));
  EXPECT_NE(fcntl(1, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(registry_.Create({"b", StdioSpec{}}).error().message,
            "cannot use stdio by multiple character devices");
  ASSERT_TRUE(registry_.Remove("a"));
  EXPECT_EQ(fcntl(1, F_GETFL), before);
  EXPECT_TRUE(registry_.Create({"b", StdioSpec{}}));
}

// Puts a terminal in the place of standard input while it lives.
class TerminalAsStdin {
 public:
  TerminalAsStdin() : saved_(dup(0)), master_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(grantpt(master_.get()), 0);
    EXPECT_EQ(unlockpt(master_.get()), 0);
    UniqueFd slave(open(ptsname(master_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    EXPECT_EQ(dup2(slave.get(), 0), 0);
  }
  ~TerminalAsStdin() { dup2(saved_.get(), 0); }
  static tcflag_t LocalFlags() {
    termios tty{};
    EXPECT_EQ(tcgetattr(0, &tty), 0);
    return tty.c_lflag;
  }
  static void SetLocalFlags(tcflag_t flags) {
    termios tty{};
    tcgetattr(0, &tty);
    tty.c_lflag = flags;
    tcsetattr(0, TCSANOW, &tty);
  }

 private:
  UniqueFd saved_, master_;
};

TEST_F(RegistryTest, TerminalGoesRawAndComesBack) {
  TerminalAsStdin terminal;
  const tcflag_t before = terminal.LocalFlags();
  ASSERT_NE(before & ICANON, 0u);
  ASSERT_TRUE(registry_.Create({"a", StdioSpec{}}));
  EXPECT_EQ(terminal.LocalFlags() & (ICANON | ECHO | ISIG), static_cast<tcflag_t>(ISIG));
  ASSERT_TRUE(registry_.Remove("a"));
  EXPECT_EQ(terminal.LocalFlags(), before);
}

TEST_F(RegistryTest, SignalOffGivesControlCharactersToTheGuest) {
  TerminalAsStdin terminal;
  ASSERT_TRUE(registry_.Create({"a", StdioSpec{.signal = false}}));
  EXPECT_EQ(terminal.LocalFlags() & ISIG, 0u);
}

TEST_F(RegistryTest, ContinuedProcessSetsTheTerminalAgain) {
  TerminalAsStdin terminal;
  const tcflag_t before = terminal.LocalFlags();
  ASSERT_TRUE(registry_.Create({"a", StdioSpec{}}));
  terminal.SetLocalFlags(before);
  raise(SIGCONT);
  EXPECT_EQ(terminal.LocalFlags() & ICANON, 0u);
}

}  // namespace
}  // namespace davit::backend
