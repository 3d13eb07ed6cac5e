// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// DebugPort: what the guest writes reaches the back end, and nothing makes the guest wait.
#include "vmm/devices/debug_port.h"

#include <gtest/gtest.h>

#include <optional>
#include <string_view>

#include "vmm/backend/char/testing/fake_chardev.h"

namespace davit::devices {
namespace {

void Out(DebugPort& port, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    port.Write(0, std::span(&byte, 1));
  }
}

TEST(DebugPortTest, WrittenBytesArriveInOrder) {
  backend::FakeChardev chardev;
  DebugPort port;
  ASSERT_TRUE(port.Connect(&chardev));
  Out(port, "hello\n");
  EXPECT_EQ(chardev.written, "hello\n");
}

TEST(DebugPortTest, ReadsTellThatThePortExists) {
  DebugPort port;
  uint8_t byte = 0;
  port.Read(0, std::span(&byte, 1));
  EXPECT_EQ(byte, 0xe9);
}

TEST(DebugPortTest, BytesThatAFullBackEndRefusesAreLost) {
  backend::FakeChardev chardev;
  DebugPort port;
  ASSERT_TRUE(port.Connect(&chardev));
  chardev.room = 2;
  Out(port, "abcd");
  chardev.MakeRoom(10);
  Out(port, "e");
  EXPECT_EQ(chardev.written, "abe");
}

TEST(DebugPortTest, InputIsTakenAndDropped) {
  backend::FakeChardev chardev;
  DebugPort port;
  ASSERT_TRUE(port.Connect(&chardev));
  EXPECT_EQ(chardev.Feed("typed"), 5u);
  EXPECT_EQ(chardev.written, "");
}

TEST(DebugPortTest, BackEndServesOnePortUntilThatIsGone) {
  backend::FakeChardev chardev;
  std::optional<DebugPort> first(std::in_place);
  DebugPort second;
  ASSERT_TRUE(first->Connect(&chardev));
  EXPECT_EQ(second.Connect(&chardev).error().message, "Device 'fake0' is in use");
  Out(second, "lost");
  first.reset();
  EXPECT_FALSE(chardev.frontend_open());
  ASSERT_TRUE(second.Connect(&chardev));
  Out(second, "kept");
  EXPECT_EQ(chardev.written, "kept");
}

}  // namespace
}  // namespace davit::devices
