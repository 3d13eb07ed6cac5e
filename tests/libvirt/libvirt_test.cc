// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's libvirt, unmodified, runs davit: a domain's life from definition to end, what changes
// while it runs, what is refused.
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>

#include <filesystem>
#include <set>
#include <sstream>

#include "tests/libvirt/fixture.h"
#include "tests/support/terminal.h"

namespace davit::testing {
namespace {

namespace fs = std::filesystem;

TEST_F(LibvirtTest, CapabilitiesAreThoseOfTheHost) {
  const std::string caps = VirshOk({"domcapabilities", "--emulatorbin", host->emulator(),
                                    "--machine", "q35", "--virttype", "kvm"});
  EXPECT_CONTAINS(caps, "<machine>pc-q35-7.2</machine>");
  EXPECT_CONTAINS(caps, "<mode name='host-passthrough' supported='yes'>");
  EXPECT_CONTAINS(caps, "<mode name='maximum' supported='yes'>");
  // No CPU of a name that libvirt knows: it does not write what davit would refuse.
  EXPECT_CONTAINS(caps, "<mode name='host-model' supported='no'/>");
  EXPECT_CONTAINS(caps, "<iothreads supported='yes'/>");
}

TEST_F(LibvirtTest, ADomainIsDefinedStartedAndEnded) {
  Define(Named("small"));
  VirshOk({"autostart", "small"});
  EXPECT_CONTAINS(VirshOk({"list", "--all", "--autostart"}), "small");
  VirshOk({"start", "small"});
  Expect("lifecycle small Started Booted");
  const std::string info = VirshOk({"dominfo", "small"});
  EXPECT_EQ(Field(info, "State:"), "running");
  EXPECT_EQ(Field(info, "Persistent:"), "yes");
  EXPECT_EQ(Field(info, "Autostart:"), "enable");
  EXPECT_EQ(Field(info, "Max memory:"), "65536 KiB");
  EXPECT_EQ(Field(VirshOk({"vcpuinfo", "small"}), "State:"), "running");
  // There is no migration, and so no saved state of a domain that is defined.
  EXPECT_CONTAINS(VirshError({"managedsave", "small"}),
                  "The command migrate-set-parameters has not been found");
  EXPECT_TRUE(State("small").starts_with("running"));
  VirshOk({"destroy", "small"});
  Expect("lifecycle small Stopped Destroyed");
  EXPECT_EQ(State("small"), "shut off (destroyed)");
  VirshOk({"undefine", "small"});
  EXPECT_FALSE(Contains(VirshOk({"list", "--all"}), "small"));
}

TEST_F(LibvirtTest, TheProcessHasNoRightsAndAlmostNoDevices) {
  ASSERT_NE(Create(Named("rights")), nullptr);
  const std::string proc = fmt::format("/proc/{}", host->PidOf("rights"));
  const struct passwd* const user = getpwnam("libvirt-qemu");
  ASSERT_NE(user, nullptr);
  const std::string status = ReadFile(proc + "/status");
  EXPECT_EQ(Field(status, "Uid:\t"), fmt::format("{0}\t{0}\t{0}\t{0}", user->pw_uid));
  EXPECT_EQ(Field(status, "CapEff:\t"), "0000000000000000");
  EXPECT_EQ(Field(status, "Seccomp:\t"), "2");  // libvirt asks for -sandbox on: a filter
  std::set<std::string> devices;
  for (const auto& entry : fs::directory_iterator(proc + "/root/dev")) {
    // libvirt keeps what the host has mounted below its own, such as /dev/mqueue.
    if (entry.is_directory() && entry.path().filename() != "pts") continue;
    devices.insert(entry.path().filename());
  }
  EXPECT_EQ(devices, (std::set<std::string>{"full", "kvm", "null", "ptmx", "pts", "random",
                                            "urandom", "zero"}));
}

TEST_F(LibvirtTest, TransientDomainsAreGoneAtTheirEnd) {
  ASSERT_NE(Create(Named("passing")), nullptr);
  EXPECT_EQ(Field(VirshOk({"dominfo", "passing"}), "Persistent:"), "no");
  VirshOk({"destroy", "passing"});
  EXPECT_FALSE(Contains(VirshOk({"list", "--all"}), "passing"));
}

TEST_F(LibvirtTest, TheConsoleIsAPtyThatVirshShows) {
  auto guest = Create(Named("talk"));
  ASSERT_NE(guest, nullptr);
  ASSERT_OK(guest->Ask('k', "heartbeat: on"));
  guest.reset();
  auto console = Terminal::Start(VirshCommand({"console", "talk", "--force"}),
                                 {"TERM=dumb", "LC_ALL=C", "PATH=/usr/bin:/bin"});
  ASSERT_OK(console);
  // virsh has the console, and the terminal hands over key by key.
  ASSERT_OK((*console)->Expect("heartbeat: "));
  ASSERT_OK((*console)->Type("b"));
  EXPECT_OK((*console)->Expect("davit probe guest"));
  EXPECT_OK((*console)->Expect("ready, h for help"));
  ASSERT_OK((*console)->Type("\x1d"));  // Ctrl-]
  auto end = (*console)->ExpectEnd();
  ASSERT_OK(end);
  EXPECT_EQ(end->status, 0);
}

TEST_F(LibvirtTest, SuspendAndResume) {
  auto guest = Create(Named("pause"));
  ASSERT_NE(guest, nullptr);
  VirshOk({"suspend", "pause"});
  Expect("lifecycle pause Suspended Paused");
  EXPECT_EQ(State("pause"), "paused (user)");
  VirshOk({"resume", "pause"});
  EXPECT_EQ(State("pause"), "running (unpaused)");
  EXPECT_OK(guest->Ask('b', "ready, h for help"));
}

TEST_F(LibvirtTest, TheBalloonFollowsSetmem) {
  DomainXml domain = Named("balloon");
  domain.devices = kBalloon;
  ASSERT_NE(Create(domain), nullptr);
  VirshOk({"setmem", "balloon", "48M", "--live"});
  Expect("balloon balloon 49152");
  EXPECT_EQ(Field(VirshOk({"dommemstat", "balloon"}), "actual"), "49152");
  VirshOk({"dommemstat", "balloon", "--period", "2", "--live"});
  EXPECT_CONTAINS(VirshOk({"dumpxml", "balloon"}), "<stats period='2'/>");
  VirshOk({"setmem", "balloon", "64M", "--live"});
  Expect("balloon balloon 65536");
}

// The second line shows that davit has taken what came with the first.
TEST_F(LibvirtTest, StatisticsAreWhatTheGuestWrote) {
  DomainXml domain = Named("stats");
  domain.devices = "<memballoon model='virtio'/>";
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  VirshOk({"setmem", "stats", "48M", "--live"});
  Expect("balloon stats 49152");
  VirshOk({"dommemstat", "stats", "--period", "1", "--live"});
  auto first = guest->AwaitRest("balloon: statistics, total ");
  ASSERT_OK(first);
  ASSERT_OK(guest->Await("balloon: statistics, total "));
  const uint64_t total = std::stoull(*first);
  const uint64_t free = std::stoull(first->substr(first->find("free ") + 5));
  EXPECT_LE(total, 48U << 20);
  EXPECT_EQ(total - free, 16U << 20);  // what the probe guest keeps for itself
  const std::string stats = VirshOk({"dommemstat", "stats"});
  EXPECT_EQ(Field(stats, "actual"), "49152");
  EXPECT_EQ(Field(stats, "available"), std::to_string(total / 1024));
  EXPECT_EQ(Field(stats, "unused"), std::to_string(free / 1024));
  EXPECT_EQ(Field(stats, "usable"), std::to_string(free / 1024));
  EXPECT_EQ(Field(stats, "swap_in"), "0");
  EXPECT_FALSE(Contains(stats, "hugetlb_pgalloc"));  // of which the guest says nothing
}

TEST_F(LibvirtTest, TheAgentIsAskedThroughItsChannel) {
  DomainXml domain = Named("agent");
  domain.devices = kAgentChannel;
  VirshOk({"create", "--paused", File("agent.xml", ToXml(domain))});
  EXPECT_CONTAINS(VirshOk({"dumpxml", "agent"}), "state='disconnected'");
  auto guest = Resume("agent");
  ASSERT_NE(guest, nullptr);
  Expect("agent agent connected");
  EXPECT_CONTAINS(VirshOk({"dumpxml", "agent"}), "state='connected'");
  const std::vector<std::string> ping = {"qemu-agent-command", "agent",
                                         R"({"execute":"guest-ping"})"};
  EXPECT_CONTAINS(VirshOk(ping), R"({"return":{}})");
  EXPECT_OK(guest->Await("agent: guest-ping"));
  const time_t before = time(nullptr);
  const time_t clock = std::stoll(Field(VirshOk({"domtime", "agent"}), "Time:"));
  EXPECT_NEAR(static_cast<double>(clock), static_cast<double>(before), kReplyTime.count() / 1e3);
  EXPECT_CONTAINS(VirshError({"domtime", "agent", "--now"}),
                  "doesn't support rtc-reset-reinjection command");
  EXPECT_CONTAINS(VirshError({"dompmsuspend", "agent", "mem"}), "does not have suspend support");
  EXPECT_CONTAINS(VirshError({"domfsinfo", "agent"}),
                  "The command guest-get-fsinfo has not been found");
  // The guest's reset takes the agent away, until its driver is there again. It stands still, lest
  // that comes within the second for which davit, as QEMU, has one event.
  VirshOk({"suspend", "agent"});
  VirshOk({"reset", "agent"});
  Expect("agent agent disconnected");
  VirshOk({"resume", "agent"});
  EXPECT_OK(guest->AwaitReady());
  Expect("agent agent connected");
  EXPECT_CONTAINS(VirshOk(ping), R"({"return":{}})");
  VirshOk({"shutdown", "agent", "--mode", "agent"});
  Expect("lifecycle agent Stopped Shutdown");
}

TEST_F(LibvirtTest, ADomainWithOneOfEachDeviceRuns) {
  DomainXml domain = Named("each");
  domain.devices = RawDisk(Image("each.raw", 1 << 20), "vda") + UserCard("52:54:00:00:00:05") +
                   kBalloon + kAgentChannel +
                   "<console type='pty'><target type='serial'/></console>"
                   "<console type='pty'><target type='virtio'/></console>"
                   "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_OK(guest->Ask('V', "virtio: 5 devices"));
  EXPECT_OK(guest->Ask('g', "rng: ok"));
  EXPECT_OK(guest->Ask('d', "block: 1 disks"));
  const std::string stats = VirshOk({"domstats", "each"});
  for (const char* line :
       {"state.state=1\n", "cpu.time=", "balloon.current=65536\n", "vcpu.0.time=", "net.count=1\n",
        "block.0.name=vda\n", "block.0.rd.reqs=", "block.0.capacity=1048576\n"}) {
    EXPECT_CONTAINS(stats, line);
  }
}

TEST_F(LibvirtTest, DisksComeAndGo) {
  DomainXml domain = Named("disks");
  domain.devices = RawDisk(Image("vda", 1 << 20), "vda");
  domain.ports = 4;
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_OK(guest->Ask('d', "block: 1 disks"));
  VirshOk({"attach-disk", "disks", Image("vdb", 2 << 20), "vdb", "--subdriver", "raw", "--cache",
           "none", "--io", "native"});
  EXPECT_OK(guest->Await(" on"));  // its slot
  auto tested = guest->Ask('d', "block: 2 disks");
  ASSERT_OK(tested);
  EXPECT_CONTAINS(*tested, "block: disk 2 ok");
  EXPECT_CONTAINS(VirshOk({"domblklist", "disks"}), "vdb");
  EXPECT_EQ(Field(VirshOk({"domblkinfo", "disks", "vdb"}), "Capacity:"), "2097152");
  EXPECT_NE(Field(VirshOk({"domblkstat", "disks", "vdb"}), "vdb wr_bytes"), "0");
  VirshOk({"detach-disk", "disks", "vdb"});
  Expect("removed disks virtio-disk1");
  EXPECT_FALSE(Contains(VirshOk({"domblklist", "disks"}), "vdb"));
  VirshOk({"blockresize", "disks", "vda", "4M"});
  EXPECT_EQ(Field(VirshOk({"domblkinfo", "disks", "vda"}), "Capacity:"), "4194304");
  EXPECT_EQ(fs::file_size(host->File("vda")), 4U << 20);
  VirshOk({"blkdeviotune", "disks", "vda", "--total-iops-sec", "1000", "--live"});
  EXPECT_EQ(Field(VirshOk({"blkdeviotune", "disks", "vda"}), "total_iops_sec :"), "1000");
  const std::string stats = VirshOk({"domstats", "--block", "--vcpu", "disks"});
  EXPECT_CONTAINS(stats, "block.count=1");
  EXPECT_CONTAINS(stats, "vcpu.0.state=1");
}

TEST_F(LibvirtTest, NetworkCardsComeAndGo) {
  DomainXml domain = Named("cards");
  domain.devices = UserCard("52:54:00:00:00:01");
  domain.ports = 4;
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  Attach("cards", UserCard("52:54:00:00:00:02"));
  EXPECT_OK(guest->Await(" on"));
  EXPECT_CONTAINS(VirshOk({"domiflist", "cards"}), "52:54:00:00:00:02");
  VirshOk({"domif-setlink", "cards", "52:54:00:00:00:02", "down"});
  EXPECT_CONTAINS(VirshOk({"domif-getlink", "cards", "52:54:00:00:00:02"}), "down");
  VirshOk({"detach-interface", "cards", "user", "--mac", "52:54:00:00:00:02"});
  Expect("removed cards net1");
  EXPECT_FALSE(Contains(VirshOk({"domiflist", "cards"}), "52:54:00:00:00:02"));
}

// attach-interface, detach-interface and the link, on a bridge of the test's own network.
TEST_F(LibvirtTest, ACardIsPutOnABridge) {
  if (access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "there is no /dev/net/tun";
  const RunResult bridge = RunCommand({"ip", "link", "add", "davitbr0", "type", "bridge"});
  if (bridge.status != 0) GTEST_SKIP() << "no bridge: " << bridge.err;
  DomainXml domain = Named("bridged");
  domain.ports = 2;
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  const std::string mac = "52:54:00:00:00:06";
  VirshOk({"attach-interface", "bridged", "bridge", "davitbr0", "--mac", mac, "--model", "virtio",
           "--live"});
  EXPECT_OK(guest->Await(" on"));
  EXPECT_CONTAINS(VirshOk({"domiflist", "bridged"}), "davitbr0");
  const fs::path ports = "/sys/class/net/davitbr0/brif";
  EXPECT_FALSE(fs::is_empty(ports));
  VirshOk({"domif-setlink", "bridged", mac, "down"});
  EXPECT_CONTAINS(VirshOk({"domif-getlink", "bridged", mac}), "down");
  VirshOk({"detach-interface", "bridged", "bridge", "--mac", mac, "--live"});
  Expect("removed bridged net0");
  EXPECT_FALSE(Contains(VirshOk({"domiflist", "bridged"}), mac));
  EXPECT_TRUE(fs::is_empty(ports));  // the interface went with its descriptor
}

TEST_F(LibvirtTest, TapsAreHandedOverByDescriptor) {
  if (access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "there is no /dev/net/tun";
  const auto tap = [](const std::string& name, const std::string& mac) {
    return fmt::format(
        "<interface type='ethernet'><mac address='{}'/><target dev='{}'/><model type='virtio'/>"
        "<driver name='qemu' queues='2'/></interface>",
        mac, name);
  };
  DomainXml domain = Named("taps");
  domain.devices = tap("davit0", "52:54:00:00:00:03");
  domain.ports = 4;
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  Attach("taps", tap("davit1", "52:54:00:00:00:04"));  // with getfd
  EXPECT_OK(guest->Await(" on"));
  for (const char* name : {"davit0", "davit1"}) {
    EXPECT_TRUE(fs::exists(std::string("/sys/class/net/") + name)) << name;
    VirshOk({"domifstat", "taps", name});
  }
  EXPECT_CONTAINS(host->LogOf("taps"), R"("fds":")");  // one of each queue
  EXPECT_CONTAINS(host->LogOf("taps"), R"("mq":true)");
  VirshOk({"detach-interface", "taps", "ethernet", "--mac", "52:54:00:00:00:04"});
  Expect("removed taps net1");
  EXPECT_FALSE(fs::exists("/sys/class/net/davit1"));
}

// The host's CPUs that a thread of this name may run on.
std::string CpusOf(pid_t pid, const std::string& thread) {
  for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    if (ReadFile(task.path() / "comm") == thread + "\n") {
      return Field(ReadFile(task.path() / "status"), "Cpus_allowed_list:\t");
    }
  }
  return "no thread " + thread;
}

TEST_F(LibvirtTest, ProcessorsComeAndGo) {
  DomainXml domain = Named("cpus");
  domain.vcpu = "<vcpu current='1'>2</vcpu>";
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  VirshOk({"setvcpus", "cpus", "2", "--live"});
  EXPECT_OK(guest->Await("cpu: 1 apic id 1 runs"));
  EXPECT_EQ(VirshOk({"vcpucount", "cpus", "--live", "--active"}), "2\n");
  EXPECT_CONTAINS(VirshOk({"vcpuinfo", "cpus"}), "VCPU:           1");
  // The thread that is named to libvirt is the processor's own.
  VirshOk({"vcpupin", "cpus", "1", "0", "--live"});
  EXPECT_EQ(CpusOf(host->PidOf("cpus"), "CPU 1/KVM"), "0");
  VirshOk({"setvcpus", "cpus", "1", "--live"});
  EXPECT_OK(guest->Await("cpu: 1 ejected"));
  EXPECT_EQ(VirshOk({"vcpucount", "cpus", "--live", "--active"}), "1\n");
}

TEST_F(LibvirtTest, IoThreadsComeAndGo) {
  DomainXml domain = Named("threads");
  domain.more = "<iothreads>1</iothreads>";
  ASSERT_NE(Create(domain), nullptr);
  VirshOk({"iothreadadd", "threads", "2", "--live"});
  EXPECT_CONTAINS(VirshOk({"iothreadinfo", "threads"}), "\n 2 ");
  VirshOk({"iothreaddel", "threads", "2", "--live"});
  EXPECT_FALSE(Contains(VirshOk({"iothreadinfo", "threads"}), "\n 2 "));
  EXPECT_CONTAINS(VirshOk({"domstats", "--iothread", "threads"}), "iothread.count=1");
}

TEST_F(LibvirtTest, TheMonitorIsPassedThrough) {
  auto guest = Create(Named("monitor"));
  ASSERT_NE(guest, nullptr);
  EXPECT_CONTAINS(VirshOk({"qemu-monitor-command", "monitor", R"({"execute":"query-status"})"}),
                  R"("status":"running")");
  EXPECT_CONTAINS(VirshOk({"qemu-monitor-command", "monitor", "--hmp", "info status"}),
                  "VM status: running");
  VirshOk({"inject-nmi", "monitor"});
  EXPECT_OK(guest->Ask('i', "nmis 1"));
}

TEST_F(LibvirtTest, WhatIsNotThereIsRefusedAndTheDomainRuns) {
  DomainXml domain = Named("refused");
  domain.devices = RawDisk(Image("refused.raw", 1 << 20), "vda");
  domain.ports = 2;
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"send-key", "refused", "KEY_A"}, "The command send-key has not been found"},
      {{"save", "refused", host->File("saved")},
       "The command migrate-set-parameters has not been found"},
      {{"dump", "refused", host->File("core")},
       "The command migrate-set-parameters has not been found"},
      {{"dump", "refused", host->File("core"), "--memory-only"},
       "The command dump-guest-memory has not been found"},
      {{"snapshot-create-as", "refused", "s", "--disk-only"},
       "The command blockdev-create has not been found"},
      {{"blockcopy", "refused", "vda", host->File("copy"), "--transient-job"},
       "The command blockdev-create has not been found"},
      {{"blockcommit", "refused", "vda", "--active"},
       "could not find base image in chain for 'vda'"},
      // The refused save has left nothing.
      {{"restore", host->File("saved")}, "Failed to open file '" + host->File("saved") + "'"},
      {{"screenshot", "refused"}, "no screens to take screenshot from"},
      {{"blockpull", "refused", "vda"}, "The command block-stream has not been found"},
      {{"backup-begin", "refused"}, "The command blockdev-create has not been found"},
      {{"domblkthreshold", "refused", "vda", "1000"},
       "The command block-set-write-threshold has not been found"},
      {{"domdirtyrate-calc", "refused"}, "does not support calculating dirty page rate"},
      {{"attach-disk", "refused", Image("refused.qcow2", 1 << 20), "vdb", "--subdriver", "qcow2"},
       "'driver' does not accept value 'qcow2'"},
  };
  for (const auto& [command, message] : cases) {
    EXPECT_CONTAINS(VirshError(command), message);
    EXPECT_TRUE(State("refused").starts_with("running")) << command[0];
  }
  EXPECT_OK(guest->Ask('d', "block: 1 disks"));
}

