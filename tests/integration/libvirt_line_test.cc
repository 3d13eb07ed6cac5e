// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Command lines as libvirt 9.0 to 12.8 writes them (recorded from it): each works, or is refused by
// the name of what is missing. Sockets that libvirt passes as descriptors are paths here.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"

namespace davit::testing {
namespace {

using Words = std::vector<std::string>;

class LibvirtLineTest : public VmTest {
 protected:
  LibvirtLineTest() {
    std::ofstream(dir_.File("master-key.aes")) << std::string(32, 'k');
    std::ofstream(dir_.File("disk")).close();
    std::filesystem::resize_file(dir_.File("disk"), 1 << 20);
  }

  // What every domain has, in libvirt's order; `more` behind it.
  Words Line(const Words& more) const {
    Words words = {"-name",
                   "guest=v,debug-threads=on",
                   "-S",
                   "-object",
                   R"({"qom-type":"secret","id":"masterKey0","format":"raw","file":")" +
                       dir_.File("master-key.aes") + R"("})",
                   "-machine",
                   "pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram",
                   "-accel",
                   "kvm",
                   "-cpu",
                   "host,migratable=on",
                   "-m",
                   "64",
                   "-object",
                   R"({"qom-type":"memory-backend-ram","id":"pc.ram","size":67108864})",
                   "-overcommit",
                   "mem-lock=off",
                   "-uuid",
                   "00000000-0000-0000-0000-00000000000a",
                   "-display",
                   "none",
                   "-no-user-config",
                   "-nodefaults",
                   "-rtc",
                   "base=utc",
                   "-no-shutdown",
                   "-boot",
                   "strict=on",
                   "-audiodev",
                   R"({"id":"audio1","driver":"none"})",
                   "-sandbox",
                   "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
                   "-msg",
                   "timestamp=on"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  void ExpectStarts(const Words& more) {
    auto vm = Vm::Start({.args = Line(more), .serial_stdio = false});
    ASSERT_TRUE(vm) << vm.error();
    EXPECT_EQ((*vm)->RunState(), "prelaunch");
  }

  TempDir dir_;
};

TEST_F(LibvirtLineTest, SmallestDomain) { ExpectStarts({"-smp", "1,sockets=1,cores=1,threads=1"}); }

TEST_F(LibvirtLineTest, DomainWithADeviceOfEachKind) {
  Words words = {"-smp", "1,maxcpus=2,sockets=2,cores=1,threads=1"};
  for (int i = 0; i < 6; ++i) {
    const std::string n = std::to_string(i), next = std::to_string(i + 1);
    words.insert(words.end(), {"-device", R"({"driver":"pcie-root-port","port":)" +
                                              std::to_string(8 + i) + R"(,"chassis":)" + next +
                                              R"(,"id":"pci.)" + next + R"(","bus":"pcie.0",)" +
                                              (i == 0 ? R"("multifunction":true,"addr":"0x1"})"
                                                      : R"("addr":"0x1.0x)" + n + R"("})")});
  }
  const Words devices = {
      "-device",
      R"({"driver":"virtio-serial-pci","id":"virtio-serial0","bus":"pci.2","addr":"0x0"})",
      "-blockdev",
      R"({"driver":"file","filename":")" + dir_.File("disk") +
          R"(","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap"})",
      "-blockdev",
      R"({"node-name":"libvirt-1-format","read-only":false,"driver":"raw",)"
      R"("file":"libvirt-1-storage"})",
      "-device",
      R"({"driver":"virtio-blk-pci","bus":"pci.3","addr":"0x0","drive":"libvirt-1-format",)"
      R"("id":"virtio-disk0","bootindex":1,"write-cache":"on","serial":"s","num-queues":2,)"
      R"("queue-size":128,"werror":"stop","rerror":"stop"})",
      "-netdev",
      R"({"type":"user","id":"hostnet0"})",
      "-device",
      R"({"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","mac":"52:54:00:12:34:56",)"
      R"("bus":"pci.1","addr":"0x0","host_mtu":1400,"rx_queue_size":512,"romfile":""})",
      "-chardev",
      "pty,id=charserial0,logfile=" + dir_.File("log") + ",logappend=on",
      "-device",
      R"({"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0})",
      "-chardev",
      "socket,id=charchannel0,path=" + dir_.File("agent") + ",server=on,wait=off",
      "-device",
      R"({"driver":"virtserialport","bus":"virtio-serial0.0","nr":1,"chardev":"charchannel0",)"
      R"("id":"channel0","name":"org.qemu.guest_agent.0"})",
      "-chardev",
      "pty,id=charconsole1",
      "-device",
      R"({"driver":"virtconsole","chardev":"charconsole1","id":"console1"})",
      "-device",
      R"({"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.4","addr":"0x0",)"
      R"("deflate-on-oom":true,"free-page-reporting":true})",
      "-object",
      R"({"qom-type":"rng-random","id":"objrng0","filename":"/dev/urandom"})",
      "-device",
      R"({"driver":"virtio-rng-pci","rng":"objrng0","id":"rng0","bus":"pci.5","addr":"0x0",)"
      R"("max-bytes":1024,"period":1000})"};
  words.insert(words.end(), devices.begin(), devices.end());
  ExpectStarts(words);
}

