// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest RAM as the host's kernel sees it: marked for merging and core dumps as asked, locked with
// -overcommit mem-lock, mapped from a given place of a file or device.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"

namespace davit::testing {
namespace {

using json::Value;

constexpr uint64_t kRamKib = 72 << 10;  // as nothing else in davitd
constexpr const char* kRam = "72M";

class HostMemoryTest : public VmTest {
 protected:
  static std::unique_ptr<Vm> StartPaused(std::vector<std::string> args) {
    args.insert(args.end(), {"-S", "-m", kRam});
    auto vm = Vm::Start({.args = std::move(args)});
    if (!vm) ADD_FAILURE() << vm.error();
    return vm ? std::move(*vm) : nullptr;
  }
  static void ExpectRefused(const std::string& object, const std::string& text) {
    const RunResult result = Davitd(
        {"-S", "-m", kRam, "-machine", "memory-backend=m", "-object", "id=m,qom-type=" + object});
    EXPECT_EQ(result.status, 1) << object;
    EXPECT_EQ(result.err, "davitd: " + text + "\n");
  }
  std::string File(const std::string& name) const { return dir_.File(name); }
  TempDir dir_;
};

TEST_F(HostMemoryTest, MergeAndDumpAreTheKernelsMarks) {
  struct Row {
    std::string object;   // empty: the machine's own RAM
    std::string machine;  // options
    bool merge, dump;
    bool can_merge = true;  // KSM takes private pages alone
  };
  const std::string ram = "memory-backend-ram,id=m,size=72M";
  const std::string file = "memory-backend-file,id=m,size=72M,mem-path=" + File("ram");
  const bool ksm = Exists("/sys/kernel/mm/ksm/run");
  for (const Row& row : {
           Row{"", "", true, true},
           Row{"", ",mem-merge=on,dump-guest-core=on", true, true},
           Row{"", ",mem-merge=off", false, true},
           Row{"", ",dump-guest-core=off", true, false},
           Row{ram, "", true, true},
           Row{ram + ",merge=off", "", false, true},
           Row{ram + ",dump=off", "", true, false},
           Row{ram, ",mem-merge=off,dump-guest-core=off", false, false},
           Row{ram + ",merge=on,dump=on", ",mem-merge=off,dump-guest-core=off", true, true},
           Row{"memory-backend-memfd,id=m,size=72M,share=off,merge=on,dump=off", "", true, false},
           Row{file + ",share=off,merge=off", "", false, true},
           Row{file + ",share=on,dump=off", "", true, false, false},
       }) {
    std::vector<std::string> args = {"-machine", "microvm" + row.machine};
    if (!row.object.empty()) {
      args[1] += ",memory-backend=m";
      args.insert(args.end(), {"-object", row.object});
    }
    SCOPED_TRACE(args[1] + " " + row.object);
    auto vm = StartPaused(args);
    ASSERT_NE(vm, nullptr);
    const auto mapping = MappingOfSize(vm->process().pid(), kRamKib);
    ASSERT_TRUE(mapping.has_value());
    EXPECT_EQ(mapping->Has("mg"), row.merge && row.can_merge && ksm);
    EXPECT_EQ(mapping->Has("dd"), !row.dump);
    auto rows = vm->qmp().Execute("query-memdev");
    ASSERT_OK(rows);
    ASSERT_EQ(rows->AsArray()->size(), 1u);
    EXPECT_EQ(rows->AsArray()->at(0)["merge"], Value(row.merge));
    EXPECT_EQ(rows->AsArray()->at(0)["dump"], Value(row.dump));
  }
}

TEST_F(HostMemoryTest, MemLockKeepsAllOfItInRam) {
  auto vm = StartPaused({"-overcommit", "mem-lock=on"});
  ASSERT_NE(vm, nullptr);
  const pid_t pid = vm->process().pid();
  EXPECT_GE(StatusKiB(pid, "VmLck"), static_cast<long>(kRamKib));
  EXPECT_GE(StatusKiB(pid, "VmRSS"), static_cast<long>(kRamKib));
  auto ram = MappingOfSize(pid, kRamKib);
  ASSERT_TRUE(ram.has_value());
  EXPECT_TRUE(ram->Has("lo"));
  // ... and what comes later.
  ASSERT_OK(vm->qmp().Execute(
      "object-add",
      {{"qom-type", "memory-backend-ram"}, {"id", "later"}, {"size", int64_t{9} << 20}}));
  auto later = MappingOfSize(pid, 9 << 10);
  ASSERT_TRUE(later.has_value());
  EXPECT_TRUE(later->Has("lo"));

  vm = StartPaused({"-overcommit", "mem-lock=off"});
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(StatusKiB(vm->process().pid(), "VmLck"), 0);
  EXPECT_LT(StatusKiB(vm->process().pid(), "VmRSS"), static_cast<long>(kRamKib));
  ram = MappingOfSize(vm->process().pid(), kRamKib);
  ASSERT_TRUE(ram.has_value());
  EXPECT_FALSE(ram->Has("lo"));
}

TEST_F(HostMemoryTest, LockedGuestRuns) {
  auto vm = StartReady({"-overcommit", "mem-lock=on,cpu-pm=off", "-m", kRam, "-smp", "2"});
  ASSERT_NE(vm, nullptr);
  ExpectAlive(*vm);
}

TEST_F(HostMemoryTest, MemLockWithoutTheRightToIsAnError) {
  // Root may lock more than its limit, but not without this capability.
  std::vector<std::string> argv = {"sh",         "-c", "ulimit -l 64 && exec \"$0\" \"$@\"",
                                   DavitdPath(), "-S", "-overcommit",
                                   "mem-lock=on"};
  if (geteuid() == 0) argv.insert(argv.begin(), {"setpriv", "--bounding-set=-ipc_lock"});
  const RunResult result = RunCommand(argv);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "davitd: locking memory failed: mlockall: Cannot allocate memory\n");
}

TEST_F(HostMemoryTest, FileIsMappedFromItsOffset) {
  std::ofstream(File("ram")).close();
  std::filesystem::resize_file(File("ram"), 80 << 20);
  auto vm =
      StartPaused({"-machine", "memory-backend=m", "-object",
                   "memory-backend-file,id=m,size=72M,share=on,offset=8M,mem-path=" + File("ram")});
  ASSERT_NE(vm, nullptr);
  const auto ram = MappingOfSize(vm->process().pid(), kRamKib);
  ASSERT_TRUE(ram.has_value());
  EXPECT_EQ(ram->name, File("ram"));
  EXPECT_EQ(ram->offset, 8u << 20);
  EXPECT_TRUE(ram->Has("sh"));
  EXPECT_EQ(std::filesystem::file_size(File("ram")), 80u << 20);
}

TEST_F(HostMemoryTest, OffsetsThatCannotBeAreRefused) {
  std::ofstream(File("ram")).close();
  std::filesystem::resize_file(File("ram"), 72 << 20);
  const std::string file = "memory-backend-file,size=72M,mem-path=" + File("ram");
  ExpectRefused(file + ",offset=8M",
                "backing store size 0x4800000 is too small for 'size' option 0x4800000 plus "
                "'offset' option 0x800000");
  ExpectRefused(file + ",offset=100", "offset 0x64 must be multiples of page size 0x1000");
}

TEST_F(HostMemoryTest, DeviceCarriesTheGuestOrIsRefusedWithTheReason) {
  const std::string zero = "memory-backend-file,size=72M,share=on,mem-path=/dev/zero";
  auto vm =
      StartReady({"-machine", "memory-backend=m", "-m", kRam, "-object", "id=m,qom-type=" + zero});
  ASSERT_NE(vm, nullptr);
  const auto ram = MappingOfSize(vm->process().pid(), kRamKib);
  ASSERT_TRUE(ram.has_value());
  EXPECT_CONTAINS(ram->name, "/dev/zero");
  // The shared memory of this device is as large as the mapping: there is nothing behind it.
  ExpectRefused(zero + ",offset=4M",
                "unable to map backing store for guest RAM: Bad address (no memory at offset "
                "0x4bff000 of /dev/zero)");
  ExpectRefused("memory-backend-file,size=72M,share=on,mem-path=/dev/null",
                "unable to map backing store for guest RAM: No such device");
  ExpectQemuSays({"-machine", "none", "-object",
                  "memory-backend-file,id=m,size=72M,share=on,mem-path=/dev/null"},
                 "unable to map backing store for guest RAM: No such device");
}

TEST_F(HostMemoryTest, DaxDeviceIsMappedFromItsOffset) {
  const char* device = std::getenv("DAVIT_TEST_DAX");
  if (device == nullptr) {
    GTEST_SKIP() << "$DAVIT_TEST_DAX names no dax device (whose content will be lost)";
  }
  auto vm = StartReady({"-machine", "memory-backend=m", "-m", "64", "-object",
                        std::string("memory-backend-file,id=m,size=64M,share=on,offset=64M,") +
                            "mem-path=" + device});
  ASSERT_NE(vm, nullptr);
  const auto ram = MappingOfSize(vm->process().pid(), 64 << 10);
  ASSERT_TRUE(ram.has_value());
  EXPECT_EQ(ram->name, device);
  EXPECT_EQ(ram->offset, 64u << 20);
}

}  // namespace
}  // namespace davit::testing
