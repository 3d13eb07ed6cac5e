// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of ChardevRegistry with the null and stdio back ends.
#include "vmm/backend/char/registry.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "vmm/backend/char/testing/recording_client.h"
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

}  // namespace
}  // namespace davit::backend
