// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Descriptors that the process is started with (-add-fd) as outputs and logs of character devices,
// in the way libvirt gives virtlogd's pipes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

using json::Object;
using json::Value;

constexpr const char* kReady = "ready, h for help";

class FdSetTest : public VmTest {
 protected:
  FdSetTest() {
    EXPECT_EQ(mkfifo(File("pipe").c_str(), 0600), 0);
    reader_ = UniqueFd(open(File("pipe").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  }
  // With the pipe as descriptor 5, and a file as 9 that nobody has told davitd of.
  std::unique_ptr<Vm> Start(const std::vector<std::string>& args) {
    std::vector<std::string> words = {
        "-c", "exec \"$0\" \"$@\" 5>>" + File("pipe") + " 9>" + File("lock"), DavitdPath()};
    words.insert(words.end(), args.begin(), args.end());
    auto vm = Vm::Start({.program = "sh", .args = words, .serial_stdio = false});
    if (!vm) ADD_FAILURE() << vm.error();
    return vm ? std::move(*vm) : nullptr;
  }
  // How many descriptors of the process lead there.
  static int Descriptors(Vm& vm, const std::string& path) {
    const auto fds =
        std::filesystem::directory_iterator("/proc/" + std::to_string(vm.process().pid()) + "/fd");
    int count = 0;
    std::error_code gone;  // one may be closed meanwhile
    for (const auto& fd : fds) count += std::filesystem::read_symlink(fd, gone) == path ? 1 : 0;
    return count;
  }
  std::string File(const std::string& name) const { return dir_.File(name); }

  TempDir dir_;
  UniqueFd reader_;
};

TEST_F(FdSetTest, SerialPortWritesToAnInheritedPipe) {
  auto vm =
      Start({"-add-fd", "fd=5,set=0,opaque=serial0-source", "-chardev",
             "file,id=charserial0,path=/dev/fdset/0,append=on", "-serial", "chardev:charserial0"});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(Console(reader_.get()).WaitFor(kReady, kReplyTime));
  // The set's and the device's; what was not named is left alone.
  EXPECT_EQ(Descriptors(*vm, File("pipe")), 2);
  EXPECT_EQ(Descriptors(*vm, File("lock")), 1);
  auto sets = vm->qmp().Execute("query-fdsets");
  ASSERT_OK(sets);
  const Value& set = (*sets->AsArray()).at(0);
  EXPECT_EQ(set["fdset-id"], Value(0));
  const Value& fd = set["fds"].AsArray()->at(0);
  EXPECT_EQ(fd["opaque"], Value("serial0-source"));
  // The set outlives what has it open.
  ASSERT_OK(vm->qmp().Execute("quit"));
  EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
}

TEST_F(FdSetTest, SetUpThatFailsSaysWhy) {
  const RunResult result = RunCommand({"sh", "-c", "exec \"$0\" \"$@\" 5>>" + File("pipe"),
                                       DavitdPath(), "-machine", "none", "-add-fd", "fd=5,set=0",
                                       "-chardev", "file,id=a,path=/dev/fdset/0,append=on",
                                       "-chardev", "file,id=b,path=/nonexistent/x"});
  EXPECT_EQ(result.status, 1);
  EXPECT_CONTAINS(result.err, "Could not open '/nonexistent/x'");
}

TEST_F(FdSetTest, LogOfAPtyThatNobodyReads) {
  auto vm = Start({"-add-fd", "fd=5,set=0,opaque=serial0-log", "-chardev",
                   "pty,id=charserial0,logfile=/dev/fdset/0,logappend=on", "-serial",
                   "chardev:charserial0"});
  ASSERT_NE(vm, nullptr);
  EXPECT_OK(Console(reader_.get()).WaitFor(kReady, kReplyTime));
}

TEST_F(FdSetTest, LogOfADeviceThatIsAddedLater) {
  auto vm = Start({"-machine", "none"});
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(vm->qmp().Execute(
      "chardev-add", Object{{"id", "r"},
                            {"backend", Object{{"type", "ringbuf"},
                                               {"data", Object{{"logfile", File("log")}}}}}}));
  ASSERT_OK(vm->qmp().Execute("ringbuf-write", Object{{"device", "r"}, {"data", "abc"}}));
  EXPECT_EQ(ReadFile(File("log")), "abc");
}

TEST_F(FdSetTest, MistakesAreToldInQemusWords) {
  struct Row {
    std::vector<std::string> args;
    const char* text;
  };
  for (const Row& row :
       {Row{{"-add-fd", "fd=1,set=0"}, "-add-fd fd=1,set=0: fd cannot be a standard I/O stream"},
        Row{{"-add-fd", "set=0"}, "-add-fd set=0: fd option is required and must be non-negative"},
        Row{{"-add-fd", "fd=99,set=0"}, "-add-fd fd=99,set=0: fd is not valid or already in use"},
        Row{{"-chardev", "file,id=a,path=/dev/fdset/3"},
            "-chardev file,id=a,path=/dev/fdset/3: Could not open '/dev/fdset/3': "
            "No such file or directory"},
        Row{{"-chardev", "file,id=a,path=/dev/fdset/x"},
            "-chardev file,id=a,path=/dev/fdset/x: Could not open '/dev/fdset/x': Invalid "
            "argument"},
        Row{{"-blockdev", "file,node-name=a,filename=/dev/fdset/"},
            "Could not parse fdset /dev/fdset/"},
        Row{{"-chardev", "null,id=a,logfile=/dev/fdset/9"},
            "-chardev null,id=a,logfile=/dev/fdset/9: Could not dup FD for /dev/fdset/9 flags "
            "241: No such file or directory"},
        Row{{"-chardev", "null,id=a,logfile=/nonexistent/x"},
            "-chardev null,id=a,logfile=/nonexistent/x: Could not create '/nonexistent/x': "
            "No such file or directory"}}) {
    std::vector<std::string> args = {"-machine", "none"};
    args.insert(args.end(), row.args.begin(), row.args.end());
    const RunResult result = Davitd(args);
    EXPECT_EQ(result.status, 1);
    EXPECT_CONTAINS(result.err, row.text);
    ExpectQemuSays(args, row.text);
  }
}

}  // namespace
}  // namespace davit::testing
