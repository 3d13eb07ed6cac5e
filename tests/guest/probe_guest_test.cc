// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The probe guest under davitd: what the guest finds is what the command line asked for, and the
// VM's life as QMP and the guest steer it. A start takes milliseconds, and KVM without hardware
// will do.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/guest/guest_vm.h"

namespace davit::testing {
namespace {

using std::chrono::steady_clock;

class ProbeGuest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
  }

  // All text from a key to the line that holds `end`.
  static std::string Dump(Vm& vm, std::string_view key, std::string_view end) {
    EXPECT_TRUE(vm.serial().Send(key));
    auto text = vm.serial().WaitFor(end, kReplyTime);
    EXPECT_TRUE(text) << text.error();
    return text ? *text : "";
  }

  static std::string Ready(Vm& vm) {
    auto text = vm.serial().WaitFor("ready, h for help", kReplyTime);
    EXPECT_TRUE(text) << text.error();
    return text ? *text : "";
  }
};

// Reserves 2 MiB pages for one test.
class HugePagePool {
 public:
  explicit HugePagePool(int pages) : before_(ReadFile(kFile)) {
    std::ofstream(kFile) << pages;
    ok_ = std::atoi(ReadFile(kFile).c_str()) >= pages;
  }
  ~HugePagePool() { std::ofstream(kFile) << before_; }
  bool ok() const { return ok_; }

 private:
  static constexpr const char* kFile = "/proc/sys/vm/nr_hugepages";
  std::string before_;
  bool ok_ = false;
};

#define SKIP_ON_QEMU(why) \
  if (VmmIsQemu()) GTEST_SKIP() << why

TEST_F(ProbeGuest, Q35IsFullHardwareAndObeysItsButton) {
  auto vm = StartProbe({"-machine", "q35", "-m", "6G", "-smp", "2", "-append", "one"});
  ASSERT_NE(vm, nullptr);
  const std::string text = vm->serial().transcript();
  EXPECT_CONTAINS(text, "command line: one");
  EXPECT_CONTAINS(text, "cpus: 2 in MADT, 2 enabled, boot apic id 0");
  EXPECT_CONTAINS(text, "full hardware, pm1 event 600 control 604, sci 9, reset port cf9 value f");
  EXPECT_CONTAINS(text, "0000000100000000-00000001ffffffff usable");
  ASSERT_OK(vm->qmp().Execute("system_powerdown"));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-shutdown");
  ExpectExit(*vm);
}

TEST_F(ProbeGuest, ReportsTheMachineThatWasAskedFor) {
  auto vm = StartProbe({"-m", "512", "-smp", "2", "-append", "one two=\"3 4\""});
  ASSERT_NE(vm, nullptr);
  const std::string text = vm->serial().transcript();
  EXPECT_CONTAINS(text, "davit probe guest");
  EXPECT_CONTAINS(text, "command line: one two=\"3 4\"");
  EXPECT_CONTAINS(text, "cpus: 2 in MADT, 2 enabled, boot apic id 0");
  EXPECT_CONTAINS(text, "hardware-reduced, sleep control fea00200, reset memory fea00202 value 42");
  EXPECT_CONTAINS(text, "event device at fea00000 gsi 9");
  EXPECT_EQ(text.find("BAD"), std::string::npos) << text;
}

TEST_F(ProbeGuest, IsHandedTheDeviceTree) {
  SKIP_ON_QEMU("QEMU's microvm hands no device tree over by PVH");
  auto vm = StartProbe({"-m", "512", "-smp", "2", "-append", "hello"});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(vm->serial().transcript(), "boot: linux");
  const std::string tree = Dump(*vm, "t", "device tree: ");
  EXPECT_CONTAINS(tree, "device tree: done");
  EXPECT_CONTAINS(tree, "bootargs = \"hello\"");
  EXPECT_CONTAINS(tree, "cpu@0:");
  EXPECT_CONTAINS(tree, "cpu@1:");
  EXPECT_EQ(tree.find("cpu@2:"), std::string::npos) << tree;
  EXPECT_CONTAINS(tree, "device_type = \"memory\"");
  EXPECT_CONTAINS(tree, "ns16550a");
}

