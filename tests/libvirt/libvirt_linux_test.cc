// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's libvirt, unmodified, runs davit with Debian's kernel as the guest: what the kernel's own
// drivers make of CPUs, disks, cards and a balloon that virsh changes, and of the power button.
// Needs KVM with hardware under it, so it runs in the nested lab on a host without.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include "tests/libvirt/domain_xml.h"
#include "tests/libvirt/libvirt_host.h"
#include "tests/libvirt/run_on_host.h"
#include "tests/support/expect.h"
#include "tests/support/terminal.h"

namespace davit::testing {
namespace {

namespace fs = std::filesystem;

constexpr milliseconds kBoot{120'000};
constexpr char kModules[] =
    "load virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_balloon "
    "virtio_blk failover net_failover virtio_net";

// Asks again until it is so; an answer of virsh takes its time.
bool Becomes(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kReplyTime;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

bool StateIs(const std::string& state) {
  return VirshOk({"domstate", "--reason", "linux"}).starts_with(state);
}

class LibvirtLinuxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!why_no_host.empty()) GTEST_SKIP() << why_no_host;
  }
  void TearDown() override {
    if (host == nullptr) return;
    if (HasFailure()) std::cout << host->LogOf("linux") << "\n";
    (void)Virsh({"destroy", "linux"});
    (void)Virsh({"undefine", "linux"});
  }

  // The kernel and its initramfs where the domain's user can read them.
  static std::string Boot() {
    const char* const folder = std::getenv("DAVIT_GUEST_DIR");
    for (const char* name : {"vmlinuz", "initramfs"}) {
      fs::copy_file(fs::canonical(std::string(folder == nullptr ? "." : folder) + "/" + name),
                    host->File(name));
    }
    return Kernel(host->File("vmlinuz"), host->File("initramfs"), "console=ttyS0 quiet panic=-1");
  }
  static std::string Image(const std::string& name, uint64_t bytes) {
    const std::string path = host->File(name);
    std::ofstream{path};
    fs::resize_file(path, bytes);
    return path;
  }

  // Started and with its init at its prompt; null after a failure.
  static std::unique_ptr<DomainGuest> Start() {
    VirshOk({"start", "linux", "--paused"});
    const std::string tty = VirshOk({"ttyconsole", "linux"});
    auto guest = DomainGuest::Open(tty.substr(0, tty.find('\n')));
    EXPECT_OK(guest);
    if (!guest) return nullptr;
    VirshOk({"resume", "linux"});
    EXPECT_OK((*guest)->Await("init: up kernel", kBoot));
    return std::move(*guest);
  }
  static void Until(DomainGuest& guest, const std::string& condition) {
    EXPECT_OK(guest.Tell("sh until " + condition + "; do sleep 0.1; done", "init: end 0"));
  }
  static void ChangeCpus(DomainGuest& guest) {
    VirshOk({"setvcpus", "linux", "2", "--live"});
    Until(guest, "[ -e /sys/devices/system/cpu/cpu1/online ]");
    EXPECT_EQ(guest.Tell("write /sys/devices/system/cpu/cpu1/online 1", "init: write "), "done");
    EXPECT_EQ(guest.Tell("cpus", "init: cpus "), "2");
    EXPECT_EQ(VirshOk({"vcpucount", "linux", "--live", "--active"}), "2\n");
  }
  static void AttachCards(DomainGuest& guest) {
    VirshOk({"attach-disk", "linux", Image("vda", 4 << 20), "vda", "--subdriver", "raw"});
    Until(guest, "[ -b /dev/vda ]");
    EXPECT_EQ(guest.Tell("read /dev/vda 1048576", "init: read "), "1048576 different 1");
    // And what the kernel read ahead.
    const std::string read = Field(VirshOk({"domblkstat", "linux", "vda"}), "vda rd_bytes");
    EXPECT_GE(std::stoul("0" + read), 1048576U) << read;
    const std::string card = host->File("card.xml");
    std::ofstream(card) << UserCard("52:54:00:00:00:07");
    VirshOk({"attach-device", "linux", card, "--live"});
    Until(guest, "[ -e /sys/class/net/eth0/address ]");
    EXPECT_EQ(guest.Tell("cat /sys/class/net/eth0/address", "init: | "), "52:54:00:00:00:07");
  }
  static void MoveMemory() {
    constexpr char kTarget[] = "actual 196608\n";
    VirshOk({"setmem", "linux", "192M", "--live"});
    EXPECT_TRUE(Becomes([kTarget] {
      const std::string stats = VirshOk({"dommemstat", "linux"});
      return Contains(stats, kTarget) && Contains(stats, "unused ") &&
             Contains(stats, "minor_fault ");
    })) << VirshOk({"dommemstat", "linux"});
  }
};

TEST_F(LibvirtLinuxTest, DebiansKernelFollowsItsDomain) {
  DomainXml domain{.name = "linux", .emulator = host->emulator()};
  domain.memory_mib = 256;
  domain.vcpu = "<vcpu current='1'>2</vcpu>";
  domain.boot = Boot();
  domain.devices = kBalloon;
  domain.ports = 4;
  const std::string file = host->File("linux.xml");
  std::ofstream(file) << ToXml(domain);
  VirshOk({"define", file});
  auto guest = Start();
  ASSERT_NE(guest, nullptr);
  ASSERT_OK(guest->Tell(kModules, "init: load "));
  ChangeCpus(*guest);
  AttachCards(*guest);
  MoveMemory();
  // The console by virsh, which has it when the ticks come, and the power button.
  ASSERT_OK(guest->Tell("spawn while sleep 1; do echo tick >/dev/ttyS0; done", "init: spawn done"));
  guest.reset();
  auto console = Terminal::Start(VirshCommand({"console", "linux", "--force"}),
                                 {"TERM=dumb", "LC_ALL=C", "PATH=/usr/bin:/bin"});
  ASSERT_OK(console);
  ASSERT_OK((*console)->Expect("tick"));
  ASSERT_OK((*console)->Type("clock\n"));
  EXPECT_OK((*console)->Expect("init: clock "));
  VirshOk({"shutdown", "linux"});
  EXPECT_OK((*console)->Expect("init: power button"));
  ASSERT_OK((*console)->ExpectEnd());
  EXPECT_TRUE(Becomes([] { return StateIs("shut off (shutdown)"); }));
  // What came and went was the run's alone.
  ASSERT_NE(Start(), nullptr);
  EXPECT_FALSE(Contains(VirshOk({"domblklist", "linux"}), "vda"));
  VirshOk({"destroy", "linux"});
  EXPECT_TRUE(StateIs("shut off (destroyed)"));
}

}  // namespace
}  // namespace davit::testing

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return davit::testing::RunTestsOnHost(davit::testing::WhyNoLibvirt());
}