TEST_F(LibvirtLineTest, OtherSettingsOfTheXml) {
  ExpectStarts({"-machine",
                "mem-merge=off,hpet=off,vmport=off,smm=off,kernel-irqchip=on,acpi=on,graphics=off",
                "-m",
                "size=65536k,slots=4,maxmem=2097152k",
                "-cpu",
                "host,migratable=on,kvm=off,pmu=off",
                "-global",
                "ICH9-LPC.disable_s3=1",
                "-global",
                "ICH9-LPC.disable_s4=1",
                "-rtc",
                "base=utc,driftfix=slew",
                "-smbios",
                "type=1,serial=s",
                "-fw_cfg",
                "name=opt/x,string=v",
                "-global",
                "ICH9-LPC.noreboot=off",
                "-watchdog-action",
                "reset",
                "-boot",
                "menu=off,reboot-timeout=0,strict=on",
                "-no-hpet"});
}

// There is no memory-backend= in -machine then.
TEST_F(LibvirtLineTest, CellsOfNuma) {
  Words words = Line({"-smp", "2,sockets=2,cores=1,threads=1", "-object",
                      R"({"qom-type":"memory-backend-ram","id":"ram-node0","size":33554432})",
                      "-numa", "node,nodeid=0,cpus=0,memdev=ram-node0", "-object",
                      R"({"qom-type":"memory-backend-ram","id":"ram-node1","size":33554432})",
                      "-numa", "node,nodeid=1,cpus=1,memdev=ram-node1", "-numa",
                      "dist,src=0,dst=0,val=10", "-numa", "dist,src=0,dst=1,val=21", "-numa",
                      "dist,src=1,dst=0,val=21", "-numa", "dist,src=1,dst=1,val=10"});
  *std::find(words.begin(), words.end(),
             "pc-q35-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram") =
      "pc-q35-7.2,usb=off,dump-guest-core=off";
  auto vm = Vm::Start({.args = words, .serial_stdio = false});
  ASSERT_TRUE(vm) << vm.error();
  EXPECT_EQ((*vm)->RunState(), "prelaunch");
}