TEST_F(ProbeGuest, UsersDeviceTreeIsTheBase) {
  SKIP_ON_QEMU("QEMU's microvm has no -dtb");
  TempDir dir;
  std::ofstream(dir.File("user.dts"))
      << "/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; model = \"of the user\";\n"
         "memory@0 { device_type = \"memory\"; reg = <0 0 0 0>; };\n"
         "mine { value = <42>; }; };\n";
  ASSERT_EQ(RunCommand({"dtc", "-q", "-O", "dtb", "-o", dir.File("user.dtb"), dir.File("user.dts")})
                .status,
            0);
  auto vm = StartProbe({"-dtb", dir.File("user.dtb"), "-m", "512", "-append", "with a tree"});
  ASSERT_NE(vm, nullptr);
  const std::string tree = Dump(*vm, "t", "device tree: ");
  EXPECT_CONTAINS(tree, "model = \"of the user\"");
  EXPECT_CONTAINS(tree, "value = <0x2a>");
  EXPECT_CONTAINS(tree, "bootargs = \"with a tree\"");
  EXPECT_CONTAINS(tree, "reg = <0x0 0x0 0x0 0x20000000>");
}

TEST_F(ProbeGuest, DumpedTreeIsWhatTheGuestSees) {
  SKIP_ON_QEMU("QEMU's microvm has its tree for itself");
  auto vm = StartProbe({"-append", "dumped"});
  ASSERT_NE(vm, nullptr);
  const std::string file = vm->dir().File("dump.dtb");
  json::Object arguments;
  arguments.Set("filename", file);
  ASSERT_OK(vm->qmp().Execute("dumpdtb", arguments));
  const RunResult dts = RunCommand({"dtc", "-I", "dtb", "-O", "dts", file});
  EXPECT_EQ(dts.status, 0) << dts.err;
  EXPECT_EQ(dts.err, "");
  EXPECT_CONTAINS(dts.out, "bootargs = \"dumped\"");
  const std::string tree = Dump(*vm, "t", "device tree: ");
  EXPECT_EQ(std::count(tree.begin(), tree.end(), ':') - 1,
            std::count(dts.out.begin(), dts.out.end(), '{'))
      << "the two have different numbers of nodes\n"
      << tree << dts.out;
}

TEST_F(ProbeGuest, EntersByPvhWhenTheKernelIsAnElf) {
  auto vm = StartProbe({"-kernel", ProbeFile("probe.elf"), "-append", "by pvh"});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(vm->serial().transcript(), "boot: pvh");
  EXPECT_CONTAINS(vm->serial().transcript(), "command line: by pvh");
}

