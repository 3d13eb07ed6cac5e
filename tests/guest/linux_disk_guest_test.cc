// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Disks under Debian's virtio-blk: what the guest wrote is what the image holds, over all queues,
// in a file system, and across a host without room.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include "tests/guest/linux_devices.h"
#include "tests/guest/pattern.h"

namespace davit::testing {
namespace {

constexpr milliseconds kDiskTime{180'000};  // of a whole disk, twice emulated

class LinuxGuestDisk : public LinuxDevicesTest {
 protected:
  // "fill" or "sum" of a whole disk, by a thread on each CPU; the rest of the answer.
  std::string Move(const char* word, const std::string& disk, uint64_t mib) {
    const std::string name = word;
    EXPECT_TRUE(vm().serial().Send(name + " " + disk + " " + std::to_string(mib) + " 4\n"));
    auto line = vm().serial().WaitForLine("init: " + name + " ", kDiskTime);
    EXPECT_TRUE(line) << line.error();
    return line ? *line : "";
  }
  static std::string Answer(uint64_t mib, uint64_t sum) {
    char text[64];
    std::snprintf(text, sizeof text, "%lu MiB, checksum %016lx", mib, sum);
    return text;
  }
};

// The checksum of the pattern in the first bytes of a file; each word of it is compared.
uint64_t ChecksumOfPattern(const std::string& path, uint64_t bytes) {
  std::ifstream in(path, std::ios::binary);
  std::vector<uint64_t> have(kMiB / 8), want(kMiB / 8);
  uint64_t sum = 0;
  for (uint64_t at = 0; at < bytes; at += kMiB) {
    in.read(reinterpret_cast<char*>(have.data()), kMiB);
    FillPattern(want, at / 8);
    if (!in || std::memcmp(have.data(), want.data(), kMiB) != 0) {
      ADD_FAILURE() << path << " is not what the guest wrote, in the MiB at " << at;
      return 0;
    }
    sum += ChecksumOf(want, at / 8);
  }
  return sum;
}

// A GiB on q35.
TEST_P(LinuxGuestDisk, FourQueuesWriteSyncAndReadBack) {
  const uint64_t mib = GetParam().disk_mib;
  const std::string disk = Disk("big");
  // Four of its own queues, one a CPU.
  EXPECT_CONTAINS(Shell("ls /sys/block/" + disk.substr(5) + "/mq | wc -l"), "| 4");
  EXPECT_CONTAINS(Shell("cat /sys/block/" + disk.substr(5) + "/mq/3/cpu_list"), "| 3");
  const std::string filled = Move("fill", disk, mib);
  EXPECT_EQ(filled, Answer(mib, ChecksumOfPattern(File("big"), mib * kMiB)));
  EXPECT_EQ(Move("sum", disk, mib), filled);
}

TEST_P(LinuxGuestDisk, FileSystemIsMountedAndTheHostSeesTheFile) {
  const std::string disk = Disk("files");
  Shell("mount -t ext4 " + disk + " /mnt && mkdir /mnt/folder");
  const std::string filled = Move("fill", "/mnt/folder/file", 8);
  Shell("echo from the guest >/mnt/note && umount /mnt");

  const std::string image = File("files"), copy = File("copy");
  EXPECT_EQ(RunCommand({"debugfs", "-R", "cat /note", image}).out, "from the guest\n");
  RunCommand({"debugfs", "-R", "dump /folder/file " + copy, image});
  EXPECT_EQ(filled, Answer(8, ChecksumOfPattern(copy, 8 * kMiB)));
  const std::string header = RunCommand({"debugfs", "-R", "show_super_stats -h", image}).out;
  EXPECT_CONTAINS(header, "has_journal");
  EXPECT_EQ(header.find("needs_recovery"), std::string::npos) << header;
}

TEST_P(LinuxGuestDisk, FullHostPausesTheVmAndRoomLosesNoByte) {
  if (!HasSmall()) GTEST_SKIP() << "no right to mount a file system";
  const std::string disk = Disk("full");
  ASSERT_OK(vm().serial().Send("fill " + disk + " 48 4\n"));
  auto event = vm().qmp().WaitEvent("BLOCK_IO_ERROR", kReplyTime);
  ASSERT_OK(event);
  EXPECT_EQ(event->data["node-name"], json::Value("full"));
  EXPECT_EQ(event->data["operation"], json::Value("write"));
  EXPECT_EQ(event->data["action"], json::Value("stop"));
  EXPECT_EQ(event->data["nospace"], json::Value(true));
  ASSERT_OK(vm().qmp().WaitEvent("STOP", kReplyTime));
  EXPECT_EQ(vm().RunState(), "io-error");

  ASSERT_EQ(mount("none", File("small").c_str(), nullptr, MS_REMOUNT, "size=80m"), 0);
  ASSERT_OK(vm().qmp().Execute("cont"));
  ASSERT_OK(vm().qmp().WaitEvent("RESUME", kReplyTime));
  auto filled = vm().serial().WaitForLine("init: fill ", kDiskTime);
  ASSERT_OK(filled);
  EXPECT_EQ(*filled, Answer(48, ChecksumOfPattern(File("small/full"), 48 * kMiB)));
  EXPECT_EQ(Move("sum", disk, 48), *filled);
  EXPECT_EQ(vm().RunState(), "running");
}

uint64_t AllocatedBytes(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return static_cast<uint64_t>(info.st_blocks) * 512;
}

// Under virtio_scsi, sd and sr.
TEST_P(LinuxGuestDisk, ScsiUnitIsMountedAndTrimmedAndAMediumIsChanged) {
  Ask(vm(), "load scsi_common scsi_mod cdrom sd_mod sr_mod virtio_scsi\n", "init: load ");
  Shell("until [ -b /dev/sda ] && [ -b /dev/sr0 ]; do :; done; mount -t ext4 /dev/sda /mnt");
  const std::string filled = Move("fill", "/mnt/file", 4);
  Move("fill", "/mnt/gone", 16);
  Shell("sync");
  const std::string image = File("unit"), copy = File("unit-copy");
  const uint64_t before = AllocatedBytes(image);
  Shell("rm /mnt/gone && sync && fstrim /mnt");
  EXPECT_LE(AllocatedBytes(image) + 15 * kMiB, before);
  Shell("umount /mnt");
  RunCommand({"debugfs", "-R", "dump /file " + copy, image});
  EXPECT_EQ(filled, Answer(4, ChecksumOfPattern(copy, 4 * kMiB)));

  EXPECT_EQ(Move("sum", "/dev/sr0", 2), Answer(2, ChecksumOfPattern(File("medium"), 2 * kMiB)));
  std::ofstream(File("other"), std::ios::binary) << PatternText(kMiB);
  ASSERT_OK(
      vm().qmp().Execute("blockdev-change-medium", {{"id", "cd0"}, {"filename", File("other")}}));
  EXPECT_EQ(Move("sum", "/dev/sr0", 1), Answer(1, ChecksumOfPattern(File("other"), kMiB)));
  EXPECT_CONTAINS(Shell("cat /sys/block/sr0/size"), "| 2048");
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestDisk, ::testing::ValuesIn(kLinuxBoards), BoardName);

}  // namespace
}  // namespace davit::testing
