// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands around a domain's emulator: a libvirtd that is restarted, and the tools that Debian
// has on top of libvirt, unmodified too: virt-install, its library, libvirt-dbus.
#include <fmt/format.h>
#include <unistd.h>

#include "tests/libvirt/fixture.h"

namespace davit::testing {
namespace {

TEST_F(LibvirtTest, ADomainOutlivesLibvirtd) {
  DomainXml domain = Named("stays");
  domain.devices = RawDisk(Image("stays.raw", 1 << 20), "vda") + kBalloon;
  domain.ports = 4;
  auto guest = Create(domain);
  ASSERT_NE(guest, nullptr);
  const pid_t pid = host->PidOf("stays");
  events.reset();
  ASSERT_OK(host->StopLibvirtd());
  EXPECT_OK(guest->Ask('b', "ready, h for help"));
  ASSERT_OK(host->StartLibvirtd());
  EXPECT_EQ(host->PidOf("stays"), pid);
  EXPECT_TRUE(State("stays").starts_with("running"));
  EXPECT_CONTAINS(VirshOk({"domblklist", "stays"}), "vda");
  VirshOk({"attach-disk", "stays", Image("more.raw", 1 << 20), "vdb", "--subdriver", "raw"});
  EXPECT_OK(guest->Await(" on"));
  EXPECT_OK(guest->Ask('d', "block: 2 disks"));
  VirshOk({"suspend", "stays"});
  VirshOk({"resume", "stays"});
  EXPECT_OK(guest->Ask('b', "ready, h for help"));
}

// libvirtd starts such domains once after the host has; the file is how it knows.
TEST_F(LibvirtTest, AutostartIsWhenLibvirtdComesUpFirst) {
  Define(Named("early"));
  Define(Named("late"));
  VirshOk({"autostart", "early"});
  events.reset();
  ASSERT_OK(host->StopLibvirtd());
  ASSERT_EQ(unlink("/run/libvirt/qemu/autostarted"), 0);
  ASSERT_OK(host->StartLibvirtd());
  EXPECT_EQ(State("early"), "running (booted)");
  EXPECT_EQ(State("late"), "shut off (unknown)");
  EXPECT_GT(host->PidOf("early"), 1);
  // Not again: what was shut off since stays so.
  VirshOk({"destroy", "early"});
  ASSERT_OK(host->StopLibvirtd());
  ASSERT_OK(host->StartLibvirtd());
  EXPECT_TRUE(State("early").starts_with("shut off"));
}

TEST_F(LibvirtTest, VirtInstallMakesADomain) {
  if (access("/usr/bin/virt-install", X_OK) != 0) GTEST_SKIP() << "there is no virt-install";
  Named("installed");
  const RunResult result =
      RunCommand({"/usr/bin/virt-install",
                  "--connect",
                  "qemu:///system",
                  "--name",
                  "installed",
                  "--memory",
                  "64",
                  "--vcpus",
                  "1",
                  "--osinfo",
                  "detect=off,require=off",
                  "--import",
                  "--machine",
                  "q35",
                  "--boot",
                  "emulator=" + host->emulator(),
                  "--disk",
                  "path=" + Image("installed.raw", 1 << 20) + ",format=raw,bus=virtio",
                  "--network",
                  "none",
                  "--graphics",
                  "none",
                  "--controller",
                  "usb,model=none",
                  "--cpu",
                  "host-passthrough",
                  "--noautoconsole"});
  ASSERT_EQ(result.status, 0) << result.out << result.err;
  Expect("lifecycle installed Started Booted");
  EXPECT_TRUE(State("installed").starts_with("running"));
  EXPECT_CONTAINS(VirshOk({"dumpxml", "installed"}), host->emulator());
}

TEST_F(LibvirtTest, TheLibraryOfVirtInstallMakesADomain) {
  if (access("/usr/share/virt-manager/virtinst", R_OK) != 0) GTEST_SKIP() << "there is no virtinst";
  Named("library");
  const RunResult result = RunCommand({"/usr/bin/python3", "tests/libvirt/virtinst_guest.py",
                                       "library", host->emulator(), Image("library.raw", 1 << 20)});
  ASSERT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_EQ(result.out, "library is running\n");
  Expect("lifecycle library Started Booted");
  EXPECT_CONTAINS(VirshOk({"domblklist", "library"}), "library.raw");
  EXPECT_CONTAINS(VirshOk({"dumpxml", "library"}), host->emulator());
}

TEST_F(LibvirtTest, LibvirtDbusListsStartsAndShutsDown) {
  for (const char* file : {"/usr/sbin/libvirt-dbus", "/usr/bin/dbus-daemon"}) {
    if (access(file, X_OK) != 0) GTEST_SKIP() << "there is no " << file;
  }
  Define(Named("bus"));
  const std::string address = "unix:path=" + host->File("bus.socket");
  const std::string config =
      File("bus.conf", fmt::format("<busconfig><listen>{}</listen><policy context='default'>"
                                   "<allow send_destination='*'/><allow receive_sender='*'/>"
                                   "<allow own='*'/><allow user='*'/></policy></busconfig>",
                                   address));
  // It returns when its socket is there, and ends with the namespace; so does the service.
  const RunResult bus = RunCommand({"/usr/bin/dbus-daemon", "--config-file=" + config, "--fork"});
  ASSERT_EQ(bus.status, 0) << bus.err;
  const auto client = [&](const std::string& verb) {
    const RunResult result =
        RunCommand({"/usr/bin/python3", "tests/libvirt/bus_client.py", address, "bus", verb});
    EXPECT_EQ(result.status, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(client("start"),
            "listed: bus\n"
            "active: False\n"
            "event: Started\n"
            "memory: 65536 KiB\n"
            "active: True\n");
  ASSERT_NE(Resume("bus"), nullptr);
  EXPECT_EQ(client("stop"),
            "listed: bus\n"
            "active: True\n"
            "event: Shutdown\n"
            "event: Stopped\n"
            "active: False\n");
  Expect("lifecycle bus Stopped Shutdown");
}

}  // namespace
}  // namespace davit::testing