TEST_F(ProbeGuest, InitrdIsWhereTheLoaderSays) {
  SKIP_ON_QEMU("QEMU adds a module of its own");
  TempDir dir;
  std::ofstream(dir.File("initrd")) << std::string(70'000, 'i');
  auto vm = StartProbe({"-initrd", dir.File("initrd")});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(vm->serial().transcript(), "initrd: 70000 bytes at ");
}

TEST_F(ProbeGuest, AllMemoryIsUsableBelowAndAboveFourGiB) {
  auto vm = StartProbe({"-m", "6G"});
  ASSERT_NE(vm, nullptr);
  const std::string map = Dump(*vm, "m", " usable in ");
  EXPECT_CONTAINS(map, "0000000100000000-");
  const std::string test = Dump(*vm, "w", "memory test: done");
  EXPECT_EQ(test.find("BAD"), std::string::npos) << test;
  EXPECT_CONTAINS(test, "memory test: 0000000100000000-");
}

TEST_F(ProbeGuest, EveryCpuStarts) {
  auto vm = StartProbe({"-smp", "4"});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(Dump(*vm, "s", "cpus online"), "smp: 4 cpus online");
  EXPECT_CONTAINS(Dump(*vm, "c", "cpu 3 apic id"), "cpus: 4 in MADT, 4 enabled");
}

// One that came while the guest ran, and one that came while it stood still.
TEST_F(ProbeGuest, CpusThatAreAddedStartAsTheOthersDo) {
  auto vm = StartProbe({"-machine", "q35", "-smp", "1,maxcpus=3,cores=3"});
  ASSERT_NE(vm, nullptr);
  const auto add = [&vm](int64_t core) {
    return vm->qmp().Execute("device_add", {{"driver", "host-x86_64-cpu"},
                                            {"socket-id", int64_t{0}},
                                            {"core-id", core},
                                            {"thread-id", int64_t{0}}});
  };
  ASSERT_OK(add(1));
  ASSERT_OK(vm->qmp().Execute("stop"));
  ASSERT_OK(add(2));
  ASSERT_OK(vm->qmp().Execute("cont"));
  EXPECT_CONTAINS(Dump(*vm, "s", "cpus online"), "smp: 3 cpus online");
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ASSERT_OK(vm->serial().WaitFor("ready, h for help", kReplyTime));
  EXPECT_CONTAINS(Dump(*vm, "s", "cpus online"), "smp: 3 cpus online");
}

TEST_F(ProbeGuest, SixteenCpusOfATopologyStart) {
  auto vm = StartProbe({"-smp", "16,sockets=2,cores=4,threads=2,maxcpus=16"});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(Dump(*vm, "s", "cpus online"), "smp: 16 cpus online");
}

TEST_F(ProbeGuest, PreconfigWaitsForItsEnd) {
  auto vm = StartProbe({"--preconfig"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(vm->RunState(), "prelaunch");
  EXPECT_FALSE(vm->qmp().Execute("cont"));
  EXPECT_TRUE(vm->serial().Quiet(milliseconds(200)));
  ASSERT_OK(vm->qmp().Execute("x-exit-preconfig"));
  Ready(*vm);
  EXPECT_EQ(vm->RunState(), "running");
}

TEST_F(ProbeGuest, StartsPausedAndRunsAfterCont) {
  auto vm = StartProbe({"-S"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(vm->RunState(), "prelaunch");
  EXPECT_TRUE(vm->serial().Quiet(milliseconds(200)));
  ASSERT_OK(vm->qmp().Execute("cont"));
  ASSERT_OK(vm->qmp().WaitEvent("RESUME", kReplyTime));
  Ready(*vm);
}

// The guest's clock ticks ten times a second, and never for longer than the guest ran.
TEST_F(ProbeGuest, StopStopsAndContResumes) {
  const auto start = steady_clock::now();
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute("stop"));
  const auto stopped = steady_clock::now();
  EXPECT_EQ(vm->RunState(), "paused");
  ASSERT_OK(vm->serial().Send("i"));
  EXPECT_TRUE(vm->serial().Quiet(milliseconds(3000)));
  const auto resumed = steady_clock::now();
  ASSERT_OK(vm->qmp().Execute("cont"));
  auto line = vm->serial().WaitForLine("ticks: ", kReplyTime);
  ASSERT_OK(line);
  const auto ran = steady_clock::now() - start - (resumed - stopped);
  // One tick may have been on its way at the stop, one begins at the cont.
  EXPECT_LE(std::atoll(line->c_str()), ran / milliseconds(100) + 2)
      << "it ticked through three seconds of stop";
}

TEST_F(ProbeGuest, SystemResetStartsTheGuestAgain) {
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ExpectEvent(*vm, "RESET", false, "host-qmp-system-reset");
  Ready(*vm);
}

TEST_F(ProbeGuest, SystemResetWhilePausedDoesNotRun) {
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute("stop"));
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ExpectEvent(*vm, "RESET", false, "host-qmp-system-reset");
  EXPECT_EQ(vm->RunState(), "prelaunch");
  ASSERT_OK(vm->qmp().Execute("cont"));
  Ready(*vm);
}

TEST_F(ProbeGuest, GuestResetsByKeyboardControllerAcpiAndTripleFault) {
  SKIP_ON_QEMU("QEMU's microvm has no keyboard controller by default");
  auto vm = StartProbe({"-smp", "2"});
  ASSERT_NE(vm, nullptr);
  for (const char* key : {"r", "R", "x"}) {
    ASSERT_OK(vm->serial().Send(key));
    ExpectEvent(*vm, "RESET", true, "guest-reset");
    Ready(*vm);
  }
  EXPECT_CONTAINS(Dump(*vm, "s", "cpus online"), "smp: 2 cpus online");
}

TEST_F(ProbeGuest, NoRebootEndsAtTheGuestsReset) {
  auto vm = StartProbe({"-no-reboot"});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->serial().Send("R"));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-reset");
  ExpectExit(*vm);
}

TEST_F(ProbeGuest, PowerButtonIsObeyed) {
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute("system_powerdown"));
  ASSERT_OK(vm->qmp().WaitEvent("POWERDOWN", kReplyTime));
  ASSERT_OK(vm->serial().WaitFor("power off: button", kReplyTime));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-shutdown");
  ExpectExit(*vm);
}

TEST_F(ProbeGuest, NoShutdownKeepsTheVmAndResetStartsItAgain) {
  auto vm = StartProbe({"-no-shutdown"});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->serial().Send("p"));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-shutdown");
  EXPECT_EQ(vm->RunState(), "shutdown");
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ASSERT_OK(vm->qmp().WaitEvent("RESET", kReplyTime));
  EXPECT_EQ(vm->RunState(), "prelaunch");
  ASSERT_OK(vm->qmp().Execute("cont"));
  Ready(*vm);
}

