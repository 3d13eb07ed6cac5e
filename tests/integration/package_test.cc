// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The Debian package: what is in it, that its parts fit the programs, and that the unit template
// starts and stops a virtual machine. tests/integration/package_install_test.sh (./test soak)
// installs and removes it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/integration/common.h"
#include "tests/support/notify_socket.h"

namespace davit::testing {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void ReplaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

class PackageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const RunResult unpacked = RunCommand({"dpkg-deb", "-x", Deb(), dir_.path()});
    ASSERT_EQ(unpacked.status, 0) << unpacked.err;
  }
  static std::string Deb() { return Runfile("daemon/package/davit_0.1.0-1_amd64.deb"); }
  std::string Installed(const std::string& path) const { return dir_.File(path); }
  // What Tab offers after `line` on bash's command line.
  std::vector<std::string> Completions(const std::string& program, const std::string& line) {
    const std::string script =
        "source '" + Installed("usr/share/bash-completion/completions/" + program) + "'\n" +
        "COMP_LINE='" + line + "' COMP_POINT=" + std::to_string(line.size()) + " COMP_WORDS=(" +
        line + (line.ends_with(' ') ? "''" : "") +
        ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "handler=$(complete -p " +
        program + "); handler=${handler#*-F }; ${handler%% *} '" + Installed("usr/bin/" + program) +
        "'\nprintf '%s\\n' \"${COMPREPLY[@]}\"";
    const RunResult run = RunCommand({"bash", "--norc", "-c", script});
    EXPECT_EQ(run.err, "");
    std::vector<std::string> offered = Lines(run.out);
    std::sort(offered.begin(), offered.end());
    return offered;
  }

  TempDir dir_;
};

TEST_F(PackageTest, ProgramsRunAndTheVersionIsTheirs) {
  const RunResult version = RunCommand({Installed("usr/bin/davitd"), "-version"});
  EXPECT_TRUE(version.out.starts_with("davit 0.1.0 ")) << version.out << version.err;
  EXPECT_EQ(RunCommand({"dpkg-deb", "-f", Deb(), "Version"}).out, "0.1.0-1\n");
  EXPECT_EQ(RunCommand({Installed("usr/bin/qmp-shell"), "--help"}).status, 0);
  EXPECT_EQ(RunCommand({Installed("usr/lib/davit/qemu-system-x86_64"), "-version"}).out,
            version.out);
}

