// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/howto work as they are printed: the blocks of Python, one after the other,
// against a VM that is started as the page says. Owner: the thread of the test.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/integration/common.h"

namespace davit::testing {
namespace {

// The blocks of one language, in order.
std::string Blocks(const std::string& page, const std::string& language) {
  std::istringstream in(ReadFile(Runfile("docs/howto/" + page)));
  std::string blocks;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "```" + language) {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      blocks += line + "\n";
    }
  }
  EXPECT_FALSE(blocks.empty()) << page;
  return blocks;
}

// The options of the davitd that the page starts. Where it serves, and that it goes to the
// background, is the test's business.
std::vector<std::string> Options(const std::string& page) {
  std::istringstream in(ReadFile(Runfile("docs/howto/" + page)));
  std::string command;
  for (std::string line; std::getline(in, line);) {
    if (command.empty() && !line.starts_with("davitd ")) continue;
    command += line;
    if (!command.ends_with('\\')) break;
    command.back() = ' ';
  }
  std::istringstream words(command);
  std::vector<std::string> options;
  std::string word;
  words >> word;  // the program
  while (words >> word) {
    if (word == "-daemonize") continue;
    if (word == "-qmp" || word == "-serial") {
      words >> word;
    } else {
      options.push_back(word);
    }
  }
  EXPECT_FALSE(options.empty()) << page;
  return options;
}

class HowtoTest : public VmTest {
 protected:
  // The program, and the VM that its last command ends.
  void Run(const std::string& program, std::vector<std::string> args) {
    const std::string socket = dir_.File("qmp.sock");
    args.insert(args.end(), {"-qmp", "unix:" + socket + ",server=on,wait=off"});
    auto vm = StartReady(args);
    ASSERT_NE(vm, nullptr);
    std::ofstream(dir_.File("example.py")) << program;
    // On a busy host the guest may take its time: it walks memory by emulated instructions.
    constexpr milliseconds kLongest{240'000};
    const RunResult run = RunCommand({"python3", dir_.File("example.py"), socket}, kLongest);
    EXPECT_EQ(run.status, 0) << run.out << run.err;
    EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
  }
  TempDir dir_;
};

TEST_F(HowtoTest, QmpFromPython) {
  Run(Blocks("qmp-from-python.md", "python"), Options("qmp-from-python.md"));
}

TEST_F(HowtoTest, BalloonAndHotplugTests) {
  const std::string client = Blocks("qmp-from-python.md", "python");
  // The class alone: what comes after it is the other page's.
  const size_t end = client.find("\nqmp = Qmp(");
  ASSERT_NE(end, std::string::npos);
  Run(client.substr(0, end + 1) + Blocks("balloon-and-hotplug-tests.md", "python"),
      Options("balloon-and-hotplug-tests.md"));
}

}  // namespace
}  // namespace davit::testing