TEST_F(ProbeGuest, EmulationFailureIsAnInternalErrorThatResetHeals) {
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->serial().Send("u"));
  ASSERT_OK(vm->qmp().WaitEvent("STOP", kReplyTime));
  EXPECT_EQ(vm->RunState(), "internal-error");
  auto cont = vm->qmp().Execute("cont");
  ASSERT_FALSE(cont);
  EXPECT_EQ(cont.error().message, "Resetting the Virtual Machine is required");
  ASSERT_OK(vm->qmp().Execute("system_reset"));
  ASSERT_OK(vm->qmp().Execute("cont"));
  Ready(*vm);
}

TEST_F(ProbeGuest, InjectedNmiArrives) {
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(NumberAfter(Ask(*vm, "i", "ticks: "), "nmis"), 0);
  ASSERT_OK(vm->qmp().Execute("inject-nmi"));
  EXPECT_EQ(NumberAfter(Ask(*vm, "i", "ticks: "), "nmis"), 1);
}

TEST_F(ProbeGuest, DebugPortsOutputArrivesInTheFile) {
  TempDir dir;
  auto vm = StartProbe({"-debugcon", "file:" + dir.File("debug")});
  ASSERT_NE(vm, nullptr);
  // The port is written before the serial line says so.
  EXPECT_CONTAINS(Dump(*vm, "e", "debug port: "), "debug port: written");
  EXPECT_EQ(ReadFile(dir.File("debug")), "probe: debug port\n");
  json::Object info;
  info.Set("command-line", "info qtree");
  auto tree = vm->qmp().Execute("human-monitor-command", info);
  ASSERT_OK(tree);
  EXPECT_CONTAINS(*tree->AsString(), "dev: isa-debugcon, id \"debugcon\"");
  EXPECT_CONTAINS(*tree->AsString(), "iobase = 233 (0xe9)");
}

TEST_F(ProbeGuest, WithoutDebugconThereIsNoDebugPort) {
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(Dump(*vm, "e", "debug port: "), "debug port: none");
}

TEST_F(ProbeGuest, RtcHasTheBaseThatWasAskedFor) {
  auto vm = StartProbe({"-rtc", "base=2031-02-03T04:05:06"}, ",rtc=on");
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(Dump(*vm, "i", "clock: rtc"), "clock: rtc 2031-02-03 04:05:");
}

TEST_F(ProbeGuest, WithoutRtcThereIsNone) {
  auto vm = StartProbe({}, ",rtc=off");
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(Dump(*vm, "i", "clock: no rtc"), "clock: no rtc");
}

