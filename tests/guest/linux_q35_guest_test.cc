// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's kernel on the q35 machine: what it makes of the chipset and the full ACPI tables, and
// its ways to reset and power off. One guest for all cases; see linux_guest_test.cc. It has one
// CPU: with two, its second boot was seen to lock up in the emulated KVM of the lab.

#include <gtest/gtest.h>

#include "tests/guest/guest_vm.h"

namespace davit::testing {
namespace {

class LinuxGuestQ35 : public ::testing::Test {
 protected:
  static void TearDownTestSuite() { vm_.reset(); }

  void SetUp() override {
    if (std::string why = WhyNoLinux(); !why.empty()) GTEST_SKIP() << why;
    if (vm_ != nullptr) return;
    ASSERT_FALSE(started_) << "the guest is gone";
    started_ = true;
    vm_ = StartLinux({"-machine", "q35", "-smp", "1,maxcpus=2", "-m", "6G,slots=2,maxmem=8G",
                      "-device", "pcie-root-port,id=port0,chassis=1", "-device",
                      "virtio-rng-pci,bus=port0", "-device", "virtio-rng-pci,addr=4,vectors=0",
                      "-smbios", "type=1,serial=serial-of-ours"});
    ASSERT_NE(vm_, nullptr);
    auto line = WaitForInit(*vm_);
    if (!line) vm_.reset();
    ASSERT_TRUE(line) << line.error();
    banner_ = *line;
  }

  static std::string Lines(std::string_view command) { return testing::Lines(*vm_, command); }

