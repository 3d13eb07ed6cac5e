// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -readconfig and -boot on davitd: a file does what the same options do, and what is wrong in it
// is told with its place, in QEMU's words.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"

namespace davit::testing {
namespace {

using json::Value;

class ConfigFileTest : public VmTest {
 protected:
  std::string Write(const std::string& text) {
    const std::string path = dir_.File("config");
    std::ofstream(path) << text;
    return path;
  }
  TempDir dir_;
};

TEST_F(ConfigFileTest, EveryGroupDoesWhatItsOptionDoes) {
  const std::string file = Write(R"(# a comment
[machine]
  type = "microvm"
  rtc = "on"
  memory-backend = "ram0"

[memory]
  size = "64M"

[smp-opts]
  cpus = "2"

[name]
  guest = "of the file"

[object "ram0"]
  qom-type = "memory-backend-ram"
  size = "64M"

[rtc]
  base = "2031-02-03"

[boot-opts]
  strict = "on"

[action]
  reboot = "shutdown"

[chardev "quiet"]
  backend = "null"

[chardev "second"]
  backend = "socket"
  path = ")" + dir_.File("second") +
                                 R"("
  server = "on"
  wait = "off"

[mon "m2"]
  chardev = "second"
  mode = "control"
)");
  auto vm = StartReady({"-readconfig", file});
  ASSERT_NE(vm, nullptr);
  client::Client& qmp = vm->qmp();
  auto name = qmp.Execute("query-name");
  ASSERT_OK(name);
  EXPECT_EQ((*name)["name"], Value("of the file"));
  auto memory = qmp.Execute("query-memory-size-summary");
  ASSERT_OK(memory);
  EXPECT_EQ((*memory)["base-memory"], Value(64 << 20));
  auto backends = qmp.Execute("query-memdev");
  ASSERT_OK(backends);
  ASSERT_EQ(backends->AsArray()->size(), 1u);
  EXPECT_EQ(backends->AsArray()->at(0)["id"], Value("ram0"));
  auto cpus = qmp.Execute("query-cpus-fast");
  ASSERT_OK(cpus);
  EXPECT_EQ(cpus->AsArray()->size(), 2u);
  auto chardevs = qmp.Execute("query-chardev");
  ASSERT_OK(chardevs);
  EXPECT_TRUE(std::any_of(chardevs->AsArray()->begin(), chardevs->AsArray()->end(),
                          [](const Value& row) { return row["label"] == Value("quiet"); }));
  ASSERT_OK(client::Client::Connect("unix:" + dir_.File("second")));
  ASSERT_OK(vm->serial().Send("i"));
  auto clock = vm->serial().WaitForLine("clock: rtc ", kReplyTime);
  ASSERT_OK(clock);
  EXPECT_TRUE(clock->starts_with("2031-02-03 00:")) << *clock;
  // The guest's reset is an end by [action].
  ASSERT_OK(vm->serial().Send("R"));
  auto end = qmp.WaitEvent("SHUTDOWN", kReplyTime);
  ASSERT_OK(end);
  EXPECT_EQ(end->data["reason"], Value("guest-reset"));
  EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
}

TEST_F(ConfigFileTest, WhatComesLaterOnTheCommandLineWins) {
  const std::string file = Write("[memory]\n  size = \"64M\"\n[name]\n  guest = \"file\"\n");
  for (const auto& [args, mib, name] :
       {std::tuple<std::vector<std::string>, int64_t, std::string>(
            {"-m", "32", "-name", "line", "-readconfig", file}, 64, "file"),
        {{"-readconfig", file, "-m", "32", "-name", "line"}, 32, "line"}}) {
    std::vector<std::string> all = args;
    all.insert(all.end(), {"-S", "-serial", "null"});
    auto vm = Vm::Start({.args = all, .serial_stdio = false});
    ASSERT_OK(vm);
    auto memory = (*vm)->qmp().Execute("query-memory-size-summary");
    ASSERT_OK(memory);
    EXPECT_EQ((*memory)["base-memory"], Value(mib << 20));
    auto reply = (*vm)->qmp().Execute("query-name");
    ASSERT_OK(reply);
    EXPECT_EQ((*reply)["name"], Value(name));
  }
}

TEST_F(ConfigFileTest, MistakesAreToldWithTheirPlaceInQemusWords) {
  struct Row {
    std::string text;
    int line;
    std::string reason;
  };
  for (const Row& row : {
           Row{"[nosuch]\n  a = \"b\"\n", 1, "There is no option group 'nosuch'"},
           Row{"[memory]\n  size = \"64M\"\n  foo = \"1\"\n", 3, "Invalid parameter 'foo'"},
           Row{"# first\nsize = \"64M\"\n", 2, "no group defined"},
           Row{"[chardev \"9x\"]\n  backend = \"null\"\n", 2,
               "Parameter 'id' expects an identifier"},
           Row{"[smp-opts]\n  cpus = \"two\"\n", 2, "Parameter 'smp.cpus' expects integer"},
       }) {
    const std::string file = Write(row.text);
    const RunResult result = Davitd({"-readconfig", file});
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("davitd: -readconfig " + file + ": " + file + ":" +
                                       std::to_string(row.line) + ": " + row.reason + "\n"))
        << result.err;
    ExpectQemuSays({"-machine", "none", "-readconfig", file}, row.reason);
  }
  // QEMU takes such a line for a key without a value.
  const std::string file = Write("[name]\n  guest = \"x\"\n  ?\n");
  EXPECT_EQ(Davitd({"-readconfig", file}).err,
            "davitd: -readconfig " + file + ": " + file + ":3: parse error\n");
}

TEST_F(ConfigFileTest, FileThatCannotBeReadIsNamed) {
  const std::string missing = dir_.File("missing");
  for (const auto& [path, text] :
       {std::pair(missing, "Could not open '" + missing + "': No such file or directory"),
        {dir_.path(), std::string("Cannot read config file: Is a directory")}}) {
    const std::string line = "-readconfig " + path + ": " + text + "\n";
    EXPECT_EQ(Davitd({"-readconfig", path}).err, "davitd: " + line);
    ExpectQemuSays({"-machine", "none", "-readconfig", path}, line);
  }
}

TEST_F(ConfigFileTest, BootOptionsThatChangeNothingAreTaken) {
  auto vm = StartReady({"-boot", "strict=on,menu=off"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(vm->RunState(), "running");
}

TEST_F(ConfigFileTest, BootOptionsThatAreWrongAreToldInQemusWords) {
  for (const auto& [boot, text] :
       {std::pair<std::string, std::string>("order=cc", "Boot device 'c' was given twice"),
        {"z", "Invalid boot device 'z'"},
        {"foo=1", "Parameter 'boot.foo' is unexpected"},
        {"menu=maybe", "Parameter 'boot.menu' expects 'on' or 'off'"}}) {
    const RunResult result = Davitd({"-boot", boot});
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.err, "davitd: -boot " + boot + ": " + text + "\n");
    ExpectQemuSays({"-machine", "microvm", "-boot", boot}, text);
  }
}

TEST_F(ConfigFileTest, BootOptionsThatNeedFirmwareAreRefused) {
  for (const char* boot : {"order=c", "once=d", "menu=on", "splash=a.jpg"}) {
    const RunResult result = Davitd({"-boot", boot});
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.err, std::string("davitd: -boot ") + boot +
                              " is not supported: the machine has no firmware\n");
  }
}

}  // namespace
}  // namespace davit::testing
