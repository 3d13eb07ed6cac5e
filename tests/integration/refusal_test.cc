// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What cannot be started is refused: one message that names the thing and the cause, status 1,
// nothing on stdout and nothing left behind. Beside it, the memory back ends that can.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/common.h"

namespace davit::testing {
namespace {

using json::Value;

void ExpectRefused(std::vector<std::string> arguments, const std::string& text) {
  const RunResult result = Davitd(std::move(arguments));
  EXPECT_EQ(result.status, 1) << text;
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("davitd: ")) << result.err;
  EXPECT_CONTAINS(result.err, text);
}

TEST(RefusalTest, UnknownOptions) {
  for (const char* name : {"-foo", "--foo", "-vnc", "-qmp=stdio"}) {
    const RunResult result = Davitd({name, "x"});
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, std::string("davitd: ") + name + ": unknown option\n");
  }
  ExpectRefused({"-cpu", ""}, "davitd: -cpu : option cannot be empty");
}

class RefusalVmTest : public VmTest {
 protected:
  std::string File(const std::string& name) const { return dir_.File(name); }
  TempDir dir_;
};

TEST_F(RefusalVmTest, Kernels) {
  ExpectRefused({"-kernel", "/nonexistent"},
                "could not open kernel file '/nonexistent': No such file or directory");
  std::ofstream(File("text")) << std::string(8192, 'x');
  ExpectRefused({"-kernel", File("text")}, "invalid kernel header");
  ExpectRefused({"-kernel", dir_.path()}, "could not load kernel '" + dir_.path() + "'");
  std::ofstream(File("empty"));
  ExpectRefused({"-kernel", File("empty")}, "the file is empty");
  ExpectRefused({"-machine", "{\"type\":\"microvm\",\"kernel\":\"/nonexistent\"}"},
                "could not open kernel file '/nonexistent'");
  ExpectRefused({"-dtb", "/nonexistent"}, "/nonexistent: No such file or directory");
  ExpectRefused({"-dtb", File("text")}, File("text"));
  ExpectRefused({"-initrd", File("text")}, "-initrd only allowed with -kernel option");
}

// What the machine finds has no option before it, as in QEMU.
TEST(RefusalTest, NumaNodesThatContradict) {
  const auto refused = [](std::vector<std::string> arguments, const std::string& text) {
    for (const char* id : {"m0", "m1"}) {
      arguments.insert(arguments.end(),
                       {"-object", std::string("memory-backend-ram,size=64M,id=") + id});
    }
    arguments.insert(arguments.end(), {"-m", "128M"});
    ExpectRefused(std::move(arguments), text);
  };
  refused({"-M", "q35", "-numa", "node,memdev=m0", "-numa", "node,mem=64M"},
          "davitd: -numa node,mem=64M: numa configuration should use either mem= or memdev=,mixing "
          "both is not allowed");
  refused({"-M", "q35", "-numa", "node,mem=64M"},
          "davitd: -numa node,mem=64M: Parameter -numa node,mem is not supported by this machine "
          "type\nUse -numa node,memdev instead");
  refused({"-M", "q35", "-numa", "node,memdev="}, "-numa node,memdev=: memdev= is ambiguous");
  refused({"-M", "q35", "-numa", "node,memdev=m0"},
          "davitd: total memory for NUMA nodes (0x4000000) should equal RAM size (0x8000000)");
  refused({"-M", "q35,memory-backend=all", "-object", "memory-backend-ram,id=all,size=128M",
           "-numa", "node,memdev=m0", "-numa", "node,memdev=m1"},
          "'-machine memory-backend' and '-numa memdev' properties are mutually exclusive");
  refused({"-M", "none", "-numa", "node,memdev=m0"},
          "-numa node,memdev=m0: NUMA is not supported by this machine-type");
  refused({"-M", "q35", "-numa",
           "hmat-cache,node-id=0,size=10K,level=1,associativity=direct,policy=write-back,line=8"},
          "ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled");
}

TEST_F(RefusalVmTest, TooLittleMemory) {
  ExpectRefused({"-m", "64k"}, "not enough RAM to boot: the machine has 64 KiB");
  ExpectRefused({"-m", "16T"}, "cannot set up guest memory");
}

TEST_F(RefusalVmTest, MemoryBackends) {
  ExpectRefused({"-machine", "memory-backend=none"}, "none");
  ExpectRefused(
      {"-object", "memory-backend-ram,id=m,size=64M", "-machine", "memory-backend=m", "-m", "32"},
      "memory size");
  ExpectRefused({"-object", "memory-backend-file,id=m,size=4M,mem-path=/nonexistent/m"},
                "can't open backing store /nonexistent/m for guest RAM: No such file");
  // 1 TiB of huge pages: no pool has them.
  ExpectRefused(
      {"-object", "memory-backend-memfd,id=m,size=1T,hugetlb=on"},
      "unable to map backing store for guest RAM: Cannot allocate memory (huge page pool:");
}

