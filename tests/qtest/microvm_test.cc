// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The board devices of microvm with a test as the guest: serial port, clock, power button and the
// registers that end or reset the machine.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "tests/support/virtio/machine.h"

namespace davit::qtest {
namespace {

constexpr uint16_t kSerial = 0x3f8;
constexpr unsigned kSerialGsi = 4, kRtcGsi = 8, kGedGsi = 9;
constexpr uint64_t kGedEvents = 0xfea00000, kGedRegisters = 0xfea00200;

// What the VMM writes to its stdout, up to `size` bytes.
std::string ReadStdio(Machine& m, size_t size) {
  std::string text;
  while (text.size() < size) {
    pollfd polled{m.process().stdio(), POLLIN, 0};
    if (poll(&polled, 1, static_cast<int>(testing::kPatience.count())) <= 0) break;
    char buffer[256];
    const ssize_t n = read(m.process().stdio(), buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

TEST(MicrovmQtest, SerialPortSpeaksBothWays) {
  Machine m({"-serial", "stdio"});
  m.InterceptIoapic();
  for (char c : std::string("hello")) m.OutB(kSerial, static_cast<uint8_t>(c));
  EXPECT_EQ(ReadStdio(m, 5), "hello");
  m.OutB(kSerial + 4, 0x08);  // OUT2: the interrupt reaches the line
  m.OutB(kSerial + 1, 0x01);  // on received data
  EXPECT_FALSE(m.Line(kSerialGsi));
  ASSERT_EQ(write(m.process().stdio(), "x", 1), 1);
  EXPECT_TRUE(m.WaitFor([&] { return m.Line(kSerialGsi); }));
  EXPECT_EQ(m.InB(kSerial + 5) & 1, 1);
  EXPECT_EQ(m.InB(kSerial), 'x');
  EXPECT_FALSE(m.Line(kSerialGsi));
}

// Linux finds virtio-mmio devices and serial ports by the ACPI tables alone.
TEST(MicrovmQtest, AcpiTablesNameTheDevicesThatAreThere) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's tables are placed by firmware";
  constexpr uint64_t kTables = 0xe0000, kSize = 0x20000;
  const auto count = [](Machine& m, std::string_view text) {
    const std::vector<uint8_t> bytes = m.ReadBytes(kTables, kSize);
    const std::string_view tables(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    size_t n = 0;
    for (size_t at = 0; (at = tables.find(text, at)) != std::string_view::npos; ++at) ++n;
    return n;
  };
  Machine bare;
  EXPECT_EQ(count(bare, "ACPI0013"), 1U);  // the tables are there
  EXPECT_EQ(count(bare, "LNRO0005"), 0U);
  Machine two({"-device", "virtio-rng-device", "-device", "virtio-balloon-device"});
  EXPECT_EQ(count(two, "LNRO0005"), 2U);
  EXPECT_EQ(count(two, "VR07"), 1U);
  EXPECT_EQ(count(two, "VR06"), 1U);
  // A serial port as well, by either option.
  EXPECT_EQ(count(bare, "COM1"), 0U);
  EXPECT_EQ(bare.InB(kSerial + 5), 0xff);
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{"-serial", "null"}, {"-device", "isa-serial"}}) {
    Machine m(options);
    EXPECT_EQ(count(m, "COM1"), 1U);
    EXPECT_EQ(m.InB(kSerial + 5), 0x60);
  }
}

uint8_t Cmos(Machine& m, uint8_t index) {
  m.OutB(0x70, index);
  return m.InB(0x71);
}
void SetCmos(Machine& m, uint8_t index, uint8_t value) {
  m.OutB(0x70, index);
  m.OutB(0x71, value);
}

TEST(MicrovmQtest, RtcAlarmRingsWhenTheClientStepsTheClock) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m({"-rtc", "base=2001-09-09T01:46:40"});
  m.InterceptIoapic();
  EXPECT_EQ(Cmos(m, 0), 0x40);
  EXPECT_EQ(Cmos(m, 9), 0x01);
  SetCmos(m, 1, 0x50);  // each minute at second 50
  SetCmos(m, 3, 0xff);
  SetCmos(m, 5, 0xff);
  SetCmos(m, 11, 0x22);
  const int64_t at = m.ClockStepToNextTimer();
  EXPECT_EQ(at, 10'000'000'000);
  EXPECT_TRUE(m.Line(kRtcGsi));
  EXPECT_EQ(Cmos(m, 12) & 0xa0, 0xa0);
  EXPECT_FALSE(m.Line(kRtcGsi));
  EXPECT_EQ(Cmos(m, 0), 0x50);
  m.ClockStep(60'000'000'000);
  EXPECT_EQ(m.Rises(kRtcGsi), 2);
}

TEST(MicrovmQtest, RtcPeriodicInterruptComesAtItsRate) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m;
  m.InterceptIoapic();
  SetCmos(m, 10, 0x26);  // 1024 Hz
  SetCmos(m, 11, 0x42);
  for (int i = 1; i <= 4; ++i) {
    m.ClockStepToNextTimer();
    EXPECT_EQ(m.Rises(kRtcGsi), i);
    Cmos(m, 12);
  }
  EXPECT_LE(m.ClockStep(0), 4 * 976'563);
}

TEST(MicrovmQtest, PowerButtonIsAnEventOfTheGed) {
  Machine m;
  m.InterceptIoapic();
  m.Qmp("system_powerdown");
  EXPECT_TRUE(m.WaitFor([&] { return m.Rises(kGedGsi) == 1; }));
  EXPECT_EQ(m.Read32(kGedEvents), 2U);
  EXPECT_EQ(m.Read32(kGedEvents), 0U);
}

TEST(MicrovmQtest, SleepRegisterEndsTheMachine) {
  Machine m;
  m.Write(kGedRegisters, 1, 5 << 2 | 1 << 5);  // S5, enable
  auto event = m.qmp().WaitEvent("SHUTDOWN");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["reason"], json::Value("guest-shutdown"));
  auto status = m.process().Wait(testing::kPatience);
  ASSERT_TRUE(status) << status.error();
  EXPECT_EQ(*status, 0);
}

TEST(MicrovmQtest, ResetRegisterAndKeyboardControllerReset) {
  Machine m;
  m.Write(kGedRegisters + 2, 1, 0x42);
  auto event = m.qmp().WaitEvent("RESET");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["reason"], json::Value("guest-reset"));
  if (Machine::IsQemu()) return;  // has no keyboard controller there
  m.OutB(0x64, 0xfe);
  EXPECT_TRUE(m.qmp().WaitEvent("RESET"));
}

TEST(MicrovmQtest, WhatNobodyClaimsReadsAsOnes) {
  Machine m;
  EXPECT_EQ(m.In(0xf1f0, 4), 0xffffffffU);
  m.Out(0xf1f0, 4, 1);
}

}  // namespace
}  // namespace davit::qtest
