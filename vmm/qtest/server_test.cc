// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Lines in, answers out: over a chardev that the test holds, on a small machine of its own.
#include "vmm/qtest/server.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/memory/ram_block.h"

namespace davit::qtest {
namespace {

constexpr uint64_t kRam = 0x10000;
constexpr uint64_t kWindow = 0x40000;  // a device of 16 bytes

// Keeps its bytes, and the sizes of the accesses.
class Scratch final : public bus::BusDevice {
 public:
  void Read(uint64_t offset, std::span<uint8_t> data) override {
    sizes.push_back(data.size());
    for (size_t i = 0; i < data.size(); ++i) data[i] = bytes[offset + i];
  }
  void Write(uint64_t offset, std::span<const uint8_t> data) override {
    sizes.push_back(data.size());
    for (size_t i = 0; i < data.size(); ++i) bytes[offset + i] = data[i];
  }
  std::array<uint8_t, 16> bytes{};
  std::vector<size_t> sizes;
};

class FakeTarget final : public Target {
 public:
  class Line final : public irq::IrqLine {
   public:
    void Set(bool level) override {
      if (told) told(number, level);
    }
    LevelFn told;
    uint32_t number = 0;
  };
  const bus::Bus* ports() override { return built ? &ports_ : nullptr; }
  const bus::Bus* mmio() override { return built ? &mmio_ : nullptr; }
  memory::GuestMemory memory() override { return built ? memory_ : memory::GuestMemory(); }
  io::VirtualClockLoop* clock() override { return stepped ? &clock_ : nullptr; }
  bool HasDevice(const std::string& path) override { return path == "ioapic" || path == "other"; }
  irq::IrqLine* Input(const std::string&, const std::string& name, uint32_t number) override {
    if (name != "unnamed-gpio-in" || number != 4) return nullptr;
    line.number = number;
    return &line;
  }
  void InterceptInputs(const std::string&, LevelFn told) override { line.told = std::move(told); }

  bool built = true, stepped = true;
  io::FakeEventLoop base_;
  io::VirtualClockLoop clock_{base_};
  bus::Bus ports_{"I/O port"}, mmio_{"MMIO"};
  Scratch device, port;
  memory::GuestMemory memory_;
  Line line;
};

class QtestServer : public ::testing::Test {
 protected:
  void SetUp() override {
    memory::RamBlockOptions options;
    options.size = kRam;
    auto block = memory::RamBlock::Create(options);
    ASSERT_TRUE(block) << block.error();
    auto memory = memory::GuestMemory::Create({{{0}, kRam, *block, 0}});
    ASSERT_TRUE(memory) << memory.error();
    target_.memory_ = *memory;
    ASSERT_TRUE(target_.mmio_.Claim(kWindow, 16, "device", &target_.device));
    ASSERT_TRUE(target_.ports_.Claim(0x80, 16, "port", &target_.port));
    auto server = Server::Create(chardev_, target_, {.log = "none"});
    ASSERT_TRUE(server) << server.error();
    server_ = std::move(*server);
    chardev_.Send(backend::ChardevEvent::kOpened);
  }

  // What comes back for this input.
  std::string Ask(const std::string& text) {
    chardev_.Feed(text + "\n");
    std::string answer = std::exchange(chardev_.written, {});
    if (answer.ends_with('\n')) answer.pop_back();
    return answer;
  }

