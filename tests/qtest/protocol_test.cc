// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -accel qtest and -qtest as a whole: how davitd connects, answers, falls back and ends. Cases
// that do not name an accelerator's own abilities hold for QEMU, too (DAVIT_QTEST_QEMU=1).
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/virtio/machine.h"
#include "tests/support/vm.h"

namespace davit::qtest {
namespace {

TEST(QtestProtocol, AnswersAsQemu) {
  Machine m({"-M", "q35"});
  EXPECT_EQ(m.Command("endianness"), "OK little");
  EXPECT_EQ(m.Command("foo bar"), "FAIL Unknown command 'foo'");
  EXPECT_EQ(m.Command("INB 0x70"), "FAIL Unknown command 'INB'");
  EXPECT_EQ(m.Command("rtas x 0 0 0 0"), "FAIL Unknown command 'rtas'");
  EXPECT_EQ(m.Command("irq_intercept_in nosuch"), "FAIL Unknown device");
  EXPECT_EQ(m.Command("irq_intercept_in ioapic"), "OK");
  EXPECT_EQ(m.Command("irq_intercept_in ioapic"), "OK");
  EXPECT_EQ(m.Command("set_irq_in nosuch unnamed-gpio-in 4 1"), "FAIL Unknown device");
  EXPECT_EQ(m.Command("outb 0x80 300"), "OK");
  EXPECT_EQ(m.Command("inw 0xf1f0"), "OK 0xffff");
  EXPECT_EQ(m.Command("inb 0xf1f0 extra"), "OK 0x00ff");
  EXPECT_EQ(m.Command("writeq 0x100000 0x1122334455667788"), "OK");
  EXPECT_EQ(m.Command("readw 0x100002"), "OK 0x0000000000005566");
  EXPECT_EQ(m.Command("read 0x100000 8"), "OK 0x8877665544332211");
  EXPECT_EQ(m.Command("b64read 0x100000 4"), "OK iHdmVQ==");
  EXPECT_EQ(m.Command("b64read 0x100000 0"), "OK ");
  EXPECT_EQ(m.Command("write 0x100000 2 0x0102"), "OK");
  EXPECT_EQ(m.Command("write 0x100000 0 0x"), "ERR invalid argument size");
  EXPECT_EQ(m.Command("memset 0x100004 2 0x1aa"), "OK");
  EXPECT_EQ(m.Command("b64write 0x100006 2 /v8="), "OK");
  EXPECT_EQ(m.Command("read 0x100000 8"), "OK 0x01026655aaaafeff");
}

// Each width of each access: to ports (the scratch register of a serial port is a byte that stays),
// to memory, and to registers of a device.
TEST(QtestProtocol, EveryWidthOfEveryAccess) {
  Machine m({"-M", "q35", "-serial", "null"});
  EXPECT_EQ(m.Command("outb 0x3ff 0x5a"), "OK");
  EXPECT_EQ(m.Command("inb 0x3ff"), "OK 0x005a");
  EXPECT_EQ(m.Command("outl 0xcf8 0x80000000"), "OK");
  EXPECT_EQ(m.Command("inl 0xcf8"), "OK 0x80000000");
  EXPECT_EQ(m.Command("inl 0xcfc"), "OK 0x29c08086");
  EXPECT_EQ(m.Command("inw 0xcfe"), "OK 0x29c0");
  EXPECT_EQ(m.Command("outl 0xcf8 0x80000004"), "OK");
  EXPECT_EQ(m.Command("outw 0xcfc 0x0007"), "OK");
  EXPECT_EQ(m.Command("inb 0xcfc"), "OK 0x0007");
  EXPECT_EQ(m.Command("writeb 0x200000 0x11"), "OK");
  EXPECT_EQ(m.Command("writew 0x200002 0x2233"), "OK");
  EXPECT_EQ(m.Command("writel 0x200004 0x44556677"), "OK");
  EXPECT_EQ(m.Command("writeq 0x200008 0x8899aabbccddeeff"), "OK");
  EXPECT_EQ(m.Command("readb 0x200003"), "OK 0x0000000000000022");
  EXPECT_EQ(m.Command("readw 0x200004"), "OK 0x0000000000006677");
  EXPECT_EQ(m.Command("readl 0x20000c"), "OK 0x000000008899aabb");
  EXPECT_EQ(m.Command("readq 0x200000"), "OK 0x4455667722330011");
  EXPECT_EQ(m.Command("readl 0xfec00010"), "OK 0x0000000000000000");
  EXPECT_EQ(m.Command("writel 0xfec00000 1"), "OK");
  EXPECT_EQ(m.Command("readl 0xfec00010"), "OK 0x0000000000170020");
  EXPECT_EQ(m.Command("irq_intercept_out nosuch"), "FAIL Unknown device");
  EXPECT_EQ(m.Command("irq_intercept_out ioapic"), "OK");
  EXPECT_EQ(m.Command("irq_intercept_in ioapic"), "OK");
}

TEST(QtestProtocol, LineThatIsSetIsTold) {
  Machine m({"-M", "q35"});
  m.InterceptIoapic();
  EXPECT_EQ(m.Command("set_irq_in ioapic unnamed-gpio-in 4 1"), "OK");
  EXPECT_TRUE(m.Line(4));
  m.Ok("set_irq_in ioapic unnamed-gpio-in 4 0");
  EXPECT_FALSE(m.Line(4));
  EXPECT_EQ(m.Rises(4), 1);
}

TEST(QtestProtocol, ClockStartsAtZeroAndOnlyTheClientMovesIt) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m;
  EXPECT_EQ(m.ClockStep(0), 0);
  EXPECT_EQ(m.ClockStep(1'000'000), 1'000'000);
  EXPECT_EQ(m.ClockSet(5'000'000), 5'000'000);
  EXPECT_EQ(m.ClockSet(1), 5'000'000);
}

TEST(QtestProtocol, QueriesShowAMachineThatRuns) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m({"-smp", "2"});
  EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("running"));
  EXPECT_EQ(m.Qmp("query-kvm")["enabled"], json::Value(false));
  const json::Value cpus = m.Qmp("query-cpus-fast");
  ASSERT_EQ(cpus.AsArray()->size(), 2U);
  const int64_t* first = (*cpus.AsArray())[0]["thread-id"].AsInt();
  const int64_t* second = (*cpus.AsArray())[1]["thread-id"].AsInt();
  ASSERT_TRUE(first != nullptr && second != nullptr);
  EXPECT_NE(*first, *second);
  EXPECT_EQ(testing::ReadFile("/proc/" + std::to_string(*second) + "/comm"), "CPU 1/DUMMY\n");
}

