// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/console/serial.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/base/units.h"
#include "vmm/virtio/console/port.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

using backend::ChardevEvent;
using backend::FakeChardev;
using console::Control;
using testing::Driver;
using testing::DriverOptions;

class SerialTest : public ::testing::Test {
 protected:
  ~SerialTest() override { ports_.clear(); }

  void Make(SerialConfig config = {}, DriverOptions options = {}) {
    auto serial = std::make_unique<Serial>(config);
    serial_ = serial.get();
    options.start = false;
    driver_ = std::make_unique<Driver>(std::move(serial), options);
  }
  SerialPort* AddPort(SerialPortConfig config) {
    config.on_guest_open = [this](bool open) { opens_.push_back(open); };
    auto port = SerialPort::Create(*serial_, std::move(config));
    if (!port) {
      error_ = port.error().message;
      return nullptr;
    }
    return ports_.emplace_back(std::move(*port)).get();
  }
  void GiveControlBuffers(int n = 16) {
    for (int i = 0; i < n; ++i) driver_->queue(2).Add().Writable(64).Publish();
    driver_->queue(2).Kick();
  }
  void Say(uint32_t port, uint16_t event, uint16_t value) {
    driver_->queue(3).Add().Readable(Control{port, event, value}).Publish();
    driver_->queue(3).Kick();
  }
  struct Heard {
    uint32_t port;
    uint16_t event, value;
    std::string text;
    friend bool operator==(const Heard&, const Heard&) = default;
  };
  std::vector<Heard> Listen() {
    std::vector<Heard> heard;
    for (const auto& used : driver_->queue(2).CollectUsed()) {
      Control message{};
      std::memcpy(&message, used.bytes.data(), sizeof(message));
      heard.push_back(
          {message.port, message.event, message.value, used.text().substr(sizeof(message))});
    }
    return heard;
  }
  // A started driver that has opened a named port with the chardev.
  SerialPort* OpenChannel() {
    Make();
    SerialPort* const port = AddPort({.name = "org.davit.test", .chardev = &chardev_});
    EXPECT_TRUE(driver_->Start());
    GiveControlBuffers();
    Say(0, console::kDeviceReady, 1);
    Say(1, console::kPortReady, 1);
    Say(1, console::kPortOpen, 1);
    chardev_.Send(ChardevEvent::kOpened);
    (void)Listen();
    return port;
  }

  FakeChardev chardev_;
  Serial* serial_ = nullptr;
  std::unique_ptr<Driver> driver_;
  std::vector<std::unique_ptr<SerialPort>> ports_;
  std::vector<bool> opens_;
  std::string error_;
};

TEST_F(SerialTest, PortsAreAnnouncedWhenTheDriverIsReady) {
  Make();
  ASSERT_NE(AddPort({.console = true}), nullptr);
  ASSERT_NE(AddPort({.name = "agent"}), nullptr);
  ASSERT_TRUE(driver_->Start());
  GiveControlBuffers();
  Say(0, console::kDeviceReady, 1);
  EXPECT_EQ(Listen(),
            (std::vector<Heard>{{0, console::kPortAdd, 1, ""}, {1, console::kPortAdd, 1, ""}}));
  Say(0, console::kPortReady, 1);
  EXPECT_EQ(Listen(), (std::vector<Heard>{{0, console::kConsolePort, 1, ""},
                                          {0, console::kPortOpen, 1, ""}}));
  Say(1, console::kPortReady, 1);
  EXPECT_EQ(Listen(), (std::vector<Heard>{{1, console::kPortName, 1, std::string("agent\0", 6)}}));
}

TEST_F(SerialTest, MessagesWaitForBuffers) {
  Make();
  AddPort({.name = "agent"});
  ASSERT_TRUE(driver_->Start());
  Say(0, console::kDeviceReady, 1);
  EXPECT_TRUE(Listen().empty());
  GiveControlBuffers();
  EXPECT_EQ(Listen().size(), 1U);
}

TEST_F(SerialTest, HostOpeningAndClosingIsTold) {
  OpenChannel();
  chardev_.Send(ChardevEvent::kClosed);
  chardev_.Send(ChardevEvent::kOpened);
  EXPECT_EQ(Listen(),
            (std::vector<Heard>{{1, console::kPortOpen, 0, ""}, {1, console::kPortOpen, 1, ""}}));
}

TEST_F(SerialTest, GuestOpeningAndClosingIsTold) {
  OpenChannel();
  Say(1, console::kPortOpen, 0);
  EXPECT_EQ(opens_, (std::vector<bool>{true, false}));
  Say(1, console::kPortOpen, 1);
  driver_->Reset();
  EXPECT_EQ(opens_, (std::vector<bool>{true, false, true, false}));
}

