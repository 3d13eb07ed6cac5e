// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Hot-plug under Debian's kernel, which serves PCI Express slots by pciehp or acpiphp, and CPUs and
// memory by ACPI: ten devices come and go while disks are written to, those that are pulled among
// them; then the process and its objects are what they were.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/guest/holdings.h"
#include "tests/guest/linux_devices.h"
#include "tests/guest/own_network.h"

namespace davit::testing {
namespace {

using json::Object;

constexpr LinuxBoard kQ35 = kLinuxBoards[0];
constexpr int kSlots = 8;
constexpr int kDisks = 4;
constexpr int64_t kBytesPerSecond = 4 * kMiB;  // of each disk that is pulled

bool MakeDisk(const std::string& path) {
  std::ofstream(path).close();
  std::error_code error;
  std::filesystem::resize_file(path, 2048 * kMiB, error);
  return !error;
}

bool StartHotplug(LinuxDevices& guest, const LinuxBoard& board) {
  OwnNetwork();
  Args args = {"-smp",    "2,maxcpus=3,cores=3",
               "-m",      "256M,slots=2,maxmem=2G",
               "-object", "iothread,id=io0",
               "-object", "memory-backend-ram,id=ram0,size=192M",
               "-object", "memory-backend-ram,id=ram1,size=64M",
               "-numa",   "node,nodeid=0,cpus=0,memdev=ram0",
               "-numa",   "node,nodeid=1,cpus=1-2,memdev=ram1",
               "-numa",   "dist,src=0,dst=1,val=30"};
  const std::string steady = guest.dir.File("steady");
  if (!MakeDisk(steady)) {
    ADD_FAILURE() << "no images in " << guest.dir.path();
    return false;
  }
  args.insert(args.end(), {"-blockdev", "driver=file,node-name=steady,filename=" + steady,
                           "-device", "virtio-blk-pci,drive=steady,id=steady,serial=steady"});
  for (int i = 0; i < kSlots; ++i) {
    const std::string n = std::to_string(i);
    args.insert(args.end(), {"-device", "pcie-root-port,id=slot" + n + ",chassis=" + n});
  }
  // The last disk's slot is that of a port behind a port.
  args.insert(args.end(), {"-device", "pcie-root-port,id=inner,chassis=" + std::to_string(kSlots) +
                                          ",bus=slot" + std::to_string(kDisks - 1)});
  return StartLinuxDevices(guest, board, std::move(args),
                           "virtio_blk virtio_console virtio-rng failover net_failover virtio_net");
}

// A device, its back end, and what says in the guest that its driver has it.
struct Plugged {
  std::string id;
  Object device;
  const char* add = nullptr;  // the back end; null: none
  Object backend;
  const char* remove = nullptr;
  Object removed;
  std::string seen;
};

class HotplugTest : public LinuxDevicesTest {
 protected:
  void Do(std::string_view command, Object arguments = {}) {
    auto reply = vm().qmp().Execute(command, std::move(arguments));
    EXPECT_TRUE(reply) << command << ": " << reply.error();
  }
  // In the guest, until it is so.
  void Await(const std::string& condition) {
    if (HasFatalFailure()) return;
    ASSERT_OK(vm().serial().Send("sh until " + condition + "; do sleep 0.1; done\n"));
    const auto lines = vm().serial().WaitFor("init: end 0", kBootTime);
    ASSERT_TRUE(lines) << condition << ": " << lines.error() << StateOf(vm());
  }
  static std::string WriterFile(const std::string& disk) { return "/writer-" + disk; }

  void Add(const Plugged& what) {
    if (what.add != nullptr) Do(what.add, what.backend);
    Object device = what.device;
    device.Set("id", what.id);
    Do("device_add", device);
  }
  // The kernel shows a device a moment before it is through with the slot.
  bool Asks(const std::string& id) {
    auto reply = vm().qmp().Execute("device_del", {{"id", id}});
    if (reply) return true;
    EXPECT_EQ(reply.error().message, "Hot-unplug failed: guest is busy (power indicator blinking)");
    return false;
  }
  // Events of this name, until each of these devices had one.
  void AwaitEvents(const char* name, std::set<std::string> devices) {
    while (!devices.empty()) {
      auto event = vm().qmp().WaitEvent(name, kBootTime);
      ASSERT_TRUE(event) << name << " of " << *devices.begin() << ": " << event.error()
                         << StateOf(vm());
      const json::Value& info = event->data["info"];
      const json::Value& device = info.is_null() ? event->data["device"] : info["device"];
      if (const std::string* const id = device.AsString()) devices.erase(*id);
    }
  }