TEST_F(ProbeGuest, SplitIrqchipDeliversInterrupts) {
  auto vm = StartProbe({"-smp", "2"}, ",kernel-irqchip=split");
  ASSERT_NE(vm, nullptr);
  EXPECT_GE(NumberAfter(Ask(*vm, "i", "ticks: "), "serial interrupts"), 1);
  EXPECT_CONTAINS(Dump(*vm, "s", "cpus online"), "smp: 2 cpus online");
  ASSERT_OK(vm->qmp().Execute("system_powerdown"));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-shutdown");
  ExpectExit(*vm);
}

TEST_F(ProbeGuest, MemoryBackendsHoldTheRam) {
  for (const char* object : {"memory-backend-ram,id=ram0,size=256M",
                             "memory-backend-memfd,id=ram0,size=256M,share=on"}) {
    auto vm = StartProbe({"-object", object, "-m", "256"}, ",memory-backend=ram0");
    ASSERT_NE(vm, nullptr);
    EXPECT_EQ(Dump(*vm, "w", "memory test: done").find("BAD"), std::string::npos);
    auto list = vm->qmp().Execute("query-memdev");
    ASSERT_OK(list);
    ASSERT_EQ(list->AsArray()->size(), 1u);
    EXPECT_EQ((*list->AsArray())[0]["size"], json::Value(int64_t{256} << 20));
  }
}

TEST_F(ProbeGuest, FileBackendMapsTheRangeThatWasGiven) {
  SKIP_ON_QEMU("QEMU 7.2 has no offset");
  TempDir dir;
  const std::string file = dir.File("ram");
  std::ofstream(file).close();
  std::filesystem::resize_file(file, 72 << 20);
  auto vm = StartProbe(
      {"-object", "memory-backend-file,id=ram0,size=64M,share=on,offset=8M,mem-path=" + file, "-m",
       "64"},
      ",memory-backend=ram0");
  ASSERT_NE(vm, nullptr);
  // The guest was loaded at 1 MiB of its RAM, so at 9 MiB of the file, and nothing lies before.
  std::ifstream in(file, std::ios::binary);
  std::string bytes(10 << 20, 0);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_EQ(bytes.find_first_not_of(std::string_view("\0", 1)) / (8 << 20), 1u);
  EXPECT_NE(bytes.find("davit probe guest", 9 << 20), std::string::npos);
}

TEST_F(ProbeGuest, HugePagesHoldTheRamAndTooFewAreAnError) {
  HugePagePool pool(48);
  if (!pool.ok()) GTEST_SKIP() << "no right to reserve huge pages here";
  const std::string object = "memory-backend-memfd,id=ram0,hugetlb=on,hugetlbsize=2M,prealloc=on,";
  auto vm = StartProbe({"-object", object + "prealloc-threads=2,size=64M", "-m", "64"},
                       ",memory-backend=ram0");
  ASSERT_NE(vm, nullptr);
  const std::string smaps = ReadFile("/proc/" + std::to_string(vm->process().pid()) + "/smaps");
  EXPECT_NE(smaps.find("KernelPageSize:     2048 kB"), std::string::npos);
  ASSERT_OK(vm->qmp().Execute("quit"));
  ExpectExit(*vm);

  Args args = GuestArgs({"-object", object + "size=1G", "-m", "1G"}, ",memory-backend=ram0");
  args.insert(args.begin(), DavitdPath());
  const RunResult result = RunCommand(args);
  EXPECT_EQ(result.status, 1);
  EXPECT_FALSE(result.err.empty());
}

TEST_F(ProbeGuest, QuitAndSignalsEndWithTheirReasons) {
  auto vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute("quit"));
  ExpectEvent(*vm, "SHUTDOWN", false, "host-qmp-quit");
  ExpectExit(*vm);
  vm = StartProbe({});
  ASSERT_NE(vm, nullptr);
  vm->process().Signal(SIGTERM);
  ExpectEvent(*vm, "SHUTDOWN", false, "host-signal");
  ExpectExit(*vm);
}

}  // namespace
}  // namespace davit::testing
