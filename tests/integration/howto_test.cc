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

TEST_F(HowtoTest, QmpFromPython) { Run(Blocks("qmp-from-python.md", "python"), {}); }

TEST_F(HowtoTest, BalloonAndHotplugTests) {
  const std::string client = Blocks("qmp-from-python.md", "python");
  // The class alone: what comes after it is the other page's.
  const size_t end = client.find("\nqmp = Qmp(");
  ASSERT_NE(end, std::string::npos);
  Run(client.substr(0, end + 1) + Blocks("balloon-and-hotplug-tests.md", "python"),
      {"-machine", "q35", "-m", "256M,slots=4,maxmem=1G", "-smp", "1,maxcpus=4", "-device",
       "pcie-root-port,id=slot0,chassis=1", "-device", "pcie-root-port,id=slot1,chassis=2",
       "-device", "virtio-balloon-pci,id=balloon0"});
}

}  // namespace
}  // namespace davit::testing
