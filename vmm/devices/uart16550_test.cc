// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the 16550A: each register, each interrupt, flow control, hostile accesses.
#include "vmm/devices/uart16550.h"

#include <gtest/gtest.h>

#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"

namespace davit::devices {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kData = 0, kIer = 1, kIir = 2, kFcr = 2, kLcr = 3, kMcr = 4, kLsr = 5, kMsr = 6,
                   kScr = 7;

class Uart16550Test : public testing::Test {
 protected:
  Uart16550Test() { EXPECT_TRUE(uart_.Connect(&chardev_)); }
  uint8_t In(uint64_t offset) {
    uint8_t value = 0;
    uart_.Read(offset, std::span(&value, 1));
    return value;
  }
  void Out(uint64_t offset, uint8_t value) { uart_.Write(offset, std::span(&value, 1)); }
  void Settle() { loop_.Advance(milliseconds(0)); }

  irq::RecordingIrqLine irq_;
  io::FakeEventLoop loop_;
  backend::FakeChardev chardev_;
  Uart16550 uart_{irq_, loop_};
};

TEST_F(Uart16550Test, AfterResetTheTransmitterIsEmptyAndNoInterruptPends) {
  EXPECT_EQ(In(kLsr), 0x60);
  EXPECT_EQ(In(kIir), 0x01);
  EXPECT_EQ(In(kMsr), 0xb0);
  EXPECT_EQ(In(kIer), 0x00);
  EXPECT_FALSE(irq_.level());
}

TEST_F(Uart16550Test, WrittenByteReachesTheBackEnd) {
  Out(kData, 'h');
  Out(kData, 'i');
  EXPECT_EQ(chardev_.written, "hi");
  EXPECT_EQ(In(kLsr), 0x60);
}

TEST_F(Uart16550Test, ReceivedByteSetsDataReadyUntilRead) {
  EXPECT_EQ(chardev_.Feed("x"), 1u);
  EXPECT_EQ(In(kLsr) & 0x01, 0x01);
  EXPECT_EQ(In(kData), 'x');
  EXPECT_EQ(In(kLsr) & 0x01, 0x00);
}

TEST_F(Uart16550Test, EmptyReceiverReadsZero) { EXPECT_EQ(In(kData), 0); }

TEST_F(Uart16550Test, WithoutFifoOneByteIsTakenAndReadingAsksForMore) {
  EXPECT_EQ(chardev_.Feed("ab"), 1u);
  EXPECT_EQ(chardev_.Feed("b"), 0u);
  In(kData);
  EXPECT_EQ(chardev_.resumes, 1);
  EXPECT_EQ(chardev_.Feed("b"), 1u);
}

TEST_F(Uart16550Test, WithFifoSixteenBytesAreTaken) {
  Out(kFcr, 0x01);
  EXPECT_EQ(chardev_.Feed("0123456789abcdefgh"), 16u);
  EXPECT_EQ(In(kIir) & 0xc0, 0xc0);
  for (char c : std::string("0123456789abcdef")) EXPECT_EQ(In(kData), c);
}

TEST_F(Uart16550Test, DivisorLatchLiesBehindDlab) {
  Out(kLcr, 0x83);
  Out(kData, 0x01);
  Out(kIer, 0x02);
  EXPECT_EQ(In(kData), 0x01);
  EXPECT_EQ(In(kIer), 0x02);
  Out(kLcr, 0x03);
  EXPECT_EQ(In(kIer), 0x00);
  EXPECT_EQ(uart_.state().divisor, 0x0201);
  EXPECT_TRUE(chardev_.written.empty());
}

TEST_F(Uart16550Test, ScratchRegisterKeepsItsValue) {
  Out(kScr, 0x5a);
  EXPECT_EQ(In(kScr), 0x5a);
}

TEST_F(Uart16550Test, IerKeepsFourBitsAsA16550AProbeExpects) {
  Out(kIer, 0xff);
  EXPECT_EQ(In(kIer), 0x0f);
}

TEST_F(Uart16550Test, ReceiveInterruptLastsUntilTheDataIsRead) {
  Out(kIer, 0x01);
  chardev_.Feed("x");
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(In(kIir), 0x04);
  EXPECT_TRUE(irq_.level());
  In(kData);
  EXPECT_FALSE(irq_.level());
}

TEST_F(Uart16550Test, ReceiveInterruptWaitsForTheTriggerLevel) {
  Out(kFcr, 0x41);  // 4 bytes
  Out(kIer, 0x01);
  chardev_.Feed("abc");
  EXPECT_FALSE(irq_.level());
  chardev_.Feed("d");
  EXPECT_EQ(In(kIir), 0xc4);
}

TEST_F(Uart16550Test, DataBelowTheTriggerLevelTimesOut) {
  Out(kLcr, 0x03);
  Out(kFcr, 0xc1);
  Out(kIer, 0x01);
  chardev_.Feed("a");
  loop_.Advance(milliseconds(3));  // four characters of 10 bits at 9600 baud: 4.2 ms
  EXPECT_FALSE(irq_.level());
  loop_.Advance(milliseconds(2));
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(In(kIir), 0xcc);
  In(kData);
  EXPECT_FALSE(irq_.level());
}

TEST_F(Uart16550Test, TrafficPutsTheTimeoutOff) {
  Out(kLcr, 0x03);
  Out(kFcr, 0xc1);
  Out(kIer, 0x01);
  chardev_.Feed("a");
  loop_.Advance(milliseconds(3));
  chardev_.Feed("b");
  loop_.Advance(milliseconds(3));
  EXPECT_FALSE(irq_.level());
  loop_.Advance(milliseconds(3));
  EXPECT_TRUE(irq_.level());
}

TEST_F(Uart16550Test, TimeoutRestartsWhenDataIsLeftAfterARead) {
  Out(kFcr, 0xc1);
  Out(kIer, 0x01);
  chardev_.Feed("ab");
  loop_.Advance(milliseconds(10));
  In(kData);
  EXPECT_FALSE(irq_.level());
  loop_.Advance(milliseconds(10));
  EXPECT_TRUE(irq_.level());
}

TEST_F(Uart16550Test, EnablingTheTransmitInterruptRaisesItAtOnce) {
  Out(kIer, 0x02);
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(In(kIir), 0x02);
  EXPECT_FALSE(irq_.level());
  EXPECT_EQ(In(kIir), 0x01);
}

TEST_F(Uart16550Test, EachSentByteMakesANewEdge) {
  Out(kIer, 0x02);
  const int before = irq_.rises();
  Out(kData, 'a');
  Out(kData, 'b');
  EXPECT_EQ(irq_.rises(), before + 2);
}

TEST_F(Uart16550Test, FullBackEndKeepsTheTransmitterBusyUntilThereIsRoom) {
  Out(kFcr, 0x01);
  Out(kIer, 0x02);
  In(kIir);
  chardev_.room = 0;
  Out(kData, 'a');
  Out(kData, 'b');
  EXPECT_EQ(In(kLsr) & 0x60, 0x00);
  EXPECT_FALSE(irq_.level());
  chardev_.MakeRoom(10);
  EXPECT_EQ(chardev_.written, "ab");
  EXPECT_EQ(In(kLsr) & 0x60, 0x60);
  EXPECT_TRUE(irq_.level());
}

TEST_F(Uart16550Test, FloodIntoAFullBackEndLosesTheOldestBytesOnly) {
  Out(kFcr, 0x01);
  chardev_.room = 0;
  for (int i = 0; i < 1000; ++i) Out(kData, static_cast<uint8_t>('0' + i % 10));
  EXPECT_EQ(uart_.state().tx_count, 16u);
  chardev_.MakeRoom(100);
  EXPECT_EQ(chardev_.written, "4567890123456789");
}

TEST_F(Uart16550Test, ClearingTheTransmitFifoEmptiesTheTransmitter) {
  Out(kFcr, 0x01);
  chardev_.room = 0;
  Out(kData, 'a');
  Out(kFcr, 0x05);
  EXPECT_EQ(In(kLsr) & 0x60, 0x60);
  chardev_.MakeRoom(10);
  EXPECT_EQ(chardev_.written, "");
}

TEST_F(Uart16550Test, ClearingTheReceiveFifoDropsTheData) {
  Out(kFcr, 0x01);
  chardev_.Feed("abc");
  Out(kFcr, 0x03);
  EXPECT_EQ(In(kLsr) & 0x01, 0x00);
}

TEST_F(Uart16550Test, LoopbackReturnsWhatIsSent) {
  Out(kMcr, 0x10);
  Out(kData, 'z');
  EXPECT_EQ(In(kData), 'z');
  EXPECT_EQ(chardev_.written, "");
  EXPECT_EQ(chardev_.Feed("x"), 0u);
}

TEST_F(Uart16550Test, LeavingLoopbackAsksForInputAgain) {
  Out(kMcr, 0x10);
  Out(kMcr, 0x00);
  EXPECT_GT(chardev_.resumes, 0);
}

TEST_F(Uart16550Test, LoopbackTurnsModemOutputsIntoInputs) {
  Out(kMcr, 0x1a);  // as Linux's probe: RTS, OUT2
  EXPECT_EQ(In(kMsr) & 0xf0, 0x90);
  Out(kMcr, 0x15);
  EXPECT_EQ(In(kMsr) & 0xf0, 0x60);
}

TEST_F(Uart16550Test, ModemChangeInterruptsUntilMsrIsRead) {
  Out(kIer, 0x08);
  Out(kMcr, 0x10);  // DCD, DSR, CTS fall
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(In(kIir), 0x00);
  EXPECT_EQ(In(kMsr), 0x0b);
  EXPECT_FALSE(irq_.level());
  EXPECT_EQ(In(kMsr), 0x00);
}

TEST_F(Uart16550Test, RingIndicatorCountsItsTrailingEdgeOnly) {
  Out(kMcr, 0x10);
  In(kMsr);
  Out(kMcr, 0x14);
  EXPECT_EQ(In(kMsr), 0x40);
  Out(kMcr, 0x10);
  EXPECT_EQ(In(kMsr), 0x04);
}

TEST_F(Uart16550Test, OverrunInLoopbackSetsItsBitUntilLsrIsRead) {
  Out(kMcr, 0x10);
  Out(kIer, 0x04);
  Out(kData, 'a');
  Out(kData, 'b');
  EXPECT_EQ(In(kIir), 0x06);
  EXPECT_EQ(In(kLsr) & 0x02, 0x02);
  EXPECT_EQ(In(kLsr) & 0x02, 0x00);
  EXPECT_EQ(In(kData), 'b');
}

TEST_F(Uart16550Test, OverrunOfTheFifoKeepsTheOldBytes) {
  Out(kFcr, 0x01);
  Out(kMcr, 0x10);
  for (int i = 0; i < 17; ++i) Out(kData, static_cast<uint8_t>(i));
  EXPECT_EQ(In(kLsr) & 0x02, 0x02);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(In(kData), i);
}

TEST_F(Uart16550Test, BreakIsAZeroByteWithItsBit) {
  Out(kFcr, 0x01);
  Out(kIer, 0x04);
  chardev_.Send(backend::ChardevEvent::kBreak);
  EXPECT_EQ(In(kIir), 0xc6);
  EXPECT_EQ(In(kLsr) & 0x91, 0x91);
  EXPECT_EQ(In(kLsr) & 0x91, 0x01);
  EXPECT_EQ(In(kData), 0);
  EXPECT_FALSE(irq_.level());
}

TEST_F(Uart16550Test, LineStatusComesBeforeReceiveBeforeTransmit) {
  Out(kIer, 0x0f);
  chardev_.Send(backend::ChardevEvent::kBreak);
  EXPECT_EQ(In(kIir), 0x06);
  In(kLsr);
  EXPECT_EQ(In(kIir), 0x04);
  In(kData);
  EXPECT_EQ(In(kIir), 0x02);
  EXPECT_EQ(In(kIir), 0x01);
}

TEST_F(Uart16550Test, ResetDropsAllStateAndTheInterrupt) {
  Out(kFcr, 0xc1);
  Out(kIer, 0x0f);
  Out(kScr, 7);
  chardev_.room = 0;
  Out(kData, 'a');
  chardev_.Feed("abc");
  uart_.Reset();
  EXPECT_FALSE(irq_.level());
  EXPECT_EQ(In(kLsr), 0x60);
  EXPECT_EQ(In(kIir), 0x01);
  EXPECT_EQ(In(kScr), 0);
  loop_.Advance(milliseconds(50));
  EXPECT_FALSE(irq_.level());
}

TEST_F(Uart16550Test, WideAccessIsARunOfBytes) {
  Out(kLcr, 0x80);
  const uint8_t divisor[2] = {0x34, 0x12};
  uart_.Write(kData, divisor);
  EXPECT_EQ(uart_.state().divisor, 0x1234);
  uint8_t wide[8] = {};
  uart_.Read(4, wide);
  EXPECT_EQ(wide[1], 0x60);
  EXPECT_EQ(wide[4], 0xff);
}

TEST_F(Uart16550Test, ZeroDivisorDoesNoHarm) {
  Out(kLcr, 0x80);
  Out(kData, 0);
  Out(kIer, 0);
  Out(kLcr, 0);
  Out(kFcr, 0xc1);
  Out(kIer, 1);
  chardev_.Feed("a");
  loop_.Advance(milliseconds(1));
  EXPECT_TRUE(irq_.level());
}

TEST(Uart16550NoBackEndTest, SendingWithoutABackEndLosesTheByte) {
  irq::RecordingIrqLine irq;
  io::FakeEventLoop loop;
  Uart16550 uart(irq, loop);
  const uint8_t byte[1] = {'a'};
  uart.Write(0, byte);
  uint8_t lsr[1] = {};
  uart.Read(5, lsr);
  EXPECT_EQ(lsr[0], 0x60);
}

TEST(Uart16550NoBackEndTest, SecondPortOnOneBackEndIsRefused) {
  irq::RecordingIrqLine irq;
  io::FakeEventLoop loop;
  backend::FakeChardev chardev;
  {
    Uart16550 first(irq, loop), second(irq, loop);
    ASSERT_TRUE(first.Connect(&chardev));
    EXPECT_EQ(second.Connect(&chardev).error().message, "Device 'fake0' is in use");
  }
  EXPECT_FALSE(chardev.frontend_open());
}

}  // namespace
}  // namespace davit::devices