TEST_F(RefusalVmTest, FullDisk) {
  ASSERT_EQ(mkdir(File("full").c_str(), 0700), 0);
  if (mount("davit-test", File("full").c_str(), "tmpfs", 0, "size=4k") != 0) {
    GTEST_SKIP() << "cannot mount a small file system";
  }
  std::ofstream(File("full/filler")) << std::string(8192, 'x');
  ExpectRefused({"-S", "-pidfile", File("full/pid")},
                "cannot create PID file: Failed to write pid file: No space left on device");
  EXPECT_FALSE(Exists(File("full/pid")));
  ExpectRefused({"-machine", "dumpdtb=" + File("full/dtb")},
                "Error saving FDT to file " + File("full/dtb") + ": No space left on device");
  // A log or a serial port that cannot be kept ends no VM.
  {
    auto vm = Vm::Start({.args = {"-D", File("full/log"), "-d", "debug", "-chardev",
                                  "file,id=s,path=" + File("full/serial"), "-serial", "chardev:s"},
                         .serial_stdio = false});
    EXPECT_TRUE(vm) << vm.error();
    if (vm) {
      EXPECT_EQ((*vm)->RunState(), "running");
    }
  }
  umount2(File("full").c_str(), MNT_DETACH);
}

// davitd by a shell in a mount namespace of its own, with another /dev.
RunResult WithDev(const TempDir& dir, const std::string& set_up, const std::string& as) {
  const std::string copy = dir.File("davitd");
  std::filesystem::copy_file(DavitdPath(), copy, std::filesystem::copy_options::overwrite_existing);
  chmod(dir.path().c_str(), 0755);
  chmod(copy.c_str(), 0755);
  return RunCommand({"unshare", "--mount", "sh", "-c",
                     "mount -t tmpfs davit-test /dev && " + set_up + " && exec " + as + copy});
}

TEST_F(RefusalVmTest, NoKvm) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root for a /dev of its own";
  const RunResult possible =
      RunCommand({"unshare", "--mount", "mount", "-t", "tmpfs", "davit-test", "/dev"});
  if (possible.status != 0) GTEST_SKIP() << possible.err;
  const RunResult absent = WithDev(dir_, "true", "");
  EXPECT_EQ(absent.status, 1);
  EXPECT_CONTAINS(absent.err, "/dev/kvm");
  EXPECT_CONTAINS(absent.err, "No such file or directory");

  const RunResult denied = WithDev(dir_, "touch /dev/kvm && chmod 600 /dev/kvm",
                                   "setpriv --reuid=65534 --regid=65534 --clear-groups ");
  EXPECT_EQ(denied.status, 1);
  EXPECT_CONTAINS(denied.err, "/dev/kvm");
  EXPECT_CONTAINS(denied.err, "Permission denied");
  // ... and what to do about it.
  EXPECT_CONTAINS(denied.err, "usually 'kvm'");

  const RunResult other = WithDev(dir_, "touch /dev/kvm", "");
  EXPECT_EQ(other.status, 1);
  EXPECT_CONTAINS(other.err, "/dev/kvm");
}

TEST_F(RefusalVmTest, GoodMemoryBackendsCarryTheGuest) {
  for (const std::string& backend :
       {std::string("memory-backend-ram,id=m,size=64M,merge=off,dump=off"),
        std::string("memory-backend-memfd,id=m,size=64M,share=on,prealloc=on"),
        "memory-backend-file,id=m,size=64M,share=on,mem-path=" + File("ram")}) {
    auto vm = StartReady({"-object", backend, "-machine", "memory-backend=m", "-m", "64"});
    ASSERT_NE(vm, nullptr) << backend;
    auto rows = vm->qmp().Execute("query-memdev");
    ASSERT_OK(rows);
    ASSERT_EQ(rows->AsArray()->size(), 1u);
    EXPECT_EQ(rows->AsArray()->at(0)["id"], Value("m"));
    EXPECT_EQ(rows->AsArray()->at(0)["size"], Value(64 << 20));
    ASSERT_OK(vm->qmp().Execute("quit"));
    EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
  }
  EXPECT_EQ(std::filesystem::file_size(File("ram")), 64u << 20);
}

}  // namespace
}  // namespace davit::testing