TEST_F(PackageTest, LintianFindsNothing) {
  if (RunCommand({"sh", "-c", "command -v lintian"}).status != 0) GTEST_SKIP() << "no lintian";
  // A bug report that asks for the package is a rule of Debian's own archive.
  const RunResult run = RunCommand({"lintian", "--allow-root", "--suppress-tags",
                                    "initial-upload-closes-no-bugs", "--fail-on", "warning", Deb()},
                                   milliseconds(240'000));
  EXPECT_EQ(run.status, 0) << run.out << run.err;
  EXPECT_EQ(run.out, "");
}

TEST_F(PackageTest, ManualPagesTellEveryOption) {
  for (const char* name : {"davitd", "qmp-shell"}) {
    const std::string page = Installed("usr/share/man/man1/" + std::string(name) + ".1.gz");
    const RunResult shown =
        RunCommand({"sh", "-c", "zcat '" + page + "' | groff -ww -man -Tutf8 -P-cbou -rLL=100n"});
    EXPECT_EQ(shown.status, 0);
    EXPECT_EQ(shown.err, "") << name;
    const bool daemon = std::string(name) == "davitd";
    const RunResult help =
        RunCommand({Installed("usr/bin/" + std::string(name)), daemon ? "-help" : "--help"});
    int options = 0;
    for (const std::string& line : Lines(help.out)) {
      const size_t dash = line.find('-');
      if (dash == std::string::npos || dash != (daemon ? 0u : 2u)) continue;
      const std::string option = line.substr(dash, line.find_first_of(" ,", dash) - dash);
      ++options;
      // Hyphens are shown as minus signs: they can be copied.
      EXPECT_CONTAINS(shown.out, "       " + option);
    }
    EXPECT_GE(options, daemon ? 40 : 4) << help.out;
  }
}

TEST_F(PackageTest, BashCompletesFromWhatDavitdTells) {
  using Offers = std::vector<std::string>;
  EXPECT_EQ(Completions("davitd", "davitd -pid"), Offers{"-pidfile"});
  EXPECT_EQ(Completions("davitd", "davitd -S -device pcie-r"), Offers{"pcie-root-port"});
  EXPECT_EQ(Completions("davitd", "davitd -machine q3"), Offers{"q35"});
  EXPECT_EQ(Completions("davitd", "davitd -device virtio-blk-pci,num-q"),
            Offers{"virtio-blk-pci,num-queues="});
  EXPECT_EQ(Completions("davitd", "davitd -device virtio-blk-pci,drive=a,num-q"),
            Offers{"a,num-queues="});
  EXPECT_EQ(Completions("davitd", "davitd -netdev us"), Offers{"user"});
  EXPECT_EQ(Completions("davitd", "davitd -cpu "), (Offers{"help", "host", "max"}));
  EXPECT_EQ(Completions("davitd", "davitd -kernel " + dir_.path() + "/us"),
            Offers{dir_.path() + "/usr"});
  EXPECT_EQ(Completions("qmp-shell", "qmp-shell --pre"), Offers{"--pretty"});
}

// The value of a key of the unit, with what systemd puts in the place of its specifiers.
class UnitTest : public PackageTest {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    PackageTest::SetUp();
    std::filesystem::create_directories(dir_.File("run/davit/web"));
  }
  std::string Command(const std::string& key) {
    for (std::string line : Lines(ReadFile(Installed("lib/systemd/system/davit@.service")))) {
      if (!line.starts_with(key + "=")) continue;
      line.erase(0, key.size() + 1);
      if (line.starts_with('-')) line.erase(0, 1);
      ReplaceAll(line, "%i", "web");
      ReplaceAll(line, "%t", dir_.File("run"));
      ReplaceAll(line, "%E", dir_.File("etc"));
      ReplaceAll(line, "/usr/bin/", Installed("usr/bin/"));
      ReplaceAll(line, "\\\\n", "\\n");
      return line;
    }
    ADD_FAILURE() << "no " << key << " in the unit";
    return "false";
  }
};

TEST_F(UnitTest, StartsTheMachineOfTheExampleAndStopsItByThePowerButton) {
  std::string config = ReadFile(Installed("usr/share/doc/davit/examples/example.conf"));
  // The guest that is built in takes the place of a kernel.
  for (const char* line : {"  kernel = \"/vmlinuz\"\n", "  initrd = \"/initrd.img\"\n",
                           "  append = \"console=ttyS0 root=/dev/vda\"\n"}) {
    const size_t at = config.find(line);
    ASSERT_NE(at, std::string::npos) << line;
    config.erase(at, std::string(line).size());
  }
  ReplaceAll(config, "/var/lib/davit/NAME", dir_.File("state"));
  std::ofstream(dir_.File("etc/davit/web.conf")) << config;
  std::ofstream(dir_.File("state.img")).close();
  std::filesystem::resize_file(dir_.File("state.img"), 1 << 20);

  NotifySocket manager(dir_.File("notify"));
  auto davitd = Process::Start({"sh", "-c", "exec " + Command("ExecStart")}, dir_.File("stderr"));
  ASSERT_OK(davitd);
  ASSERT_EQ(manager.Next(), "READY=1") << (*davitd)->Stderr();
  auto qmp = client::Client::Connect("unix:" + dir_.File("run/davit/web/qmp.sock"));
  ASSERT_OK(qmp);
  auto name = (*qmp)->Execute("query-name");
  ASSERT_OK(name);
  EXPECT_EQ((*name)["name"], json::Value("web"));
  // The probe guest answers the button once it has come to its prompt.
  ASSERT_TRUE(WaitForText(dir_.File("state.log"), "ready"));
  const RunResult stop = RunCommand({"sh", "-c", Command("ExecStop")});
  EXPECT_EQ(stop.status, 0) << stop.out << stop.err;
  EXPECT_EQ((*davitd)->Wait(kReplyTime).value_or(-1), 0) << (*davitd)->Stderr();
  EXPECT_EQ((*davitd)->Stderr(), "");
}

TEST_F(UnitTest, SystemdFindsNoFault) {
  if (RunCommand({"sh", "-c", "command -v systemd-analyze"}).status != 0) {
    GTEST_SKIP() << "no systemd-analyze";
  }
  std::string unit = ReadFile(Installed("lib/systemd/system/davit@.service"));
  ReplaceAll(unit, "/usr/bin/davitd", Installed("usr/bin/davitd"));
  const std::string path = dir_.File("davit@.service");
  // It reads units of the host, too, and tells their faults.
  const auto faults = [&](const std::string& text) {
    std::ofstream(path) << text;
    const RunResult run = RunCommand({"systemd-analyze", "verify", "--man=no", path});
    return run.out + run.err;
  };
  EXPECT_FALSE(Contains(faults(unit), "davit@")) << faults(unit);
  EXPECT_CONTAINS(faults(unit + "Nonsense=1\n"), "davit@.service");  // were there one, it would
}

}  // namespace
}  // namespace davit::testing
