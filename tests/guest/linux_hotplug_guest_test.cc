// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Hot-plug under Debian's pciehp: a disk comes while the guest runs, and is pulled while it is
// written to.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/guest/linux_devices.h"

namespace davit::testing {
namespace {

using json::Object;

constexpr LinuxBoard kQ35 = kLinuxBoards[0];

bool StartHotplug(LinuxDevices& guest, const LinuxBoard& board) {
  return StartLinuxDevices(
      guest, board, {"-smp", "2", "-m", "256", "-device", "pcie-root-port,id=slot1,chassis=1"},
      "virtio_blk");
}

class LinuxGuestHotplug : public LinuxDevicesTest {
 protected:
  LinuxDevices* Guest() override { return SharedGuest("hotplug-", kQ35, StartHotplug); }
  void Do(std::string_view command, Object arguments) {
    auto reply = vm().qmp().Execute(command, std::move(arguments));
    EXPECT_TRUE(reply) << command << ": " << reply.error();
  }
  // The kernel shows a disk a moment before it is through with the slot.
  bool AsksForDisk() {
    auto reply = vm().qmp().Execute("device_del", {{"id", "disk0"}});
    if (reply) return true;
    EXPECT_EQ(reply.error().message, "Hot-unplug failed: guest is busy (power indicator blinking)");
    return false;
  }
  bool HasDisk() { return Lines(vm(), "sh ls /sys/block\n").find("| vda") != std::string::npos; }
};

TEST_P(LinuxGuestHotplug, ADiskComesAndIsPulledUnderLoad) {
  const std::string image = File("plugged");
  std::ofstream(image).close();
  std::filesystem::resize_file(image, 1024 * kMiB);
  for (int round = 0; round < 2; ++round) {
    ASSERT_FALSE(HasDisk());
    Do("blockdev-add", {{"driver", "file"}, {"node-name", "plugged"}, {"filename", image}});
    Do("device_add",
       {{"driver", "virtio-blk-pci"}, {"id", "disk0"}, {"bus", "slot1"}, {"drive", "plugged"}});
    ASSERT_TRUE(Eventually([&] { return HasDisk(); })) << StateOf(vm());
    // Slow enough that the guest is still at it after the five seconds that it waits for a second
    // press of the button.
    Object limits{{"id", "/machine/peripheral/disk0/virtio-backend"}};
    for (const char* limit : {"bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"})
      limits.Set(limit, 0);
    limits.Set("bps", int64_t{64 * kMiB});
    Do("block_set_io_throttle", limits);
    ASSERT_OK(vm().serial().Send("fill /dev/vda 1024 2\n"));
    ASSERT_TRUE(Eventually([&] { return AsksForDisk(); })) << StateOf(vm());
    for (bool gone = false; !gone;) {
      auto event = vm().qmp().WaitEvent("DEVICE_DELETED", kBootTime);
      ASSERT_TRUE(event) << event.error() << StateOf(vm());
      gone = event->data["device"] == json::Value("disk0");
    }
    // The writers were told.
    ASSERT_OK(vm().serial().WaitFor("init: fill /dev/vda: ", kBootTime));
    Do("blockdev-del", {{"node-name", "plugged"}});
  }
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestHotplug, ::testing::Values(kQ35), BoardName);

}  // namespace
}  // namespace davit::testing