  FakeTarget target_;
  backend::FakeChardev chardev_;
  std::unique_ptr<Server> server_;
};

TEST_F(QtestServer, PortsGoToTheBus) {
  EXPECT_EQ(Ask("outw 0x80 0x1234"), "OK");
  EXPECT_EQ(target_.port.bytes[0], 0x34);
  EXPECT_EQ(Ask("inb 0x81"), "OK 0x0012");
  EXPECT_EQ(Ask("inl 0x80"), "OK 0x1234");
  EXPECT_EQ(Ask("inl 0x70"), "OK 0xffffffff");
}

TEST_F(QtestServer, MemoryIsRamOrTheBus) {
  EXPECT_EQ(Ask("writeq 0x1000 0x1122334455667788"), "OK");
  EXPECT_EQ(Ask("readw 0x1000"), "OK 0x0000000000007788");
  EXPECT_EQ(Ask("writel 0x40004 0xdeadbeef"), "OK");
  EXPECT_EQ(Ask("readl 0x40004"), "OK 0x00000000deadbeef");
  EXPECT_EQ(target_.device.sizes, (std::vector<size_t>{4, 4}));
  EXPECT_EQ(Ask("readb 0x80000"), "OK 0x00000000000000ff");
}

TEST_F(QtestServer, AccessAcrossTheEndOfRamIsSplit) {
  EXPECT_EQ(Ask("writel 0xfffe 0x44332211"), "OK");
  EXPECT_EQ(Ask("readw 0xfffe"), "OK 0x0000000000002211");
  EXPECT_EQ(Ask("readl 0xfffe"), "OK 0x00000000ffff2211");
  EXPECT_EQ(Ask("read 0xfffe 4"), "OK 0x1122ffff");
}

TEST_F(QtestServer, Blocks) {
  EXPECT_EQ(Ask("write 0x2000 4 0x01020304"), "OK");
  EXPECT_EQ(Ask("read 0x2000 6"), "OK 0x010203040000");
  EXPECT_EQ(Ask("b64read 0x2000 4"), "OK AQIDBA==");
  EXPECT_EQ(Ask("b64read 0x2000 0"), "OK ");
  EXPECT_EQ(Ask("memset 0x2001 2 0xaa"), "OK");
  EXPECT_EQ(Ask("read 0x2000 4"), "OK 0x01aaaa04");
}

TEST_F(QtestServer, BlockOutsideRamIsTakenInAlignedPieces) {
  EXPECT_EQ(Ask("memset 0x40001 10 0x55"), "OK");
  EXPECT_EQ(target_.device.sizes, (std::vector<size_t>{1, 2, 4, 2, 1}));
}

TEST_F(QtestServer, HugeBlocksOutsideRamAreRefused) {
  EXPECT_EQ(Ask("memset 0x100000 0x1000000000 0"), "FAIL the range has too much outside RAM");
  EXPECT_EQ(Ask("read 0x100000 0x1000000"), "FAIL the range has too much outside RAM");
}

TEST_F(QtestServer, ClockIsSteppedAndReportsItsTime) {
  int fired = 0;
  auto timer =
      target_.clock_.At(io::Clock::time_point(std::chrono::nanoseconds(250)), [&] { ++fired; });
  EXPECT_EQ(Ask("clock_step 100"), "OK 100");
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(Ask("clock_step"), "OK 250");
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(Ask("clock_step"), "OK 250");
  EXPECT_EQ(Ask("clock_set 1000"), "OK 1000");
  EXPECT_EQ(Ask("clock_set 10"), "OK 1000");
  EXPECT_EQ(Ask("clock_step -5"), "OK 1000");
  EXPECT_EQ(Ask("clock_step 0x7fffffffffffffff"), "FAIL clock_step: the clock would overflow");
}

TEST_F(QtestServer, ClockOfAnotherAcceleratorIsNotStepped) {
  target_.stepped = false;
  EXPECT_EQ(Ask("clock_step"), "FAIL Unknown command 'clock_step'");
  EXPECT_EQ(Ask("clock_set 1"), "FAIL Unknown command 'clock_set'");
}

TEST_F(QtestServer, InterceptedLineIsToldWhenItChanges) {
  EXPECT_EQ(Ask("set_irq_in ioapic unnamed-gpio-in 4 1"), "OK");
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "OK");
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "OK");
  EXPECT_EQ(Ask("irq_intercept_in other"), "FAIL IRQ intercept already enabled");
  EXPECT_EQ(Ask("irq_intercept_in nosuch"), "FAIL Unknown device");
  target_.line.Set(true);
  target_.line.Set(true);
  target_.line.Set(false);
  EXPECT_EQ(std::exchange(chardev_.written, {}), "IRQ raise 4\nIRQ lower 4\n");
  EXPECT_EQ(Ask("set_irq_in ioapic unnamed-gpio-in 4 1"), "IRQ raise 4\nOK");
  EXPECT_EQ(Ask("set_irq_in ioapic unnamed-gpio-in 5 1"),
            "FAIL set_irq_in: the device has no input 5 of that name");
}

TEST_F(QtestServer, AnswersBeforeTheMachineIsBuilt) {
  target_.built = false;
  EXPECT_EQ(Ask("endianness"), "OK little");
  EXPECT_EQ(Ask("inb 0x80"), "OK 0x00ff");
  EXPECT_EQ(Ask("outb 0x80 1"), "OK");
  EXPECT_EQ(Ask("readb 0"), "OK 0x00000000000000ff");
  EXPECT_EQ(Ask("memset 0 16 0"), "OK");
}

TEST_F(QtestServer, SeveralLinesAndPartsOfLines) {
  chardev_.Feed("endianness\nendian");
  EXPECT_EQ(std::exchange(chardev_.written, {}), "OK little\n");
  EXPECT_EQ(Ask("XX"), "FAIL Unknown command 'endianXX'");
  EXPECT_EQ(Ask("\nfoo"), "FAIL Unknown command ''\nFAIL Unknown command 'foo'");
}

TEST_F(QtestServer, ClientThatDoesNotReadIsNotReadFrom) {
  chardev_.room = 0;
  chardev_.Feed("read 0 65536\nread 0 65536\nread 0 65536\nread 0 65536\nendianness\n");
  EXPECT_EQ(chardev_.Feed("endianness\n"), 0U);
  chardev_.MakeRoom(SIZE_MAX / 2);
  EXPECT_TRUE(chardev_.written.ends_with("\nOK little\n"));
  EXPECT_EQ(chardev_.resumes, 1);
  chardev_.written.clear();
  EXPECT_EQ(Ask("endianness"), "OK little");
}

TEST_F(QtestServer, EndlessLineIsRefusedAndTakesNoMore) {
  const std::string part(65536, 'x');
  for (size_t fed = 0; fed <= kMaxLine; fed += part.size()) chardev_.Feed(part);
  EXPECT_EQ(Ask("x"), "FAIL the line is too long");
  EXPECT_EQ(Ask("endianness"), "OK little");
}

TEST_F(QtestServer, NewClientStartsAfresh) {
  Ask("irq_intercept_in ioapic");
  target_.line.Set(true);
  chardev_.Feed("half a li");
  chardev_.Send(backend::ChardevEvent::kClosed);
  chardev_.written.clear();
  target_.line.Set(false);
  EXPECT_EQ(chardev_.written, "");
  chardev_.Send(backend::ChardevEvent::kOpened);
  EXPECT_EQ(Ask("endianness"), "OK little");
}

}  // namespace
}  // namespace davit::qtest