TEST(QtestProtocol, AnswersDuringPreconfig) {
  Machine m({"--preconfig"});
  EXPECT_EQ(m.Command("endianness"), "OK little");
  m.Qmp("x-exit-preconfig");
  EXPECT_EQ(m.Read32(0x100000), 0U);
}

TEST(QtestProtocol, SigtermEndsWithStatusZeroAndTheEvent) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{}, {"-S"}, {"--preconfig"}, {"-no-shutdown"}}) {
    Machine m(args);
    m.process().Signal(SIGTERM);
    auto event = m.qmp().WaitEvent("SHUTDOWN");
    ASSERT_TRUE(event) << event.error();
    EXPECT_EQ(event->data["reason"], json::Value("host-signal"));
    auto status = m.process().Wait(testing::kPatience);
    ASSERT_TRUE(status) << status.error();
    EXPECT_EQ(*status, 0);
  }
}

TEST(QtestProtocol, ClosedSocketLeavesTheMachineToQmp) {
  Machine m;
  m.CloseQtest();
  EXPECT_TRUE(m.qmp().Execute("query-status"));
  EXPECT_TRUE(m.qmp().Execute("stop"));
  EXPECT_TRUE(m.qmp().Execute("quit"));
  auto status = m.process().Wait(testing::kPatience);
  ASSERT_TRUE(status) << status.error();
  EXPECT_EQ(*status, 0);
}

TEST(QtestProtocol, MalformedCommandsAreRefusedAndTheMachineLives) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU ends itself on these";
  Machine m;
  for (const char* line : {"", "inb", "inb zz", "inb 0x10000", "outb 1", "read 0 0", "readb -",
                           "write 0", "memset 0 0xffffffffffffffff 0", "read 0 0x7fffffffffffffff",
                           "clock_step x", "set_irq_in ioapic unnamed-gpio-in 24 1",
                           "set_irq_in ioapic other 1 1", "irq_intercept_in", "\x01\x02"}) {
    EXPECT_TRUE(m.Command(line).starts_with("FAIL ")) << line;
  }
  EXPECT_EQ(m.Command("endianness"), "OK little");
}

TEST(QtestProtocol, LogHasWhatWasSaid) {
  if (Machine::IsQemu()) GTEST_SKIP() << "the log is -qtest-log none";
  const testing::TempDir dir;
  {
    Machine m({"-qtest-log", dir.File("log")});
    m.Command("endianness");
    m.process().Signal(SIGTERM);
    ASSERT_TRUE(m.process().Wait(testing::kPatience));
  }
  const std::string log = testing::ReadFile(dir.File("log"));
  EXPECT_TRUE(log.starts_with("[I 0.000000] OPENED\n[R +0.")) << log;
  EXPECT_NE(log.find("] endianness\n"), std::string::npos) << log;
  EXPECT_NE(log.find("] OK little\n"), std::string::npos) << log;
}

TEST(QtestProtocol, AcceleratorsAreTriedInOrder) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  const std::vector<std::vector<std::string>> lists = {
      {"-accel", "foo", "-accel", "qtest", "-accel", "kvm"}, {"-M", "microvm,accel=foo:qtest"}};
  for (const auto& args : lists) {
    auto vm = testing::Vm::Start({.args = args});
    ASSERT_TRUE(vm) << vm.error();
    auto kvm = (*vm)->qmp().Execute("query-kvm");
    ASSERT_TRUE(kvm) << kvm.error();
    EXPECT_EQ((*kvm)["enabled"], json::Value(false));
    const std::string text = (*vm)->process().Stderr();
    EXPECT_NE(text.find("invalid accelerator foo\n"), std::string::npos) << text;
    EXPECT_NE(text.find("falling back to QTest\n"), std::string::npos) << text;
  }
}

TEST(QtestProtocol, AcceleratorThatDoesNotExistIsNamed) {
  const auto run = testing::RunCommand({testing::DavitdPath(), "-accel", "foo", "-accel", "bar"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("-accel foo: invalid accelerator foo\n"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("-accel bar: invalid accelerator bar\n"), std::string::npos) << run.err;
}

TEST(QtestProtocol, SocketThatIsNotThereIsNamed) {
  const auto run = testing::RunCommand(
      {testing::DavitdPath(), "-accel", "qtest", "-qtest", "unix:/nonexistent/q"});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.err.find("Failed to connect to '/nonexistent/q': No such file or directory"),
            std::string::npos)
      << run.err;
}

}  // namespace
}  // namespace davit::qtest
