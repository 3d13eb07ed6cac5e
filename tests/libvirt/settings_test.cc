// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a domain's XML may say besides its devices, how its output gets to files, and what virsh
// tells of a domain that davitd refuses to start. The domain of docs/howto/libvirt.md is one of
// them, as it is printed.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/libvirt/fixture.h"

namespace davit::testing {
namespace {

namespace fs = std::filesystem;

std::string Monitor(const std::string& domain, const std::string& command) {
  return VirshOk({"qemu-monitor-command", domain, fmt::format(R"({{"execute":"{}"}})", command)});
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

// The file, which is there or comes, gets this text.
void ExpectText(const std::string& path, const std::string& text) {
  auto tail = Process::Start({"tail", "--lines=+1", "--follow=name", "--retry", path}, "/dev/null");
  ASSERT_OK(tail);
  Console lines((*tail)->stdio());
  EXPECT_OK(lines.WaitFor(text, kReplyTime));
}

TEST_F(LibvirtTest, NumaSmbiosMemoryAndLimitsAreWhatTheXmlSays) {
  DomainXml domain = Named("settings");
  domain.memory_mib = 128;
  // The second one comes by device_add, before the first instruction.
  domain.vcpu =
      "<vcpu current='2'>3</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/>"
      "<vcpu id='1' enabled='yes' hotpluggable='yes'/>"
      "<vcpu id='2' enabled='no' hotpluggable='yes'/></vcpus>"
      "<maxMemory slots='2' unit='MiB'>1024</maxMemory>";
  domain.cpu =
      "<cpu mode='host-passthrough'><topology sockets='1' dies='1' cores='3' threads='1'/>"
      "<feature policy='disable' name='rdrand'/><numa><cell id='0' cpus='0,2' "
      "memory='65536'><distances><sibling id='0' value='10'/>"
      "<sibling id='1' value='21'/></distances></cell>"
      "<cell id='1' cpus='1' memory='65536'><distances><sibling id='0' value='21'/>"
      "<sibling id='1' value='10'/></distances></cell></numa></cpu>";
  domain.boot = "<smbios mode='sysinfo'/>";
  domain.more =
      "<iothreads>1</iothreads>"
      "<memoryBacking><nosharepages/><source type='memfd'/><access mode='shared'/></memoryBacking>"
      "<sysinfo type='smbios'><system><entry name='serial'>s-1</entry></system></sysinfo>"
      "<sysinfo type='fwcfg'><entry name='opt/org.davit/x'>v</entry></sysinfo>"
      "<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hpet' "
      "present='no'/></clock>"
      "<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>";
  domain.devices = fmt::format(
      "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' io='native' "
      "discard='unmap' iothread='1' queues='2'/><source file='{}'/><target dev='vda' bus='virtio'/>"
      "<iotune><total_iops_sec>500</total_iops_sec></iotune><serial>s-2</serial></disk>"
      "<interface type='user'><mac address='52:54:00:00:00:08'/><model type='virtio'/>"
      "<driver name='qemu' rx_queue_size='512'/><link state='down'/><rom enabled='no'/></interface>"
      "<rng model='virtio'><rate bytes='1024' period='1000'/><backend model='random'>/dev/urandom"
      "</backend></rng>",
      Image("settings.raw", 1 << 20));
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  const std::string memory = Monitor("settings", "query-memdev");
  EXPECT_EQ(Count(memory, R"("size":67108864)"), 2U) << memory;
  EXPECT_EQ(Count(memory, R"("share":true)"), 2U) << memory;
  EXPECT_EQ(Count(memory, R"("merge":false)"), 2U) << memory;
  const std::string cpus = Monitor("settings", "query-cpus-fast");
  EXPECT_CONTAINS(cpus, R"("node-id":1)");
  EXPECT_CONTAINS(cpus, R"("core-id":1)");
  // Before its first instruction, by block_set_io_throttle.
  EXPECT_CONTAINS(Monitor("settings", "query-block"), R"("iops":500,)");
  const std::string tree = VirshOk({"qemu-monitor-command", "settings", "--hmp", "info", "qtree"});
  for (const char* property : {"serial = \"s-2\"", "num-queues = 2 ", "rx_queue_size = 512 ",
                               "max-bytes = 1024 ", "iothread = \"iothread1\""}) {
    EXPECT_CONTAINS(tree, property);
  }
  // What the guest alone sees has tests of its own; this is what libvirt wrote of it.
  const std::string log = host->LogOf("settings");
  for (const char* word :
       {"-smbios type=1,serial=s-1", "-fw_cfg name=opt/org.davit/x,string=v", "mem-merge=off",
        "-no-hpet", "driftfix=slew", "disable_s3=1", "-numa dist,src=0,dst=1,val=21",
        "-cpu host,migratable=on,rdrand=off", "-m size=131072k,slots=2,maxmem=1048576k"}) {
    EXPECT_CONTAINS(log, word);
  }
  EXPECT_OK(guest->Ask('d', "block: 1 disks"));
  Attach(
      "settings",
      "<memory model='dimm'><target><size unit='MiB'>128</size><node>1</node></target></memory>");
  EXPECT_OK(guest->Await("dimm: slot 0 "));
  EXPECT_CONTAINS(VirshOk({"dumpxml", "settings"}), "<address type='dimm' slot='0'");
}

// A loop device with this file below it, for as long as it lives.
class LoopDevice {
 public:
  explicit LoopDevice(const std::string& file) {
    const RunResult made = RunCommand({"losetup", "--find", "--show", file});
    if (made.status == 0) path_ = made.out.substr(0, made.out.find('\n'));
    why_ = made.err;
  }
  ~LoopDevice() {
    if (!path_.empty()) (void)RunCommand({"losetup", "--detach", path_});
  }
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;
  // Empty: there is none, and why.
  const std::string& path() const { return path_; }
  const std::string& why() const { return why_; }

 private:
  std::string path_, why_;
};

// libvirt puts the device into the domain's own /dev.
TEST_F(LibvirtTest, ABlockDeviceOfTheHostIsADisk) {
  const LoopDevice loop(Image("loop.raw", 1 << 20));
  if (loop.path().empty()) GTEST_SKIP() << "no loop device: " << loop.why();
  DomainXml domain = Named("block");
  domain.devices = fmt::format(
      "<disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/>"
      "<source dev='{}'/><target dev='vda' bus='virtio'/></disk>",
      loop.path());
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_CONTAINS(host->LogOf("block"), R"("driver":"host_device")");
  EXPECT_CONTAINS(guest->Ask('d', "block: 1 disks").value_or(""), "block: disk 1 ok");
  EXPECT_EQ(Field(VirshOk({"domblkinfo", "block", "vda"}), "Capacity:"), "1048576");
  VirshOk({"destroy", "block"});  // before the device goes
}

TEST_F(LibvirtTest, ScsiUnitsPortsAndMediaComeAndGo) {
  DomainXml domain = Named("units");
  domain.ports = 4;
  domain.devices = fmt::format(
      "<controller type='scsi' model='virtio-scsi'/>"
      "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{}'/>"
      "<target dev='sda' bus='scsi'/><readonly/></disk>",
      Image("first.iso", 1 << 20));
  domain.devices += kAgentChannel;
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  VirshOk({"change-media", "units", "sda", "--eject", "--live"});
  EXPECT_FALSE(Contains(VirshOk({"domblklist", "units"}), "first.iso"));
  VirshOk({"change-media", "units", "sda", Image("second.iso", 2 << 20), "--insert", "--live"});
  EXPECT_EQ(Field(VirshOk({"domblkinfo", "units", "sda"}), "Capacity:"), "2097152");
  VirshOk({"attach-disk", "units", Image("unit.raw", 1 << 20), "sdb", "--targetbus", "scsi",
           "--subdriver", "raw", "--live"});
  EXPECT_CONTAINS(VirshOk({"domblklist", "units"}), "unit.raw");
  VirshOk({"detach-disk", "units", "sdb", "--live"});
  Expect("removed units scsi0-0-0-1");
  Attach("units", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>");
  EXPECT_OK(guest->Await(" on"));
  EXPECT_OK(guest->Ask('g', "rng: ok"));
  Attach("units", "<channel type='unix'><target type='virtio' name='org.davit.0'/></channel>");
  EXPECT_CONTAINS(VirshOk({"dumpxml", "units"}), "name='org.davit.0'");
}

TEST_F(LibvirtTest, TheMaximumCpuIsOfTheHostToo) {
  DomainXml domain = Named("max");
  domain.cpu = "<cpu mode='maximum'/>";
  ASSERT_NE(Create(domain), nullptr);
  EXPECT_CONTAINS(host->LogOf("max"), "-cpu max");
}

// A machine without PCI, which is what a domain gets that names none.
TEST_F(LibvirtTest, AMicrovmHasItsDevicesOnVirtioMmio) {
  Named("micro");
  const std::string mmio = "<address type='virtio-mmio'/>";
  VirshOk(
      {"create", "--paused",
       File("micro.xml",
            fmt::format("<domain type='kvm'><name>micro</name><memory unit='MiB'>64</memory>"
                        "<vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os>"
                        "<features><acpi/></features><cpu mode='host-passthrough'/><devices>"
                        "<emulator>{}</emulator><controller type='usb' model='none'/>"
                        "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
                        "<source file='{}'/><target dev='vda' bus='virtio'/>{}</disk>"
                        "<interface type='user'><model type='virtio'/>{}</interface>"
                        "<memballoon model='virtio'>{}</memballoon><serial type='pty'/></devices>"
                        "</domain>",
                        host->emulator(), Image("micro.raw", 1 << 20), mmio, mmio, mmio))});
  auto guest = Resume("micro");
  ASSERT_NE(guest, nullptr);
  EXPECT_CONTAINS(VirshOk({"dumpxml", "micro"}), "machine='microvm'");
  EXPECT_OK(guest->Ask('d', "block: 1 disks"));
  VirshOk({"setmem", "micro", "48M", "--live"});
  Expect("balloon micro 49152");
  VirshOk({"shutdown", "micro"});
  Expect("lifecycle micro Stopped Shutdown");
}

// By descriptors of virtlogd's, which davitd knows as /dev/fdset/N.
TEST_F(LibvirtTest, ConsolesGoToFilesAndLogs) {
  DomainXml domain = Named("files");
  domain.devices = fmt::format(
      "<console type='pty'><target type='serial'/></console>"
      "<console type='file'><source path='{0}' append='on'/><target type='virtio'/>"
      "<log file='{1}' append='on'/></console>",
      host->File("console.txt"), host->File("log.txt"));
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_CONTAINS(host->LogOf("files"), "path=/dev/fdset/");
  EXPECT_CONTAINS(host->LogOf("files"), "logfile=/dev/fdset/");
  EXPECT_OK(guest->Ask('o', "console: ok"));
  ExpectText(host->File("console.txt"), "probe: console");
  ExpectText(host->File("log.txt"), "probe: console");
}

TEST_F(LibvirtTest, VirshTellsWhyADomainDoesNotStart) {
  DomainXml domain = Named("firmware");
  domain.boot = "<loader type='rom'>" + Image("bios.bin", 1 << 16) + "</loader>";
  EXPECT_CONTAINS(VirshError({"create", File("firmware.xml", ToXml(domain))}),
                  "firmware is not supported");
  EXPECT_FALSE(Contains(VirshOk({"list", "--all"}), "firmware"));
}

void ReplaceAll(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// The block of the page that begins with `start`, its files and programs those of the test.
std::string Printed(const std::string& start) {
  const std::string page = ReadFile("docs/howto/libvirt.md");
  const size_t begin = page.find("```\n" + start);
  EXPECT_NE(begin, std::string::npos) << start;
  if (begin == std::string::npos) return "";
  std::string block = page.substr(begin + 4, page.find("\n```", begin + 4) - begin - 3);
  ReplaceAll(block, "/srv/web", fs::path(host->File("x")).parent_path());
  ReplaceAll(block, "/usr/local/bin/davitd", host->emulator());
  return block;
}

class LibvirtHowtoTest : public LibvirtTest {
 protected:
  void SetUp() override {
    LibvirtTest::SetUp();
    if (IsSkipped()) return;
    Named("web");
    fs::copy_file("tests/guest/probe/probe.bzImage", host->File("vmlinuz"),
                  fs::copy_options::overwrite_existing);
    File("initrd.gz", "initrd");
    Image("disk.raw", 1 << 20);
    if (access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "there is no /dev/net/tun";
    // What is called "default" on a host is here a bridge without addresses.
    const RunResult bridge = RunCommand({"ip", "link", "add", "davitbr1", "type", "bridge"});
    if (bridge.status != 0) GTEST_SKIP() << "no bridge: " << bridge.err;
    bridge_ = true;
    VirshOk({"net-create", File("net.xml",
                                "<network><name>default</name><forward mode='bridge'/>"
                                "<bridge name='davitbr1'/></network>")});
  }
  void TearDown() override {
    LibvirtTest::TearDown();
    if (!bridge_) return;
    VirshOk({"net-destroy", "default"});
    EXPECT_EQ(RunCommand({"ip", "link", "delete", "davitbr1"}).status, 0);
  }
  // The guest has what the page gives it.
  static void ExpectWeb(const std::string& command_line) {
    const std::string tty = VirshOk({"ttyconsole", "web"});
    auto guest = DomainGuest::Open(tty.substr(0, tty.find('\n')));
    ASSERT_OK(guest);
    EXPECT_OK((*guest)->Ask('b', "command line: " + command_line));
    EXPECT_OK((*guest)->Await("initrd: 6 bytes"));
    EXPECT_OK((*guest)->AwaitReady());
    EXPECT_OK((*guest)->Ask('d', "block: 1 disks"));
  }

 private:
  bool bridge_ = false;
};

TEST_F(LibvirtHowtoTest, ItsDomainRuns) {
  VirshOk({"define", File("web.xml", Printed("<domain"))});
  VirshOk({"start", "web"});
  ExpectWeb("console=ttyS0 root=/dev/vda");
  VirshOk({"shutdown", "web"});
  Expect("lifecycle web Stopped Shutdown");
}

TEST_F(LibvirtHowtoTest, ItsVirtInstallMakesADomain) {
  if (access("/usr/bin/virt-install", X_OK) != 0) GTEST_SKIP() << "there is no virt-install";
  const RunResult result = RunCommand({"sh", "-c", Printed("virt-install")});
  ASSERT_EQ(result.status, 0) << result.out << result.err;
  ExpectWeb("console=ttyS0");
}

}  // namespace
}  // namespace davit::testing