TEST_F(LibvirtLineTest, WhatIsMissingIsNamed) {
  const std::pair<Words, const char*> rows[] = {
      {{"-bios", "/f"}, "-bios /f: firmware is not supported"},
      {{"-machine", "pflash0=libvirt-pflash0-format"},
       "Property 'pc-q35-7.2-machine.pflash0' is not supported: the machine has no firmware"},
      {{"-machine", "pflash1=libvirt-pflash1-format"},
       "Property 'pc-q35-7.2-machine.pflash1' is not supported: the machine has no firmware"},
      {{"-machine", "kernel-irqchip=off"}, "kernel-irqchip=off is not supported"},
      {{"-machine", "hpet=on"}, "Property 'pc-q35-7.2-machine.hpet' cannot be 'on': not supported"},
      {{"-machine", "vmport=on"}, "'pc-q35-7.2-machine.vmport' cannot be 'on': not supported"},
      {{"-machine", "smm=on"}, "'pc-q35-7.2-machine.smm' cannot be 'on': not supported"},
      {{"-machine", "usb=on"}, "'pc-q35-7.2-machine.usb' cannot be 'on': not supported"},
      {{"-machine", "graphics=on"}, "'pc-q35-7.2-machine.graphics' cannot be 'on': not supported"},
      {{"-boot", "menu=on"}, "-boot menu=on is not supported: the machine has no firmware"},
      {{"-numa", "node,nodeid=0,cpus=0,memdev=ram-node0"}, "memdev=ram-node0 is ambiguous"},
      {{"-incoming", "defer"}, "-incoming: unknown option"},
      {{"-boot", "reboot-timeout=0,splash=x"}, "-boot splash=x is not supported"},
      {{"-cpu", "host,hv-relaxed=on"}, "Property 'host-x86_64-cpu.hv-relaxed' is not supported"},
      {{"-cpu", "host,host-cache-info=on,l3-cache=off"}, "host-x86_64-cpu.l3-cache"},
      {{"-netdev", R"({"type":"vhost-user","chardev":"c","id":"n"})"},
       "Parameter 'type' does not accept value 'vhost-user'"},
      {{"-blockdev", R"({"driver":"file","filename":"/x","node-name":"s","aio":"native"})"},
       "Could not open '/x': No such file or directory"},
      {{"-blockdev", R"({"driver":"file","filename":"/bin/sh","node-name":"s","aio":"native",)"
                     R"("read-only":true})"},
       "aio=native was specified, but it requires cache.direct=on, which was not specified."},
      {{"-blockdev", R"({"driver":"nbd","server":{"type":"inet","host":"h","port":"1"}})"},
       "Parameter 'driver' does not accept value 'nbd'"},
  };
  for (const auto& [words, text] : rows) {
    const RunResult result = Davitd(Line(words));
    EXPECT_EQ(result.status, 1) << words[1];
    EXPECT_CONTAINS(result.err, text);
  }
}

TEST_F(LibvirtLineTest, WrongValuesAreToldInQemusWords) {
  const std::pair<const char*, const char*> rows[] = {
      {"kernel-irqchip=x", "Parameter 'kernel-irqchip' does not accept value 'x'"},
      {"mem-merge=x", "Parameter 'mem-merge' expects 'on' or 'off'"},
      {"dump-guest-core=x", "Parameter 'dump-guest-core' expects 'on' or 'off'"},
      {"usb=x", "Parameter 'usb' expects 'on' or 'off'"},
      {"hpet=x", "Parameter 'hpet' expects 'on' or 'off'"},
      {"vmport=x", "Parameter 'vmport' does not accept value 'x'"},
      {"smm=x", "Parameter 'smm' does not accept value 'x'"},
      {"memory-backend=nothing", "Memory backend 'nothing' not found"},
      {"nothing=on", "Property 'pc-q35-7.2-machine.nothing' not found"},
  };
  for (const auto& [member, text] : rows) {
    const Words words = {"-machine",    std::string("pc-q35-7.2,accel=kvm,") + member,
                         "-display",    "none",
                         "-nodefaults", "-S"};
    const RunResult result = Davitd(words);
    EXPECT_EQ(result.status, 1) << member;
    EXPECT_CONTAINS(result.err, text);
    ExpectQemuSays(words, text);
  }
}

}  // namespace
}  // namespace davit::testing