TEST_F(SerialTest, ChardevListensWhileTheGuestHasThePortOpen) {
  Make();
  auto* port = AddPort({.name = "a", .chardev = &chardev_});
  ASSERT_NE(port, nullptr);
  EXPECT_TRUE(chardev_.frontend_open());
  EXPECT_FALSE(chardev_.frontend_listens());
  ASSERT_TRUE(driver_->Start());
  Say(0, console::kDeviceReady, 1);
  Say(1, console::kPortOpen, 1);
  EXPECT_TRUE(chardev_.frontend_listens());
  driver_->Reset();
  EXPECT_FALSE(chardev_.frontend_listens());
  ASSERT_TRUE(driver_->Start());
  Say(0, console::kDeviceReady, 1);
  Say(1, console::kPortOpen, 1);
  ports_.clear();
  EXPECT_TRUE(chardev_.frontend_listens());
}

TEST_F(SerialTest, FloodWithNoReaderStaysWithTheGuest) {
  OpenChannel();
  chardev_.room = 0;
  for (int i = 0; i < 60; ++i) {
    driver_->queue(5).Add().Readable(std::string(4000, 'x')).Publish();
    driver_->queue(5).Kick();
  }
  EXPECT_EQ(chardev_.written, "");
  EXPECT_TRUE(driver_->queue(5).CollectUsed().empty());
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(SerialTest, BytesOfTheGuestReachTheChardev) {
  OpenChannel();
  driver_->queue(5).Add().Readable("hello ").Readable("host").Publish();
  driver_->queue(5).Kick();
  EXPECT_EQ(chardev_.written, "hello host");
  EXPECT_EQ(driver_->queue(5).CollectUsed().size(), 1U);
}

TEST_F(SerialTest, FullChardevHoldsTheBufferAndLosesNothing) {
  OpenChannel();
  chardev_.room = 4;
  driver_->queue(5).Add().Readable("hello host").Publish();
  driver_->queue(5).Add().Readable("!").Publish();
  driver_->queue(5).Kick();
  EXPECT_TRUE(driver_->queue(5).CollectUsed().empty());
  chardev_.MakeRoom(3);
  EXPECT_TRUE(driver_->queue(5).CollectUsed().empty());
  chardev_.MakeRoom(100);
  EXPECT_EQ(chardev_.written, "hello host!");
  EXPECT_EQ(driver_->queue(5).CollectUsed().size(), 2U);
}

TEST_F(SerialTest, BuffersThatWaitKeepNoUnpluggedRam) {
  OpenChannel();
  chardev_.room = 4;
  EXPECT_FALSE(driver_->KeepsUnpluggedRam([this] {
    driver_->queue(4).Add().Writable(64).Publish();
    driver_->queue(4).Kick();
    driver_->queue(5).Add().Readable("hello host").Publish();
    driver_->queue(5).Kick();
    EXPECT_EQ(chardev_.Feed(""), 0U);  // asks for room
  }));
  EXPECT_EQ(chardev_.written, "hell");
}

TEST_F(SerialTest, ResetOfAnotherQueueLosesNothing) {
  OpenChannel();
  chardev_.room = 4;
  driver_->queue(5).Add().Readable("hello host").Publish();
  driver_->queue(5).Kick();
  driver_->queue(4).Add().Writable(5).Publish();
  driver_->queue(4).Kick();
  driver_->frontend().ResetQueue(7);  // another port's
  EXPECT_TRUE(driver_->queue(5).CollectUsed().empty());
  chardev_.MakeRoom(100);
  EXPECT_EQ(chardev_.written, "hello host");
  EXPECT_EQ(driver_->queue(5).CollectUsed().size(), 1U);
  EXPECT_EQ(chardev_.Feed("guest"), 5U);
}

TEST_F(SerialTest, ResetOfAQueueTakesWhatIsHeldOfIt) {
  OpenChannel();
  chardev_.room = 4;
  driver_->queue(5).Add().Readable("hello host").Publish();
  driver_->queue(5).Kick();
  driver_->frontend().ResetQueue(5);
  EXPECT_FALSE(driver_->frontend().queue_resetting(5));
  chardev_.MakeRoom(100);
  EXPECT_EQ(chardev_.written, "hell");
  driver_->SetUpQueue(5);
  driver_->queue(5).Add().Readable("!").Publish();
  driver_->queue(5).Kick();
  EXPECT_EQ(chardev_.written, "hell!");
}

TEST_F(SerialTest, LongChainLetsOthersHaveTheirTurn) {
  OpenChannel();
  const size_t size = kMiB;
  driver_->queue(5).Add().Readable(std::string(size, 'x')).Publish();
  driver_->frontend().Kick(5);
  size_t meanwhile = 0;
  driver_->loop().Post([&] { meanwhile = chardev_.written.size(); });
  driver_->loop().RunPosted();
  EXPECT_GT(meanwhile, 0U);
  EXPECT_LE(meanwhile, size / 2);
  EXPECT_EQ(chardev_.written.size(), size);
  EXPECT_EQ(driver_->queue(5).CollectUsed().size(), 1U);
}

TEST_F(SerialTest, BytesForNobodyAreDropped) {
  OpenChannel();
  chardev_.Send(ChardevEvent::kClosed);
  driver_->queue(5).Add().Readable("lost").Publish();
  driver_->queue(5).Kick();
  EXPECT_EQ(chardev_.written, "");
  EXPECT_EQ(driver_->queue(5).CollectUsed().size(), 1U);
}

TEST_F(SerialTest, BytesOfTheHostFillTheGuestsBuffers) {
  OpenChannel();
  driver_->queue(4).Add().Writable(5).Publish();
  driver_->queue(4).Add().Writable(100).Publish();
  driver_->queue(4).Kick();
  EXPECT_EQ(chardev_.Feed("hello guest"), 5U);
  EXPECT_EQ(chardev_.Feed(" guest"), 6U);
  const auto used = driver_->queue(4).CollectUsed();
  ASSERT_EQ(used.size(), 2U);
  EXPECT_EQ(used[0].text() + used[1].text(), "hello guest");
}

TEST_F(SerialTest, GuestWithoutBuffersStopsTheChardevUntilItHasSome) {
  OpenChannel();
  EXPECT_EQ(chardev_.Feed("x"), 0U);
  const int before = chardev_.resumes;
  driver_->queue(4).Add().Writable(5).Publish();
  driver_->queue(4).Kick();
  EXPECT_EQ(chardev_.resumes, before + 1);
  EXPECT_EQ(chardev_.Feed("x"), 1U);
}

// Which no byte of the host fits in; the port goes on with what comes behind them.
TEST_F(SerialTest, BuffersThatCannotBeWrittenGoBackEmpty) {
  OpenChannel();
  driver_->queue(4).Add().Readable("no room").Publish();
  driver_->queue(4).Add().Writable(5).Publish();
  driver_->queue(4).Kick();
  EXPECT_EQ(chardev_.Feed("hello"), 5U);
  const auto used = driver_->queue(4).CollectUsed();
  ASSERT_EQ(used.size(), 2U);
  EXPECT_EQ(used[0].text(), "");
  EXPECT_EQ(used[1].text(), "hello");
  // A guest with nothing else is one without buffers.
  driver_->queue(4).Add().Readable("no room").Publish();
  driver_->queue(4).Kick();
  EXPECT_EQ(chardev_.Feed("x"), 0U);
  EXPECT_EQ(driver_->queue(4).CollectUsed().size(), 1U);
  const int before = chardev_.resumes;
  driver_->queue(4).Add().Readable("no room").Publish();
  driver_->queue(4).Kick();
  EXPECT_EQ(chardev_.resumes, before);
  driver_->queue(4).Add().Writable(5).Publish();
  driver_->queue(4).Kick();
  EXPECT_EQ(chardev_.resumes, before + 1);
  EXPECT_EQ(chardev_.Feed("x"), 1U);
}

TEST_F(SerialTest, ChannelThatTheGuestHasNotOpenedTakesNothing) {
  OpenChannel();
  Say(1, console::kPortOpen, 0);
  driver_->queue(4).Add().Writable(5).Publish();
  driver_->queue(4).Kick();
  EXPECT_EQ(chardev_.Feed("x"), 0U);
}

TEST_F(SerialTest, ConsoleWithoutMultiportIsPortZero) {
  Make({.max_ports = 1});
  ASSERT_NE(AddPort({.console = true, .chardev = &chardev_}), nullptr);
  ASSERT_TRUE(driver_->Start());
  driver_->queue(1).Add().Readable("login:").Publish();
  driver_->queue(1).Kick();
  EXPECT_EQ(chardev_.written, "login:");
  driver_->queue(0).Add().Writable(16).Publish();
  driver_->queue(0).Kick();
  EXPECT_EQ(chardev_.Feed("root"), 4U);
}

TEST_F(SerialTest, ConsoleThatComesWhileTheDriverRunsWithoutMultiportWorks) {
  Make({.max_ports = 1});
  ASSERT_TRUE(driver_->Start());
  ASSERT_NE(AddPort({.console = true, .chardev = &chardev_}), nullptr);
  driver_->queue(0).Add().Writable(16).Publish();
  driver_->queue(0).Kick();
  EXPECT_EQ(chardev_.Feed("root"), 4U);
}

TEST_F(SerialTest, EmergencyWriteNeedsNoDriver) {
  Make();
  AddPort({.console = true, .chardev = &chardev_});
  driver_->SetConfig<le32>(8, 'X');
  EXPECT_EQ(chardev_.written, "X");
}

TEST_F(SerialTest, ControlNonsenseIsIgnored) {
  OpenChannel();
  Say(77, console::kPortOpen, 1);
  Say(0xffffffff, console::kPortReady, 1);
  Say(1, 999, 1);
  driver_->queue(3).Add().Readable("abc").Publish();
  driver_->queue(3).Kick();
  EXPECT_FALSE(driver_->needs_reset());
  EXPECT_TRUE(Listen().empty());
}

TEST_F(SerialTest, DriverThatTakesNoMessagesIsBounded) {
  Make();
  AddPort({.name = "agent", .chardev = &chardev_});
  ASSERT_TRUE(driver_->Start());
  Say(0, console::kDeviceReady, 1);
  for (int i = 0; i < 10000; ++i) {
    chardev_.Send(i % 2 == 0 ? ChardevEvent::kOpened : ChardevEvent::kClosed);
  }
  EXPECT_TRUE(driver_->needs_reset());
}

TEST_F(SerialTest, NumbersAndNamesAreDistinct) {
  Make({.max_ports = 3});
  ASSERT_NE(AddPort({.name = "a"}), nullptr);
  EXPECT_EQ(AddPort({.name = "a"}), nullptr);
  EXPECT_EQ(error_, "virtio-serial-bus: A port already exists by name a");
  EXPECT_EQ(AddPort({.name = "b", .number = 1}), nullptr);
  EXPECT_EQ(error_, "virtio-serial-bus: A port already exists at id 1");
  EXPECT_EQ(AddPort({.name = "b", .number = 3}), nullptr);
  EXPECT_EQ(error_, "virtio-serial-bus: Out-of-range port id specified, max. allowed: 2");
  EXPECT_EQ(AddPort({.name = "b", .number = 0}), nullptr);
  EXPECT_TRUE(error_.starts_with("Port number 0 on virtio-serial devices reserved"));
  ASSERT_NE(AddPort({.name = "b"}), nullptr);
  EXPECT_EQ(AddPort({.name = "c"}), nullptr);
  EXPECT_EQ(error_, "virtio-serial-bus: Out-of-range port id specified, max. allowed: 2");
  ports_.clear();
  Make({.max_ports = 32});
  for (int i = 1; i < 32; ++i) ASSERT_NE(AddPort({}), nullptr);
  EXPECT_EQ(AddPort({}), nullptr);
  EXPECT_EQ(error_, "virtio-serial-bus: Maximum port limit for this device reached");
}

TEST_F(SerialTest, PortThatGoesIsTold) {
  OpenChannel();
  ports_.clear();
  EXPECT_EQ(Listen(), (std::vector<Heard>{{1, console::kPortRemove, 1, ""}}));
  driver_->queue(5).Add().Readable("into the void").Publish();
  driver_->queue(5).Kick();
  EXPECT_FALSE(driver_->needs_reset());
}

TEST_F(SerialTest, StoppedVmMovesNoBytes) {
  OpenChannel();
  driver_->queue(4).Add().Writable(5).Publish();
  driver_->queue(4).Kick();
  driver_->frontend().OnRunning(false);
  driver_->queue(5).Add().Readable("later").Publish();
  driver_->queue(5).Kick();
  EXPECT_EQ(chardev_.written, "");
  driver_->frontend().OnRunning(true);
  driver_->loop().RunPosted();
  EXPECT_EQ(chardev_.written, "later");
}

TEST_F(SerialTest, ChardevInUseIsRefused) {
  Make();
  ASSERT_NE(AddPort({.name = "a", .chardev = &chardev_}), nullptr);
  EXPECT_EQ(AddPort({.name = "b", .chardev = &chardev_}), nullptr);
  EXPECT_EQ(error_, "Device 'fake0' is in use");
}

}  // namespace
}  // namespace davit::virtio