  static inline std::unique_ptr<Vm> vm_;
  static inline std::string banner_;
  static inline bool started_ = false;
};

TEST_F(LinuxGuestQ35, BootsWithSixGiB) {
  EXPECT_EQ(NumberAfter(banner_, "cpus"), 1) << banner_;
  EXPECT_GT(NumberAfter(banner_, "memory-kib"), 5800LL * 1024);
}

TEST_F(LinuxGuestQ35, TablesAreAcceptedAndTheSciIsLevel) {
  const std::string tables = Lines("ls /sys/firmware/acpi/tables\n");
  for (const char* table : {"FACP", "FACS", "APIC", "MCFG", "WAET", "DSDT"}) {
    EXPECT_CONTAINS(tables, table);
  }
  const std::string interrupts = Lines("cat /proc/interrupts\n");
  EXPECT_CONTAINS(interrupts, "9-fasteoi   acpi");
  EXPECT_CONTAINS(interrupts, "4-edge      ttyS0");
}

TEST_F(LinuxGuestQ35, SmbiosTablesAreFoundWithoutFirmware) {
  EXPECT_CONTAINS(Lines("cat /sys/class/dmi/id/sys_vendor\n"), "davit");
  EXPECT_CONTAINS(Lines("cat /sys/class/dmi/id/product_version\n"), "pc-q35-7.2");
  EXPECT_CONTAINS(Lines("cat /sys/class/dmi/id/product_serial\n"), "serial-of-ours");
}

TEST_F(LinuxGuestQ35, ChipsetIsFoundOnThePciBus) {
  const std::string devices = Lines("ls /sys/bus/pci/devices\n");
  EXPECT_CONTAINS(devices, "0000:00:00.0");
  EXPECT_CONTAINS(devices, "0000:00:1f.0");
  EXPECT_CONTAINS(Lines("cat /sys/bus/pci/devices/0000:00:00.0/device\n"), "0x29c0");
  EXPECT_CONTAINS(Lines("cat /sys/bus/pci/devices/0000:00:1f.0/class\n"), "0x060100");
}

// No firmware has given it a bus number, windows or addresses.
TEST_F(LinuxGuestQ35, DeviceBehindAPortGetsItsPlaceFromTheKernel) {
  EXPECT_CONTAINS(Lines("ls /sys/bus/pci/devices\n"), "0000:01:00.0");
  const std::string resources = Lines("cat /sys/bus/pci/devices/0000:01:00.0/resource\n");
  // BAR 4 of virtio-pci is prefetchable and 64 bits wide: it goes above RAM.
  EXPECT_CONTAINS(resources, "0x0000000300000000 0x0000000300003fff");
  EXPECT_CONTAINS(Lines("cat /sys/bus/pci/devices/0000:00:01.0/secondary_bus_number\n"), "| 1");
}

// The kernel's own driver: MSI-X behind the port, the pin on the root bus; each read makes
// requests.
TEST_F(LinuxGuestQ35, VirtioOverPciServesMsixAndThePin) {
  Ask(*vm_,
      "load virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio-rng\n",
      "init: load ");
  const std::string rngs = Lines("cat /sys/class/misc/hw_random/rng_available\n");
  EXPECT_CONTAINS(rngs, "virtio_rng.0");
  EXPECT_CONTAINS(rngs, "virtio_rng.1");
  for (const char* rng : {"virtio_rng.0", "virtio_rng.1"}) {
    EXPECT_EQ(Ask(*vm_, std::string("write /sys/class/misc/hw_random/rng_current ") + rng + "\n",
                  "init: write "),
              "done");
    const std::string read = Ask(*vm_, "read /dev/hwrng 16384\n", "init: ");
    EXPECT_EQ(NumberAfter(read, "read"), 16384) << read;
    EXPECT_EQ(NumberAfter(read, "different"), 256) << read;
  }
  const std::string interrupts = Lines("cat /proc/interrupts\n");
  EXPECT_CONTAINS(interrupts, "-input");            // a vector for the queue
  EXPECT_CONTAINS(interrupts, "fasteoi   virtio");  // the pin
  // A function-level reset between two lives of the driver.
  EXPECT_EQ(
      Ask(*vm_, "write /sys/bus/pci/drivers/virtio-pci/unbind 0000:01:00.0\n", "init: write "),
      "done");
  EXPECT_EQ(Ask(*vm_, "write /sys/bus/pci/devices/0000:01:00.0/reset 1\n", "init: write "), "done");
  EXPECT_EQ(Ask(*vm_, "write /sys/bus/pci/drivers/virtio-pci/bind 0000:01:00.0\n", "init: write "),
            "done");
  const std::string again = Ask(*vm_, "read /dev/hwrng 4096\n", "init: ");
  EXPECT_EQ(NumberAfter(again, "read"), 4096) << again;
}

TEST_F(LinuxGuestQ35, EcamAndWindowsAreWhereTheTablesSay) {
  const std::string memory = Lines("cat /proc/iomem\n");
  EXPECT_CONTAINS(memory, "80000000-afffffff : PCI Bus 0000:00");
  EXPECT_CONTAINS(memory, "b0000000-bfffffff : PCI ");
  EXPECT_CONTAINS(memory, "c0000000-febfffff : PCI Bus 0000:00");
  EXPECT_CONTAINS(memory, "300000000-affffffff : PCI Bus 0000:00");
  EXPECT_CONTAINS(memory, "100000000-1ffffffff : System RAM");
  const std::string ports = Lines("cat /proc/ioports\n");
  EXPECT_CONTAINS(ports, "0600-0603 : ACPI PM1a_EVT_BLK");
  EXPECT_CONTAINS(ports, "0608-060b : ACPI PM_TMR");
  EXPECT_CONTAINS(ports, "0620-062f : ACPI GPE0_BLK");
}

TEST_F(LinuxGuestQ35, DimmComesAndGoes) {
  constexpr int64_t kDimm = 128 << 20;
  EXPECT_EQ(Ask(*vm_, "write /sys/devices/system/memory/auto_online_blocks online_movable\n",
                "init: write "),
            "done");
  const auto total_kib = [] { return NumberAfter(Lines("cat /proc/meminfo\n"), "MemTotal:"); };
  const auto execute = [](const char* command, json::Object arguments) {
    const auto done = vm_->qmp().Execute(command, std::move(arguments));
    EXPECT_TRUE(done) << done.error();
  };
  const long long before = total_kib();
  execute("object-add", {{"qom-type", "memory-backend-ram"}, {"id", "m0"}, {"size", kDimm}});
  execute("device_add", {{"driver", "pc-dimm"}, {"id", "dimm0"}, {"memdev", "m0"}});
  auto report = vm_->qmp().WaitEvent("ACPI_DEVICE_OST", kReplyTime);
  ASSERT_TRUE(report) << report.error();
  EXPECT_EQ(report->data["info"]["device"], json::Value("dimm0"));
  EXPECT_EQ(report->data["info"]["status"], json::Value(0));
  EXPECT_EQ(total_kib(), before + kDimm / 1024);
  EXPECT_CONTAINS(Lines("cat /proc/iomem\n"), "200000000-207ffffff : System RAM");

  execute("device_del", {{"id", "dimm0"}});
  auto deleted = vm_->qmp().WaitEvent("DEVICE_DELETED", kReplyTime);
  ASSERT_TRUE(deleted) << deleted.error();
  EXPECT_EQ(deleted->data["device"], json::Value("dimm0"));
  EXPECT_EQ(total_kib(), before);
  execute("object-del", {{"id", "m0"}});
}

// The kernel takes the CPU by itself, our init brings it up, and device_del takes it down and away.
TEST_F(LinuxGuestQ35, CpuComesAndGoes) {
  const auto online = [] { return Lines("cat /sys/devices/system/cpu/online\n"); };
  const auto both = [&online] { return online().find("0-1") != std::string::npos; };
  EXPECT_FALSE(both());
  ASSERT_OK(vm_->qmp().Execute("device_add", {{"driver", "host-x86_64-cpu"},
                                              {"id", "cpu1"},
                                              {"socket-id", int64_t{0}},
                                              {"core-id", int64_t{1}},
                                              {"thread-id", int64_t{0}}}));
  // The kernel reports the ejection of a DIMM when that has gone and has no name any more: such a
  // report may still come here.
  auto report = vm_->qmp().WaitEvent("ACPI_DEVICE_OST", kReplyTime);
  while (report && report->data["info"]["slot-type"] == json::Value("DIMM")) {
    report = vm_->qmp().WaitEvent("ACPI_DEVICE_OST", kReplyTime);
  }
  ASSERT_OK(report);
  EXPECT_EQ(report->data["info"]["device"], json::Value("cpu1"));
  EXPECT_EQ(report->data["info"]["status"], json::Value(0));
  EXPECT_EQ(Ask(*vm_, "write /sys/devices/system/cpu/cpu1/online 1\n", "init: write "), "done");
  EXPECT_TRUE(both());
  ASSERT_OK(vm_->qmp().Execute("device_del", {{"id", "cpu1"}}));
  for (const char* part : {"/lapic", ""}) {
    const auto deleted = vm_->qmp().WaitEvent("DEVICE_DELETED", kReplyTime);
    ASSERT_OK(deleted);
    EXPECT_EQ(deleted->data["path"], json::Value("/machine/peripheral/cpu1" + std::string(part)));
  }
  EXPECT_FALSE(both());
}

TEST_F(LinuxGuestQ35, RebootGoesThroughTheResetPort) {
  ASSERT_OK(vm_->serial().Send("reboot\n"));
  ExpectEvent(*vm_, "RESET", true, "guest-reset");
  auto line = WaitForInit(*vm_);
  ASSERT_OK(line);
  EXPECT_EQ(NumberAfter(*line, "cpus"), 1) << *line;
}

TEST_F(LinuxGuestQ35, PowerButtonIsSeenAndPowersOff) {
  ASSERT_OK(vm_->qmp().Execute("system_powerdown"));
  ASSERT_OK(vm_->qmp().WaitEvent("POWERDOWN", kReplyTime));
  ASSERT_OK(vm_->serial().WaitFor("init: power button", kReplyTime));
  ExpectEvent(*vm_, "SHUTDOWN", true, "guest-shutdown");
  ExpectExit(*vm_);
}

}  // namespace
}  // namespace davit::testing
