// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's kernel and its own virtio modules on both boards: virtio over PCI Express on q35, over
// MMIO on microvm. A boot is dear in the lab, so the cases of several files share two guests a
// board; each starts when the first case asks for it and ends with the program.
#pragma once

#include <array>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "tests/guest/guest_vm.h"

namespace davit::testing {

inline constexpr uint64_t kMiB = 1 << 20;

struct LinuxBoard {
  const char* machine;
  const char* suffix;     // of the devices that go on its bus
  const char* transport;  // the transport's modules
  // Sizes: q35 has the full ones, a lab has no time for two.
  uint64_t ram_mib;   // of the guest
  uint64_t disk_mib;  // how much of the disk "big" is written
};
inline void PrintTo(const LinuxBoard& board, std::ostream* out) { *out << board.machine; }

inline constexpr std::array kLinuxBoards = {
    LinuxBoard{"q35", "-pci", "virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci", 1024, 1024},
    LinuxBoard{"microvm", "-device", "virtio_mmio", 512, 128},
};

// A guest, and the folder with the files and sockets of its devices.
struct LinuxDevices {
  LinuxDevices() = default;
  ~LinuxDevices();
  LinuxDevices(const LinuxDevices&) = delete;
  LinuxDevices& operator=(const LinuxDevices&) = delete;

  TempDir dir;
  bool has_small = false;  // a file system of 16 MiB is mounted at "small"
  std::unique_ptr<Vm> vm;
};

// 4 CPUs, the board's `ram_mib`; disks "big" (1 GiB, four queues, all holes), "files" (64 MiB,
// ext4) and "full" (64 MiB, all holes, its file in "small") with these serial numbers; on a SCSI
// controller "unit" (64 MiB, ext4) and in "cd0" "medium" (2 MiB, the pattern); a console
// and an agent's port with the sockets "console" and "agent"; rng; the balloon "balloon0" as it is
// by default; on q35 an empty slot "slot" that ACPI serves. Null after a failure, which is
// reported.
LinuxDevices* DevicesGuest(const LinuxBoard& board);

// 1 CPU, 512 MiB, and a balloon that deflates on OOM and reports free pages.
LinuxDevices* FreeHandedGuest(const LinuxBoard& board);

// A guest of another kind, for the cases of one file. start: makes it, when the first case asks.
LinuxDevices* SharedGuest(const std::string& kind, const LinuxBoard& board,
                          bool (*start)(LinuxDevices&, const LinuxBoard&));
// The next case that asks for it gets a new one. Null: nothing happens.
void DropGuest(const LinuxDevices* guest);
// What `start` ends with: the VM, its kernel, and these modules. False: reported.
bool StartLinuxDevices(LinuxDevices& guest, const LinuxBoard& board, Args args,
                       std::string_view drivers);

class LinuxDevicesTest : public ::testing::TestWithParam<LinuxBoard> {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoLinux(); !why.empty()) GTEST_SKIP() << why;
    guest_ = Guest();
    ASSERT_NE(guest_, nullptr) << "no guest";
  }
  // A guest that a case has failed on is not the next one's.
  void TearDown() override {
    if (HasFailure()) DropGuest(guest_);
  }
  virtual LinuxDevices* Guest() { return DevicesGuest(GetParam()); }

  Vm& vm() { return *guest_->vm; }
  std::string File(const std::string& name) const { return guest_->dir.File(name); }
  bool HasSmall() const { return guest_->has_small; }
  // The output of a shell command in the guest; it must succeed.
  std::string Shell(const std::string& command);
  // The path of the disk with this serial number, as in "/dev/vda".
  std::string Disk(const std::string& serial);
  // What a process of the guest could have.
  uint64_t AvailableMiB();

 private:
  LinuxDevices* guest_ = nullptr;
};

// For INSTANTIATE_TEST_SUITE_P.
inline std::string BoardName(const ::testing::TestParamInfo<LinuxBoard>& info) {
  return info.param.machine;
}

}  // namespace davit::testing