TEST_F(LibvirtTest, ShutdownIsThePowerButton) {
  auto guest = Create(Named("off"));
  ASSERT_NE(guest, nullptr);
  VirshOk({"shutdown", "off"});
  Expect("lifecycle off Shutdown Guest");
  Expect("lifecycle off Stopped Shutdown");
}

TEST_F(LibvirtTest, RebootIsTheButtonAndAReset) {
  auto guest = Create(Named("again"));
  ASSERT_NE(guest, nullptr);
  VirshOk({"reboot", "again"});
  EXPECT_OK(guest->Await("power off: button"));
  EXPECT_OK(guest->AwaitReady());
  Expect("reboot again");
  VirshOk({"reset", "again"});
  EXPECT_OK(guest->AwaitReady());
  Expect("reboot again");
  // The guest's own.
  EXPECT_OK(guest->Ask('R', "reset: acpi"));
  EXPECT_OK(guest->AwaitReady());
  Expect("reboot again");
  EXPECT_TRUE(State("again").starts_with("running"));
}

TEST_F(LibvirtTest, OnRebootDestroyEndsTheDomain) {
  DomainXml domain = Named("once");
  domain.more = "<on_reboot>destroy</on_reboot>";
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_OK(guest->Press('R'));
  Expect("lifecycle once Stopped Shutdown");
}