  // Its image is a file of that name.
  Plugged DiskIn(const std::string& id, const std::string& slot) const {
    return {id,
            {{"driver", "virtio-blk-pci"}, {"bus", slot}, {"drive", id}, {"serial", id}},
            "blockdev-add",
            {{"driver", "file"}, {"node-name", id}, {"filename", File(id)}},
            "blockdev-del",
            {{"node-name", id}},
            "grep -qx " + id + " /sys/block/vd*/serial"};
  }
  // A process that writes to the disk until it cannot; then there is a file with the status.
  void StartWriter(const std::string& serial) {
    const std::string disk = Disk(serial);
    ASSERT_NE(disk, "") << serial;
    Ask(vm(),
        "spawn dd if=/dev/zero of=" + disk + " bs=64k oflag=direct 2>/dev/null; echo $? >" +
            WriterFile(serial) + "\n",
        "init: spawn ");
  }
  void Limit(const std::string& id) {
    Object limits{{"id", "/machine/peripheral/" + id + "/virtio-backend"}};
    for (const char* limit : {"bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"})
      limits.Set(limit, 0);
    limits.Set("bps", kBytesPerSecond);
    Do("block_set_io_throttle", limits);
  }
  // The writer was told that the disk is gone.
  void EndWriter(const std::string& serial) {
    const std::string file = WriterFile(serial);
    Await("[ -s " + file + " ]");
    Shell("[ $(cat " + file + ") != 0 ] && rm " + file);
  }
};

class LinuxGuestHotplug : public HotplugTest {
 protected:
  LinuxDevices* Guest() override { return SharedGuest("hotplug-", kQ35, StartHotplug); }
  std::vector<Plugged> Disks() const {
    std::vector<Plugged> disks;
    for (int i = 0; i < kDisks; ++i) {
      const std::string n = std::to_string(i);
      disks.push_back(DiskIn("disk" + n, i == kDisks - 1 ? "inner" : "slot" + n));
      if (i % 2 == 1) disks.back().device.Set("iothread", "io0");
    }
    return disks;
  }
  static Plugged Card(const std::string& id, const char* slot, const char* mac, Object netdev) {
    netdev.Set("id", id);
    return {id,
            {{"driver", "virtio-net-pci"}, {"bus", slot}, {"netdev", id}, {"mac", mac}},
            "netdev_add",
            netdev,
            "netdev_del",
            {{"id", id}},
            std::string("grep -q ") + mac + " /sys/class/net/*/address"};
  }
  static std::vector<Plugged> Others() {
    Object tap = {{"type", "tap"}, {"script", "no"}, {"downscript", "no"}};
    if (HasVhost()) tap.Set("vhost", true);
    return {
        Card("card0", "slot4", "52:54:00:00:00:10", {{"type", "user"}}),
        Card("card1", "slot5", "52:54:00:00:00:11", HasTap() ? tap : Object{{"type", "user"}}),
        {"rng0",
         {{"driver", "virtio-rng-pci"}, {"bus", "slot6"}, {"rng", "random0"}},
         "object-add",
         {{"qom-type", "rng-builtin"}, {"id", "random0"}},
         "object-del",
         {{"id", "random0"}},
         "grep -q virtio_rng /sys/class/misc/hw_random/rng_available"},
        {"serial0",
         {{"driver", "virtio-serial-pci"}, {"bus", "slot7"}},
         nullptr,
         {},
         nullptr,
         {},
         "[ -d /sys/bus/virtio/drivers/virtio_console/virtio* ]"},
        {"dimm0",
         {{"driver", "pc-dimm"}, {"memdev", "memory0"}, {"node", "1"}},
         "object-add",
         {{"qom-type", "memory-backend-memfd"},
          {"id", "memory0"},
          {"size", static_cast<int64_t>(128 * kMiB)}},
         "object-del",
         {{"id", "memory0"}},
         "grep -q online /sys/devices/system/node/node1/memory32/state"},
        {"cpu2",
         {{"driver", "host-x86_64-cpu"},
          {"socket-id", int64_t{0}},
          {"core-id", int64_t{2}},
          {"thread-id", int64_t{0}}},
         nullptr,
         {},
         nullptr,
         {},
         "[ -e /sys/devices/system/cpu/cpu2/online ]"},
    };
  }

  int64_t BytesWritten(const std::string& id) {
    auto reply = vm().qmp().Execute("query-blockstats");
    EXPECT_TRUE(reply) << reply.error();
    for (const json::Value& device : *reply->AsArray()) {
      if (device["qdev"] != json::Value("/machine/peripheral/" + id + "/virtio-backend")) continue;
      EXPECT_EQ(device["stats"]["failed_wr_operations"], json::Value(0)) << id;
      return *device["stats"]["wr_bytes"].AsInt();
    }
    ADD_FAILURE() << "no statistics of " << id;
    return 0;
  }

