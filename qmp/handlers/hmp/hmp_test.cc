// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Output of the human monitor, as QEMU 7.2 prints it for the same state.
#include "qmp/handlers/hmp/hmp.h"

#include <gtest/gtest.h>

#include "qmp/handlers/testing/fake_vm_control.h"

namespace davit::qmp {
namespace {

using control::RunState;

// Enough of -device's language: DRIVER[,help|,KEY=VALUE].
Result<DeviceLine> ParseLine(const std::string& text) {
  DeviceLine line;
  const size_t comma = text.find(',');
  line.texts.emplace_back("driver", text.substr(0, comma));
  if (comma == std::string::npos) return line;
  const std::string rest = text.substr(comma + 1);
  const size_t equals = rest.find('=');
  line.help = rest == "help";
  if (!line.help) line.texts.emplace_back(rest.substr(0, equals), rest.substr(equals + 1));
  return line;
}

class HmpTest : public testing::Test {
 protected:
  std::string Do(const std::string& line, std::optional<int64_t> cpu = std::nullopt) {
    const auto result = hmp_.Execute(line, cpu);
    return result ? *result : "error: " + result.error().message;
  }
  control::FakeVmControl vm_;
  control::FakeChardevs chardevs_;
  control::FakeNet net_;
  control::FakeBlocks blocks_;
  Hmp hmp_{vm_, chardevs_, blocks_, net_, "7.2.0davit", {ParseLine, {}}};
};

TEST_F(HmpTest, VerbsCallTheVm) {
  for (const char* line : {"stop", "s", "cont", "c", "system_reset", "system_powerdown",
                           "system_wakeup", "nmi", "dumpdtb /x", "object_del m"}) {
    EXPECT_EQ(Do(line), "") << line;
  }
  EXPECT_EQ(vm_.calls,
            (std::vector<std::string>{"stop", "stop", "cont", "cont", "reset", "powerdown",
                                      "wakeup", "nmi", "dumpdtb /x", "object-del m"}));
}

TEST_F(HmpTest, DevicesComeAndGo) {
  EXPECT_EQ(Do("device_add virtio-rng-pci,id=r1"), "");
  EXPECT_EQ(Do("device_del r1"), "");
  EXPECT_EQ(vm_.calls, (std::vector<std::string>{"device_add virtio-rng-pci r1", "device_del r1"}));
  EXPECT_EQ(Do("device_add nope"), "Error: 'nope' is not a valid device model name\r\n");
  EXPECT_EQ(Do("device_add virtserialport,nr=x"), "Error: Parameter 'nr' expects integer\r\n");
  EXPECT_EQ(Do("device_add virtserialport,help").find("virtserialport options:\r\n"), 0U);
  EXPECT_EQ(Do("device_add vmcoreinfo extra"),
            "device_add: extraneous characters at the end of line\r\n"
            "Try \"help device_add\" for more information\r\n");
  EXPECT_EQ(Do("device_del"),
            "device_del: string expected\r\n"
            "Try \"help device_del\" for more information\r\n");
  vm_.error = "no room";
  EXPECT_EQ(Do("device_add vmcoreinfo"), "Error: no room\r\n");
}

TEST_F(HmpTest, ChardevVerbs) {
  for (const char* line : {"chardev-add null,id=a", "chardev-change a pty", "chardev-remove a",
                           "chardev-send-break a", "ringbuf_write r hello"}) {
    EXPECT_EQ(Do(line), "") << line;
  }
  EXPECT_EQ(chardevs_.calls, (std::vector<std::string>{"add null,id=a", "change a pty", "remove a",
                                                       "break a", "write r"}));
  EXPECT_EQ(
      Do("ringbuf_write r"),
      "ringbuf_write: string expected\r\nTry \"help ringbuf_write\" for more information\r\n");
  EXPECT_EQ(Do("ringbuf_read r"),
            "unexpected end of expression\r\nTry \"help ringbuf_read\" for more information\r\n");
  chardevs_.error = "Chardev 'x' not found";
  EXPECT_EQ(Do("chardev-send-break x"), "Error: Chardev 'x' not found\r\n");
}

TEST_F(HmpTest, DriveVerbs) {
  EXPECT_EQ(Do("drive_add 0 if=none,id=d"), "OK\r\n");
  EXPECT_EQ(Do("drive_del d"), "");
  EXPECT_EQ(blocks_.calls, (std::vector<std::string>{"drive_add if=none,id=d", "drive_del d"}));
  blocks_.error = "no room";
  EXPECT_EQ(Do("drive_add 0 if=none,id=d"), "no room\r\n");
  EXPECT_EQ(Do("drive_del d"), "no room\r\n");
}

TEST_F(HmpTest, RingbufReadEscapesControlCharacters) {
  chardevs_.ring = std::string("a\nb\x01\\\x7f", 6);
  EXPECT_EQ(Do("ringbuf_read r 100"), "a\r\nb\\u0001\\\\\\u007F\r\n");
  EXPECT_EQ(Do("ringbuf_read r 0"), "Error: size must be greater than zero\r\n");
}

TEST_F(HmpTest, BlockStatsOfDisksWithAndWithoutAName) {
  blocks_.disks.resize(2);
  blocks_.disks[0].device = "x";
  blocks_.disks[0].read = {.bytes = 1024, .operations = 2, .time_ns = 30};
  blocks_.disks[1].write.bytes = 512;
  EXPECT_EQ(Do("info blockstats"),
            "x: rd_bytes=1024 wr_bytes=0 rd_operations=2 wr_operations=0 flush_operations=0 "
            "wr_total_time_ns=0 rd_total_time_ns=30 flush_total_time_ns=0 rd_merged=0 wr_merged=0 "
            "idle_time_ns=0\r\n"
            ": rd_bytes=0 wr_bytes=512 rd_operations=0 wr_operations=0 flush_operations=0 "
            "wr_total_time_ns=0 rd_total_time_ns=0 flush_total_time_ns=0 rd_merged=0 wr_merged=0 "
            "idle_time_ns=0\r\n");
}

TEST_F(HmpTest, MediaVerbs) {
  for (const char* line : {"eject d", "eject -f d", "change d /a", "change d -f /a raw read-write",
                           "change d /a raw retain"}) {
    EXPECT_EQ(Do(line), "") << line;
  }
  EXPECT_EQ(blocks_.calls, (std::vector<std::string>{
                               "eject device:d", "eject device:d force", "change device:d /a - 0",
                               "change device:d /a raw 2 force", "change device:d /a raw 0"}));
}

TEST_F(HmpTest, DrivesWithoutAMedium) {
  blocks_.disks.resize(1);
  blocks_.disks[0].qdev = "cd0";
  blocks_.disks[0].removable = blocks_.disks[0].locked = true;
  blocks_.disks[0].tray_open = true;
  EXPECT_EQ(Do("info block"),
            "cd0: [not inserted]\r\n    Attached to:      cd0\r\n"
            "    Removable device: locked, tray open\r\n");
}

TEST_F(HmpTest, QuitHasTheCauseOfQmp) {
  EXPECT_EQ(Do("q"), "");
  EXPECT_EQ(vm_.quit_cause, control::ShutdownCause::kHostQmpQuit);
}

TEST_F(HmpTest, FailedVerbSaysWhy) {
  vm_.error = "wake-up from suspend is not supported by this guest";
  EXPECT_EQ(Do("system_wakeup"), "Error: wake-up from suspend is not supported by this guest\r\n");
}

TEST_F(HmpTest, UnknownCommandsAreNamed) {
  EXPECT_EQ(Do("foo"), "unknown command: 'foo'\r\n");
  EXPECT_EQ(Do("info foo bar"), "unknown command: 'info foo'\r\n");
  EXPECT_EQ(Do("INFO status"), "unknown command: 'INFO'\r\n");
  EXPECT_EQ(Do("sto"), "unknown command: 'sto'\r\n");
}

TEST_F(HmpTest, BlankLineDoesNothing) {
  EXPECT_EQ(Do(""), "");
  EXPECT_EQ(Do("  \t"), "");
}

TEST_F(HmpTest, ArgumentsTooManyOrMissing) {
  EXPECT_EQ(Do("stop x"),
            "stop|s: extraneous characters at the end of line\r\n"
            "Try \"help stop\" for more information\r\n");
  EXPECT_EQ(Do("info cpus x"),
            "cpus: extraneous characters at the end of line\r\n"
            "Try \"help info cpus\" for more information\r\n");
  EXPECT_EQ(Do("dumpdtb"),
            "dumpdtb: filename expected\r\nTry \"help dumpdtb\" for more information\r\n");
  EXPECT_EQ(Do("info registers -z"),
            "registers: unsupported option -z\r\n"
            "Try \"help info registers\" for more information\r\n");
  EXPECT_EQ(Do("cpu"), "unexpected end of expression\r\nTry \"help cpu\" for more information\r\n");
  EXPECT_EQ(Do("cpu x"),
            "invalid char 'x' in expression\r\nTry \"help cpu\" for more information\r\n");
  EXPECT_TRUE(vm_.calls.empty());
}

TEST_F(HmpTest, TextsMayBeQuoted) {
  EXPECT_EQ(Do(R"(ringbuf_write "r" "a b\n\r\\\'\"")"), "");
  EXPECT_EQ(Do(R"(ringbuf_write "r"x)"), "") << "the closing quote ends the argument";
  EXPECT_EQ(Do(R"(ringbuf_write r "")"), "");
  EXPECT_EQ(Do(R"(ringbuf_write r a"b)"), "") << "a quote within a word is itself";
  EXPECT_EQ(Do(R"(change "d 0" "/a b" "raw" "retain")"), "");
  EXPECT_EQ(Do(R"(announce_self "net0" "x")"), "");
  EXPECT_EQ(chardevs_.calls, std::vector<std::string>(4, "write r"));
  EXPECT_EQ(chardevs_.ring, "a b\n\r\\'\"xa\"b");
  EXPECT_EQ(blocks_.calls, (std::vector<std::string>{"change device:d 0 /a b raw 0"}));
  EXPECT_EQ(net_.calls, (std::vector<std::string>{"announce 50 550 5 100 net0 as x"}));
}

TEST_F(HmpTest, QuotesThatDoNotEndAndOtherEscapesAreNoTexts) {
  const auto usage = [](const std::string& name, const std::string& wanted) {
    return name + ": " + wanted + " expected\r\nTry \"help " + name + "\" for more information\r\n";
  };
  EXPECT_EQ(Do(R"(device_del "zz)"), usage("device_del", "string"));
  EXPECT_EQ(Do(R"(device_del "zz\)"), usage("device_del", "string"));
  EXPECT_EQ(Do(R"(device_del "zz\")"), usage("device_del", "string"));
  EXPECT_EQ(Do(R"(device_del "z\z")"), usage("device_del", "string"));
  EXPECT_EQ(Do(R"(qom-list ")"), usage("qom-list", "string"));
  EXPECT_EQ(Do(R"(change d ")"), usage("change", "filename"));
  EXPECT_EQ(Do(R"(drive_del ")"), usage("drive_del", "block device name"));
  EXPECT_EQ(Do(R"(device_add "zz)"), "Try \"help device_add\" for more information\r\n");
  EXPECT_EQ(Do(R"(help "zz)"), "");
}

TEST_F(HmpTest, ABlockNodeIsFoundWhereNoDiskHasTheName) {
  blocks_.disks.resize(1);
  blocks_.disks[0].device = "d0";
  blocks_.nodes = {{.name = "n0", .driver = "raw", .filename = "/a"},
                   {.name = "n1", .driver = "raw", .filename = "/b"}};
  const std::string n0 = "n0: /a (raw)\r\n    Cache mode:       writeback\r\n";
  const std::string n1 = "\r\nn1: /b (raw)\r\n    Cache mode:       writeback\r\n";
  EXPECT_EQ(Do("info block d0"), "d0: [not inserted]\r\n");
  EXPECT_EQ(Do("info block n0"), n0);
  EXPECT_EQ(Do("info block n1"), n1);
  EXPECT_EQ(Do("info block -n"), n0 + n1);
  EXPECT_EQ(Do("info block -n d0"), "");
  EXPECT_EQ(Do("info block zz"), "");
  EXPECT_EQ(Do("info block -z"),
            "block: unsupported option -z\r\nTry \"help info block\" for more information\r\n");
  EXPECT_EQ(Do("info block d0 x"),
            "block: extraneous characters at the end of line\r\n"
            "Try \"help info block\" for more information\r\n");
}

TEST_F(HmpTest, NumbersAreExpressions) {
  vm_.balloon = 0;
  const std::vector<std::pair<const char*, uint64_t>> kRows = {
      {"32+32", 64},
      {"  32 +\t32 ", 64},
      {"(32+32)*2", 128},
      {"2*3+4*5", 26},
      {"4+2&3", 6},   // & before +
      {"6|1*8", 14},  // * before |
      {"12-4-3", 5},
      {"64/3%4", 1},
      {"5^3", 6},
      {"--7", 7},
      {"-(1-9)", 8},
      {"~0+10", 9},
      {"0x10", 16},
      {"010", 8},
      {"'a'", 97},
      {"' '+1", 33},
      {"-9/-3", 3},
      {"(-9223372036854775807-1)/-1*0+1", 1},
      {"(-9223372036854775807-1)%-1+1", 1},
      {"18446744073709551615+3", 2},
  };
  std::vector<std::string> calls;
  for (const auto& [text, mebibytes] : kRows) {
    EXPECT_EQ(Do(std::string("balloon ") + text), "") << text;
    calls.push_back("balloon " + std::to_string(mebibytes << 20));
  }
  EXPECT_EQ(vm_.calls, calls);
}

TEST_F(HmpTest, WhatIsNoExpressionIsNamed) {
  vm_.balloon = 0;
  const std::string more = "balloon: extraneous characters at the end of line";
  const std::vector<std::pair<std::string, std::string>> kRows = {
      {"", "unexpected end of expression"},
      {"1+", "unexpected end of expression"},
      {"-", "unexpected end of expression"},
      {"(1", "')' expected"},
      {"()", "invalid char ')' in expression"},
      {"1)", more},
      {"64M", more},
      {"0x", more},
      {"08", more},
      {"1 2", more},
      {"\"64\"", "invalid char '\"' in expression"},
      {"1/0", "division by zero"},
      {"1%(2-2)", "division by zero"},
      {"$pc", "unknown register"},
      {"'", "character constant expected"},
      {"''", "missing terminating ' character"},
      {"'ab'", "missing terminating ' character"},
      {"99999999999999999999", "number too large"},
      {"-5", "enter a positive value"},
      {std::string(300, '('), "expression is nested too deeply"},
      {std::string(300, '-') + "1", "expression is nested too deeply"},
  };
  for (const auto& [text, error] : kRows) {
    EXPECT_EQ(Do("balloon " + text), error + "\r\nTry \"help balloon\" for more information\r\n")
        << text;
  }
  EXPECT_EQ(Do(std::string("balloon ") + std::string(200, '(') + "1" + std::string(200, ')')), "");
  EXPECT_EQ(vm_.calls, std::vector<std::string>{"balloon 1048576"});
}

TEST_F(HmpTest, NumbersOf32Bits) {
  const std::string ring = "Try \"help ringbuf_read\" for more information\r\n";
  const std::string large = "'ringbuf_read' has failed: integer is for 32-bit values\r\n" + ring;
  EXPECT_EQ(Do("ringbuf_read r 4294967296"), large);
  EXPECT_EQ(Do("ringbuf_read r -1"), large);
  EXPECT_EQ(Do("ringbuf_read r 4294967297-4294967296"), "\r\n");
  EXPECT_EQ(Do("ringbuf_read r 4294967295"), "\r\n");
  EXPECT_EQ(Do("info registers 4294967296"),
            "'registers' has failed: integer is for 32-bit values\r\n"
            "Try \"help info registers\" for more information\r\n");
}

TEST_F(HmpTest, Status) {
  EXPECT_EQ(Do("info status"), "VM status: running\r\n");
  vm_.state = RunState::kPaused;
  EXPECT_EQ(Do("info status"), "VM status: paused\r\n");
  vm_.state = RunState::kPrelaunch;
  EXPECT_EQ(Do("  info   status "), "VM status: paused (prelaunch)\r\n");
}

TEST_F(HmpTest, NameOnlyWhenThereIsOne) {
  EXPECT_EQ(Do("info name"), "");
  vm_.vm_name = "web";
  EXPECT_EQ(Do("info name"), "web\r\n");
}

TEST_F(HmpTest, ShortTopics) {
  EXPECT_EQ(Do("info version"), "7.2.0davit\r\n");
  EXPECT_EQ(Do("info uuid"), "550e8400-e29b-41d4-a716-446655440000\r\n");
  EXPECT_EQ(Do("info kvm"), "kvm support: enabled\r\n");
  EXPECT_EQ(Do("info chardev"),
            "serial0: filename=null\r\ncompat_monitor0: filename=unix:/q,server=on\r\n");
  EXPECT_EQ(Do("info memory_size_summary"), "base memory: 1048576\r\nplugged memory: 0\r\n");
}

TEST_F(HmpTest, CpusMarkTheCurrentOne) {
  EXPECT_EQ(Do("info cpus"), "* CPU #0: thread_id=100\r\n  CPU #1: thread_id=101\r\n");
  EXPECT_EQ(Do("info cpus", 1), "  CPU #0: thread_id=100\r\n* CPU #1: thread_id=101\r\n");
  EXPECT_EQ(Do("info cpus", 7), "error: Parameter 'cpu-index' expects a CPU number");
  EXPECT_EQ(Do("cpu 1"), "");
  EXPECT_EQ(Do("cpu 7"), "invalid CPU index\r\n");
}

TEST_F(HmpTest, CpusHaveTheirIndexAlsoWhereOthersAreMissing) {
  vm_.cpus[1].index = 3;
  vm_.registers[1].index = 3;
  EXPECT_EQ(Do("info cpus", 3), "  CPU #0: thread_id=100\r\n* CPU #3: thread_id=101\r\n");
  EXPECT_EQ(Do("info cpus", 1), "error: Parameter 'cpu-index' expects a CPU number");
  EXPECT_EQ(Do("cpu 3"), "");
  EXPECT_EQ(Do("cpu 1"), "invalid CPU index\r\n");
  EXPECT_NE(Do("info registers 3").find("CPU#3"), std::string::npos);
  EXPECT_EQ(Do("info registers 1"), "CPU#1 not available\r\n");
}

TEST_F(HmpTest, HotpluggableCpus) {
  vm_.cpu_slots = {{"max-x86_64-cpu", {1, 0, 2, 3}, ""},
                   {"max-x86_64-cpu", {0, std::nullopt, 0, 0}, "/machine/unattached/device[0]"}};
  EXPECT_EQ(Do("info hotpluggable-cpus"),
            "Hotpluggable CPUs:\r\n"
            "  type: \"max-x86_64-cpu\"\r\n  vcpus_count: \"1\"\r\n"
            "  CPUInstance Properties:\r\n    socket-id: \"1\"\r\n    die-id: \"0\"\r\n"
            "    core-id: \"2\"\r\n    thread-id: \"3\"\r\n"
            "  type: \"max-x86_64-cpu\"\r\n  vcpus_count: \"1\"\r\n"
            "  qom_path: \"/machine/unattached/device[0]\"\r\n"
            "  CPUInstance Properties:\r\n    socket-id: \"0\"\r\n"
            "    core-id: \"0\"\r\n    thread-id: \"0\"\r\n");
}

TEST_F(HmpTest, HelpOfAllOfOneAndOfInfo) {
  EXPECT_EQ(Do("help help"), "help|? [cmd] -- show the help\r\n");
  EXPECT_EQ(Do("? s"), "stop|s  -- stop emulation\r\n");
  EXPECT_EQ(Do("help info version"), "info version  -- show the version\r\n");
  EXPECT_EQ(Do("help foo"), "unknown command: 'foo'\r\n");
  EXPECT_EQ(Do("info"), Do("help info"));
  EXPECT_TRUE(Do("help").starts_with("announce_self [interfaces] [id] -- "));
  EXPECT_NE(Do("info").find("info registers [-a|vcpu] -- "), std::string::npos);
}

TEST_F(HmpTest, QtreeIsIndentedTwoALevel) {
  control::QtreeNode rtc{"mc146818rtc", "", {{"iobase", "112 (0x70)"}}, {}, {"more of it"}};
  control::QtreeNode bridge{"isabus-bridge", "", {}, {{"isa.0", "ISA", {rtc}}}};
  vm_.qtree = {"main-system-bus", "System", {bridge}};
  EXPECT_EQ(Do("info qtree"),
            "bus: main-system-bus\r\n"
            "  type System\r\n"
            "  dev: isabus-bridge, id \"\"\r\n"
            "    bus: isa.0\r\n"
            "      type ISA\r\n"
            "      dev: mc146818rtc, id \"\"\r\n"
            "        iobase = 112 (0x70)\r\n"
            "        more of it\r\n");
}

TEST_F(HmpTest, MemdevsCloseWithABlankLine) {
  vm_.memdevs = {{.id = "m", .size = 4096, .reserve = true, .host_nodes = {0, 1}}};
  EXPECT_EQ(Do("info memdev"),
            "memory backend: m\r\n  size:  4096\r\n  merge: true\r\n  dump: true\r\n"
            "  prealloc: false\r\n  share: false\r\n  reserve: true\r\n  policy: default\r\n"
            "  host nodes: 0,1\r\n\r\n");
}

TEST_F(HmpTest, MemoryDevicesOneAfterTheOther) {
  EXPECT_EQ(Do("info numa"), "0 nodes\r\n");
  vm_.numa_nodes = {{{0, 2}, 64 << 20, 0}, {{}, 192 << 20, 128 << 20}};
  EXPECT_EQ(Do("info numa"),
            "2 nodes\r\nnode 0 cpus: 0 2\r\nnode 0 size: 64 MB\r\nnode 0 plugged: 0 MB\r\n"
            "node 1 cpus:\r\nnode 1 size: 192 MB\r\nnode 1 plugged: 128 MB\r\n");
  EXPECT_EQ(Do("info memory-devices"), "");
  control::MemoryDeviceInfo dimm;
  dimm.memdev = "/objects/m0";
  dimm.address = 0x100000000;
  dimm.size = 268435456;
  dimm.slot = 2;
  vm_.memory_devices = {dimm};
  EXPECT_EQ(Do("info memory-devices"),
            "Memory device [dimm]: \"\"\r\n  addr: 0x100000000\r\n  slot: 2\r\n  node: 0\r\n"
            "  size: 268435456\r\n  memdev: /objects/m0\r\n  hotplugged: false\r\n"
            "  hotpluggable: true\r\n");
}

TEST_F(HmpTest, RegistersInRealMode) {
  control::CpuRegisters& r = vm_.registers[1];
  r.gpr[3] = 0x60fb1;
  r.rip = 0xfff0;
  r.rflags = 0x46;
  r.cs = {0xf000, 0xffff0000, 0xffff, 0x9b00};
  r.cr0 = 0x60000010;
  r.dr[6] = 0xffff0ff0;
  r.dr[7] = 0x400;
  r.halted = true;
  const std::string text = Do("info registers 1");
  EXPECT_TRUE(
      text.starts_with("\r\nCPU#1\r\nEAX=00000000 EBX=00000000 ECX=00000000 EDX=00060fb1\r\n"
                       "ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000\r\n"
                       "EIP=0000fff0 EFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
                       "ES =0000 00000000 00000000 00000000\r\n"
                       "CS =f000 ffff0000 0000ffff 00009b00\r\n"))
      << text;
  EXPECT_TRUE(text.ends_with(
      "GDT=     00000000 00000000\r\nIDT=     00000000 00000000\r\n"
      "CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\r\n"
      "DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 \r\n"
      "DR6=00000000ffff0ff0 DR7=0000000000000400\r\nEFER=0000000000000000\r\n"))
      << text;
}

TEST_F(HmpTest, RegistersInLongMode) {
  control::CpuRegisters& r = vm_.registers[0];
  r.gpr[8] = 5;
  r.rip = 0xffffffff94bc3643;
  r.rflags = 0x283;
  r.cs = {0x10, 0, 0xffffffff, 0xaf9b00};
  r.ss = {0x18, 0, 0xffffffff, 0xcf9300};
  r.tr = {0x40, 0xfffffe0000003000, 0x4087, 0x8900};
  r.cr0 = 0x80050033;
  r.efer = 0xd01;
  r.gdt_base = 0xfffffe0000001000;
  r.gdt_limit = 0x7f;
  const std::string text = Do("info registers");
  for (const char* line :
       {"R8 =0000000000000005 R9 =0000000000000000 R10=0000000000000000 R11=0000000000000000\r\n",
        "RIP=ffffffff94bc3643 RFL=00000283 [--S---C] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n",
        "CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\r\n",
        "SS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r\n",
        "DS =0000 0000000000000000 00000000 00000000\r\n",
        "TR =0040 fffffe0000003000 00004087 00008900 DPL=0 TSS64-avl\r\n",
        "GDT=     fffffe0000001000 0000007f\r\n",
        "CR0=80050033 CR2=0000000000000000 CR3=0000000000000000 CR4=00000000\r\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST_F(HmpTest, RegistersOfAllAndOfNone) {
  const std::string all = Do("info registers -a");
  EXPECT_NE(all.find("CPU#0\r\n"), std::string::npos);
  EXPECT_NE(all.find("CPU#1\r\n"), std::string::npos);
  EXPECT_EQ(Do("info registers 5"), "CPU#5 not available\r\n");
}

// The values of a running q35 of QEMU 7.2, and its text for them.
TEST_F(HmpTest, PciIsShownAsInQemu) {
  control::PciDevice host{.class_code = 0x0600,
                          .class_text = "Host bridge",
                          .vendor = 0x8086,
                          .device = 0x29c0,
                          .subsystem_vendor = 0x1af4,
                          .subsystem = 0x1100};
  control::PciDevice rng{
      .bus = 1,
      .class_code = 0x00ff,
      .vendor = 0x1af4,
      .device = 0x1044,
      .subsystem_vendor = 0x1af4,
      .subsystem = 0x1100,
      .pin = 1,
      .irq = 10,
      .id = "x",
      .regions = {
          {.bar = 1, .size = 0x1000, .address = 0xfe400000},
          {.bar = 4, .prefetchable = true, .wide = true, .size = 0x4000, .address = 0xfe800000}}};
  control::PciDevice port{.slot = 1,
                          .class_code = 0x0604,
                          .class_text = "PCI bridge",
                          .vendor = 0x1b36,
                          .device = 0x000c,
                          .pin = 1,
                          .irq = 10,
                          .id = "rp",
                          .regions = {{.bar = 0, .size = 0x1000},
                                      {.bar = 4, .io = true, .size = 0x20, .address = 0xc180}},
                          .bridge = control::PciBridge{.secondary = 1,
                                                       .subordinate = 1,
                                                       .io = {0xc000, 0xbfff},
                                                       .memory = {0xfe400000, 0xfe5fffff},
                                                       .prefetchable = {0xfe800000, 0xfe9fffff},
                                                       .devices = {rng}}};
  vm_.pci = {{.number = 0, .devices = {host, port}}};
  EXPECT_EQ(Do("info pci"),
            "  Bus  0, device   0, function 0:\r\n"
            "    Host bridge: PCI device 8086:29c0\r\n"
            "      PCI subsystem 1af4:1100\r\n"
            "      id \"\"\r\n"
            "  Bus  0, device   1, function 0:\r\n"
            "    PCI bridge: PCI device 1b36:000c\r\n"
            "      IRQ 10, pin A\r\n"
            "      BUS 0.\r\n"
            "      secondary bus 1.\r\n"
            "      subordinate bus 1.\r\n"
            "      IO range [0xc000, 0xbfff]\r\n"
            "      memory range [0xfe400000, 0xfe5fffff]\r\n"
            "      prefetchable memory range [0xfe800000, 0xfe9fffff]\r\n"
            "      BAR0: 32 bit memory at 0xffffffffffffffff [0x00000ffe].\r\n"
            "      BAR4: I/O at 0xc180 [0xc19f].\r\n"
            "      id \"rp\"\r\n"
            "  Bus  1, device   0, function 0:\r\n"
            "    Class 0255: PCI device 1af4:1044\r\n"
            "      PCI subsystem 1af4:1100\r\n"
            "      IRQ 10, pin A\r\n"
            "      BAR1: 32 bit memory at 0xfe400000 [0xfe400fff].\r\n"
            "      BAR4: 64 bit prefetchable memory at 0xfe800000 [0xfe803fff].\r\n"
            "      id \"x\"\r\n");
}

TEST_F(HmpTest, NetworkAsATree) {
  EXPECT_EQ(Do("info network"),
            "net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\r\n"
            " \\ hostnet0: index=0,type=user,net=10.0.2.0,restrict=off\r\n");
}

TEST_F(HmpTest, Announcements) {
  EXPECT_EQ(Do("announce_self"), "");
  EXPECT_EQ(Do("announce_self net0,net1 a"), "");
  EXPECT_EQ(Do("announce_self net0"), "");
  EXPECT_EQ(Do("announce_self a b c"),
            "announce_self: extraneous characters at the end of line\r\n"
            "Try \"help announce_self\" for more information\r\n");
  EXPECT_EQ(net_.calls, (std::vector<std::string>{"announce 50 550 5 100 all",
                                                  "announce 50 550 5 100 net0 net1 as a",
                                                  "announce 50 550 5 100 net0"}));
}

TEST_F(HmpTest, NetworkVerbs) {
  EXPECT_EQ(Do("set_link net0 on"), "");
  EXPECT_EQ(Do("netdev_del hostnet0"), "");
  EXPECT_EQ(Do("netdev_del nope"), "Error: Device 'nope' not found\r\n");
  EXPECT_EQ(Do("set_link net0 foo"),
            "Expected 'on' or 'off'\r\nTry \"help set_link\" for more information\r\n");
  EXPECT_EQ(net_.calls, (std::vector<std::string>{"set_link net0 on", "netdev_del hostnet0"}));
}

}  // namespace
}  // namespace davit::qmp
