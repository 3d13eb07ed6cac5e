// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/guest/linux_devices.h"

#include <sched.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>

#include "tests/guest/pattern.h"

namespace davit::testing {
namespace {

// The guests that run, by kind and machine; a null one failed to start.
class Guests final : public ::testing::Environment {
 public:
  std::map<std::string, std::unique_ptr<LinuxDevices>> running;
  void TearDown() override { running.clear(); }
};

Guests* const guests = static_cast<Guests*>(::testing::AddGlobalTestEnvironment(new Guests));

bool MakeImage(const std::string& path, uint64_t bytes) {
  std::ofstream(path, std::ios::binary).close();
  std::error_code error;
  std::filesystem::resize_file(path, bytes, error);
  return !error;
}

// A small file system that this process and its children alone see. False: no right to mount.
bool MountSmall(const std::string& at) {
  std::filesystem::create_directory(at);
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", at.c_str(), "tmpfs", 0, "size=16m") == 0;
}

void AddDisk(Args& args, const LinuxBoard& board, const std::string& name, const std::string& path,
             const std::string& options) {
  args.insert(
      args.end(),
      {"-blockdev", "driver=file,node-name=" + name + ",filename=" + path, "-device",
       std::string("virtio-blk") + board.suffix + ",drive=" + name + ",serial=" + name + options});
}

// A unit of 64 MiB with ext4, which UNMAP makes smaller, and a medium of 2 MiB with the pattern.
bool AddScsi(Args& args, const LinuxDevices& guest, const LinuxBoard& board) {
  const std::string unit = guest.dir.File("unit"), medium = guest.dir.File("medium");
  if (!MakeImage(unit, 64 * kMiB)) return false;
  const RunResult made = RunCommand({"mke2fs", "-q", "-F", "-t", "ext4", unit});
  EXPECT_EQ(made.status, 0) << made.err;
  std::ofstream(medium, std::ios::binary) << PatternText(2 * kMiB);
  args.insert(args.end(), {"-device", std::string("virtio-scsi") + board.suffix + ",id=scsi",
                           "-blockdev", "driver=file,node-name=unit,discard=unmap,filename=" + unit,
                           "-device", "scsi-hd,bus=scsi.0,drive=unit", "-blockdev",
                           "driver=file,node-name=medium,read-only=on,filename=" + medium,
                           "-device", "scsi-cd,bus=scsi.0,drive=medium,id=cd0"});
  return true;
}

void AddSocket(Args& args, const LinuxDevices& guest, const std::string& name) {
  args.insert(args.end(), {"-chardev", "socket,server=on,wait=off,id=" + name +
                                           ",path=" + guest.dir.File(name)});
}

bool StartDevices(LinuxDevices& guest, const LinuxBoard& board) {
  const std::string big = guest.dir.File("big"), files = guest.dir.File("files"),
                    full = guest.dir.File("small/full");
  guest.has_small = MountSmall(guest.dir.File("small"));
  if (!MakeImage(big, 1024 * kMiB) || !MakeImage(files, 64 * kMiB) || !MakeImage(full, 64 * kMiB)) {
    ADD_FAILURE() << "no images in " << guest.dir.path();
    return false;
  }
  const RunResult made = RunCommand({"mke2fs", "-q", "-F", "-t", "ext4", files});
  EXPECT_EQ(made.status, 0) << made.err;
  const std::string suffix = board.suffix;
  Args args = {"-smp", "4", "-m", std::to_string(board.ram_mib)};
  AddDisk(args, board, "big", big, ",num-queues=4");
  AddDisk(args, board, "files", files, "");
  AddDisk(args, board, "full", full, ",num-queues=4,werror=enospc");
  if (!AddScsi(args, guest, board)) {
    ADD_FAILURE() << "no images in " << guest.dir.path();
    return false;
  }
  AddSocket(args, guest, "console");
  AddSocket(args, guest, "agent");
  args.insert(
      args.end(),
      {"-device", "virtio-serial" + suffix + ",id=ports", "-device",
       "virtconsole,bus=ports.0,chardev=console", "-device",
       "virtserialport,bus=ports.0,chardev=agent,id=channel0,name=org.qemu.guest_agent.0",
       "-device", "virtio-rng" + suffix, "-device", "virtio-balloon" + suffix + ",id=balloon0"});
  if (std::string_view(board.machine) == "q35") {
    args.insert(args.end(), {"-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=on",
                             "-device", "pcie-root-port,id=slot,chassis=1"});
  }
  return StartLinuxDevices(guest, board, std::move(args),
                           "virtio_blk virtio_console virtio-rng virtio_balloon");
}

bool StartFreeHanded(LinuxDevices& guest, const LinuxBoard& board) {
  return StartLinuxDevices(
      guest, board,
      {"-m", "512", "-device",
       std::string("virtio-balloon") + board.suffix + ",deflate-on-oom=on,free-page-reporting=on"},
      "virtio_balloon");
}

}  // namespace

LinuxDevices::~LinuxDevices() {
  vm.reset();
  if (has_small) umount2(dir.File("small").c_str(), MNT_DETACH);
}

bool StartLinuxDevices(LinuxDevices& guest, const LinuxBoard& board, Args args,
                       std::string_view drivers) {
  args.insert(args.end(), {"-machine", board.machine});
  guest.vm = StartLinux(args);
  if (guest.vm == nullptr) return false;
  if (auto line = WaitForInit(*guest.vm); !line) {
    ADD_FAILURE() << board.machine << ": " << line.error();
    return false;
  }
  Ask(*guest.vm,
      "load virtio_ring virtio " + std::string(board.transport) + " " + std::string(drivers) + "\n",
      "init: load ");
  // It is not to start again, and a wait of a minute would say no more.
  guest.vm->serial().Forbid("init: up ");
  return true;
}

LinuxDevices* SharedGuest(const std::string& kind, const LinuxBoard& board,
                          bool (*start)(LinuxDevices&, const LinuxBoard&)) {
  const auto [place, is_new] = guests->running.try_emplace(kind + board.machine);
  if (is_new) {
    auto guest = std::make_unique<LinuxDevices>();
    if (start(*guest, board)) place->second = std::move(guest);
  }
  return place->second.get();
}

void DropGuest(const LinuxDevices* guest) {
  if (guest == nullptr) return;
  std::erase_if(guests->running, [guest](const auto& row) { return row.second.get() == guest; });
}

LinuxDevices* DevicesGuest(const LinuxBoard& board) {
  return SharedGuest("devices-", board, StartDevices);
}

LinuxDevices* FreeHandedGuest(const LinuxBoard& board) {
  return SharedGuest("free-handed-", board, StartFreeHanded);
}

std::string LinuxDevicesTest::Shell(const std::string& command) {
  std::string lines = Lines(vm(), "sh " + command + "\n");
  EXPECT_CONTAINS(lines, "init: end 0") << command;
  return lines;
}

std::string LinuxDevicesTest::Disk(const std::string& serial) {
  const std::string prefix = "init: | /sys/block/";
  const std::string lines = Shell("grep -lx " + serial + " /sys/block/vd*/serial");
  const size_t at = lines.find(prefix);
  if (at == std::string::npos) return "";
  const size_t from = at + prefix.size();
  return "/dev/" + lines.substr(from, lines.find('/', from) - from);
}

uint64_t LinuxDevicesTest::AvailableMiB() {
  const std::string line = Shell("awk '/MemAvailable/{print \"kib\", $2}' /proc/meminfo");
  return static_cast<uint64_t>(NumberAfter(line, "kib")) / 1024;
}

}  // namespace davit::testing