TEST_F(LibvirtTest, OnCrashRestartStartsTheDomainAnew) {
  DomainXml domain = Named("panic");
  domain.more = "<on_crash>restart</on_crash>";
  domain.argument = "pvpanic-pci,addr=0x10";
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_OK(guest->Ask('P', "panic: told"));
  Expect("lifecycle panic Crashed Panicked");
  EXPECT_OK(guest->AwaitReady());
  EXPECT_TRUE(State("panic").starts_with("running"));
}

TEST_F(LibvirtTest, OnCrashDestroyEndsTheDomain) {
  DomainXml domain = Named("panics");
  domain.argument = "pvpanic-pci,addr=0x10";
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_OK(guest->Press('P'));
  Expect("lifecycle panics Crashed Panicked");
  Expect("lifecycle panics Stopped Crashed");
}

TEST_F(LibvirtTest, OnCrashPreserveKeepsTheDomain) {
  DomainXml domain = Named("kept");
  domain.more = "<on_crash>preserve</on_crash>";
  domain.argument = "pvpanic-pci,addr=0x10";
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  EXPECT_OK(guest->Ask('P', "panic: told"));
  Expect("lifecycle kept Crashed Panicked");
  EXPECT_EQ(State("kept"), "crashed (panicked)");
  EXPECT_CONTAINS(VirshOk({"qemu-monitor-command", "kept", R"({"execute":"query-status"})"}),
                  R"("status":"guest-panicked")");
}