  // Ten devices come, the disks first, which are written to from then on; and all go at once. It is
  // the guest that waits, five seconds after a press of a slot's button.
  void Round(bool stopped);
};

void LinuxGuestHotplug::Round(bool stopped) {
  const std::vector<Plugged> disks = Disks(), others = Others();
  std::set<std::string> all;
  for (const Plugged& disk : disks) Add(disk);
  for (const Plugged& disk : disks) {
    Limit(disk.id);
    Await(disk.seen);
    StartWriter(disk.id);
    all.insert(disk.id);
  }
  const int64_t written = BytesWritten("steady");
  for (const Plugged& other : others) {
    Add(other);
    all.insert(other.id);
  }
  ASSERT_NO_FATAL_FAILURE(AwaitEvents("ACPI_DEVICE_OST", {"dimm0", "cpu2"}));
  for (const Plugged& other : others) Await(other.seen);
  Shell("echo 1 >/sys/devices/system/cpu/cpu2/online");
  Shell("[ -e /sys/devices/system/node/node1/cpu2 ]");
  for (const Plugged& disk : disks) {
    EXPECT_TRUE(Eventually([&] { return BytesWritten(disk.id) > 0; }, kBootTime)) << disk.id;
    Shell("[ ! -e " + WriterFile(disk.id) + " ]");
  }

  // A guest that was stopped before it was through with a slot has to go on first.
  const auto asks = [&](const std::string& id) {
    if (stopped) Do("stop");
    const bool asked = Asks(id);
    if (stopped && !asked) Do("cont");
    return asked;
  };
  for (const std::string& id : all) {
    ASSERT_TRUE(Eventually([&] { return asks(id); }, kBootTime)) << id << StateOf(vm());
  }
  if (stopped) Do("cont");
  ASSERT_NO_FATAL_FAILURE(AwaitEvents("DEVICE_DELETED", all));
  EXPECT_GT(BytesWritten("steady"), written);
  for (const Plugged& disk : disks) EndWriter(disk.id);
  for (const auto* list : {&disks, &others}) {
    for (const Plugged& what : *list) {
      if (what.remove != nullptr) Do(what.remove, what.removed);
    }
  }
}

TEST_P(LinuxGuestHotplug, FortyOperationsUnderLoadLeaveNothingBehind) {
  for (const Plugged& disk : Disks()) ASSERT_TRUE(MakeDisk(File(disk.id)));
  Shell(
      "cd /sys/devices/system/node && [ $(cat online) = 0-1 ] && [ -e node0/cpu0 ] && "
      "[ -e node1/cpu1 ] && grep -qx '30 10' node1/distance");
  // What is plugged is given back only if nothing in it must stay.
  Shell("echo online_movable >/sys/devices/system/memory/auto_online_blocks");
  Holdings before = HoldingsOf(vm());
  // A vCPU of KVM stays for the VM's life.
  ++before["fd anon_inode:kvm-vcpu:2"];
  Limit("steady");
  const std::string disk = Disk("steady");
  Ask(vm(),
      "spawn while dd if=/dev/zero of=" + disk +
          " bs=64k count=256 oflag=direct 2>/dev/null; do :; done; echo end >" +
          WriterFile("steady") + "\n",
      "init: spawn ");
  ASSERT_NO_FATAL_FAILURE(Round(false));
  ASSERT_NO_FATAL_FAILURE(Round(true));
  Shell("[ ! -e " + WriterFile("steady") + " ]");
  // Between two turns of the loop there is no dd to kill.
  Await("killall dd 2>/dev/null; [ -e " + WriterFile("steady") + " ]");
  ExpectHoldings(vm(), before);
}

// Of the guest with many devices, whose one slot is ACPI's.
class LinuxGuestAcpiHotplug : public HotplugTest {};

TEST_P(LinuxGuestAcpiHotplug, DiskIsPulledByTheHostAndByTheGuest) {
  const Plugged disk = DiskIn("pulled", "slot");
  ASSERT_TRUE(MakeDisk(File(disk.id)));
  for (const bool by_host : {true, false}) {
    Add(disk);
    Limit(disk.id);
    Await(disk.seen);
    StartWriter(disk.id);
    if (by_host) {
      Do("device_del", {{"id", disk.id}});
    } else {
      Shell("echo 0 >/sys/bus/pci/slots/0/power");
    }
    ASSERT_NO_FATAL_FAILURE(AwaitEvents("DEVICE_DELETED", {disk.id}));
    EndWriter(disk.id);
    Do(disk.remove, disk.removed);
  }
}

INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestHotplug, ::testing::Values(kQ35), BoardName);
INSTANTIATE_TEST_SUITE_P(Boards, LinuxGuestAcpiHotplug, ::testing::Values(kQ35), BoardName);

}  // namespace
}  // namespace davit::testing