TEST_F(LibvirtTest, ACrashOfTheProcessIsOneOfTheDomain) {
  Define(Named("crash"));
  VirshOk({"start", "crash"});
  const pid_t pid = host->PidOf("crash");
  ASSERT_GT(pid, 1);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  Expect("lifecycle crash Stopped Failed");
  EXPECT_EQ(State("crash"), "shut off (crashed)");
  // And it can be started again.
  VirshOk({"start", "crash"});
  Expect("lifecycle crash Started Booted");
}

// virsh does several commands in one go.
TEST_F(LibvirtTest, TwentyDomainsAtOnce) {
  constexpr int kDomains = 20;
  std::string create, consoles, resume, shutdown;
  for (int i = 0; i < kDomains; ++i) {
    DomainXml domain = Named(fmt::format("many{}", i));
    domain.memory_mib = 16;
    create += fmt::format("create --paused {};", File(domain.name + ".xml", ToXml(domain)));
    consoles += fmt::format("ttyconsole {};", domain.name);
    resume += fmt::format("resume {};", domain.name);
    shutdown += fmt::format("shutdown {};", domain.name);
  }
  VirshOk({create});
  std::istringstream paths(VirshOk({consoles}));
  std::vector<std::unique_ptr<DomainGuest>> guests;
  for (std::string path; std::getline(paths, path);) {
    if (path.empty()) continue;
    auto guest = DomainGuest::Open(path);
    ASSERT_OK(guest);
    guests.push_back(std::move(*guest));
  }
  ASSERT_EQ(guests.size(), size_t{kDomains});
  VirshOk({resume});
  for (const auto& guest : guests) EXPECT_OK(guest->AwaitReady());
  VirshOk({shutdown});
  for (int i = 0; i < kDomains; ++i) Expect(" Stopped Shutdown");  // in any order
}

}  // namespace
}  // namespace davit::testing
