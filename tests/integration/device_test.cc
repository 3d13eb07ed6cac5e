// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -device that cannot be: davitd says what QEMU says to the same command line, word for word, and
// exits with the same status. Where there is no QEMU, only that it refuses.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/integration/common.h"

namespace davit::testing {
namespace {

constexpr const char* kQemu = "/usr/bin/qemu-system-x86_64";

// stderr without the program's name, which begins its lines.
std::string Said(const RunResult& result, const std::string& program) {
  std::string text = result.err;
  const std::string prefix = program + ": ";
  for (size_t at = 0; (at = text.find(prefix, at)) != std::string::npos;) {
    if (at == 0 || text[at - 1] == '\n') {
      text.erase(at, prefix.size());
    } else {
      ++at;
    }
  }
  return text;
}

void ExpectSameRefusal(const std::string& machine, std::vector<std::string> arguments) {
  std::string line;
  for (const std::string& argument : arguments) line += argument + " ";
  SCOPED_TRACE(machine + ": " + line);
  const std::vector<std::string> common = {"-M", machine, "-nodefaults", "-display", "none", "-S"};
  arguments.insert(arguments.begin(), common.begin(), common.end());
  std::vector<std::string> for_davit = arguments;
  for_davit.insert(for_davit.end(), {"-accel", "qtest"});
  const RunResult ours = Davitd(std::move(for_davit));
  EXPECT_EQ(ours.status, 1);
  EXPECT_EQ(ours.out, "");
  EXPECT_TRUE(ours.err.starts_with("davitd: -device ")) << ours.err;
  if (access(kQemu, X_OK) != 0) return;
  arguments.insert(arguments.begin(), kQemu);
  arguments.insert(arguments.end(), {"-accel", "tcg"});
  const RunResult theirs = RunCommand(arguments);
  EXPECT_EQ(theirs.status, 1);
  EXPECT_EQ(Said(ours, "davitd"), Said(theirs, "qemu-system-x86_64"));
}

TEST(DeviceRefusal, OnTheQ35) {
  for (const char* device : {"xyz",
                             "virtio-rng-pci,foo=1",
                             "id=a",
                             "virtio-rng-pci,id=1a",
                             "virtio-rng-pci,max-bytes=x",
                             "virtio-rng-pci,max-bytes=-1",
                             "virtio-rng-pci,period=0",
                             "virtio-rng-pci,period=4294967296",
                             "virtio-rng-pci,packed=maybe",
                             "virtio-rng-pci,vectors=-1",
                             "virtio-rng-pci,addr=40",
                             "virtio-rng-pci,addr=zz",
                             "virtio-rng-pci,addr=0x1f",
                             "virtio-rng-pci,bus=nope",
                             "virtio-rng-pci,bus=isa.0",
                             "virtio-rng-pci,rng=nope",
                             "virtio-rng-device",
                             "virtio-rng-pci,disable-legacy=maybe",
                             "virtio-rng-pci,disable-legacy=on,disable-modern=on",
                             "virtio-rng-pci,iothread=x",
                             "{\"driver\":\"xyz\"}",
                             "{\"id\":\"a\"}",
                             "{\"driver\":5}",
                             "{\"driver\":\"virtio-rng-pci\",\"foo\":1}",
                             "{\"driver\":\"virtio-rng-pci\",\"max-bytes\":\"10\"}",
                             "{\"driver\":\"virtio-rng-pci\",\"packed\":1}",
                             "{\"driver\":\"virtio-rng-pci\",\"addr\":1}",
                             "{\"driver\":\"virtio-rng-pci\",\"addr\":256}",
                             "{\"driver\":\"virtio-rng-pci\",\"addr\":true}",
                             "{\"driver\":\"virtio-rng-pci\",\"rng\":5}",
                             "{\"driver\":\"virtio-rng-pci\",\"vectors\":4294967296}",
                             "pcie-root-port,chassis=256",
                             "pcie-root-port,hotplug=1",
                             "isa-serial,index=4",
                             "isa-serial,bus=pcie.0",
                             "isa-serial,chardev=nope",
                             "vmcoreinfo,foo=1",
                             "vmcoreinfo,bus=pcie.0",
                             "vmcoreinfo,bus=nope",
                             "vhost-vsock-pci",
                             "vhost-vsock-pci,guest-cid=2",
                             "vhost-vsock-pci,guest-cid=4294967296",
                             "vhost-vsock-pci,guest-cid=3,seqpacket=maybe",
                             "vhost-vsock-pci,guest-cid=3,vhostfd=abc",
                             "vhost-vsock-pci,guest-cid=3,vhostfd=777",
                             "vhost-vsock-pci,guest-cid=3,vhostfd=0",
                             "vhost-vsock-device,guest-cid=3"}) {
    ExpectSameRefusal("q35", {"-device", device});
  }
  if (access("/dev/vhost-vsock", F_OK) != 0) {
    ExpectSameRefusal("q35", {"-device", "vhost-vsock-pci,guest-cid=3"});
  }
  ExpectSameRefusal("q35", {"-device", "virtio-rng-pci,id=a", "-device", "virtio-rng-pci,id=a"});
  ExpectSameRefusal("q35",
                    {"-device", "virtio-rng-pci,addr=1,id=x", "-device", "virtio-rng-pci,addr=1"});
  ExpectSameRefusal("q35",
                    {"-device", "pcie-root-port,chassis=1", "-device", "pcie-root-port,chassis=1"});
  ExpectSameRefusal("q35", {"-device", "vmcoreinfo", "-device", "vmcoreinfo"});
  ExpectSameRefusal("q35", {"-chardev", "null,id=c", "-device", "isa-serial,chardev=c", "-device",
                            "isa-serial,chardev=c"});
  ExpectSameRefusal("q35", {"-object", "iothread,id=io", "-device", "virtio-rng-pci,rng=io"});
  ExpectSameRefusal("q35", {"-global", "virtio-rng-pci.foo=1", "-device", "virtio-rng-pci"});
}

TEST(DeviceRefusal, OnTheMicrovm) {
  for (const char* device :
       {"xyz", "virtio-rng-device,foo=1", "virtio-rng-device,addr=1", "virtio-rng-pci",
        "virtio-rng-device,bus=nope", "virtio-rng-device,bus=isa.0", "pcie-root-port",
        "virtio-rng-device,rng=nope", "vhost-vsock-device", "vhost-vsock-device,guest-cid=1"}) {
    ExpectSameRefusal("microvm", {"-device", device});
  }
  ExpectSameRefusal("microvm", {"-device", "virtio-rng-device,bus=virtio-mmio-bus.3", "-device",
                                "virtio-rng-device,bus=virtio-mmio-bus.3"});
}

TEST(DeviceRefusal, WithoutAMachine) { ExpectSameRefusal("none", {"-device", "virtio-rng-pci"}); }

TEST(DeviceHelp, GoesToStdoutWithStatusZero) {
  const RunResult list = Davitd({"-device", "help"});
  EXPECT_EQ(list.status, 0);
  EXPECT_CONTAINS(list.out, "name \"virtio-rng-pci\", bus PCI, alias \"virtio-rng\"\n");
  const RunResult one = Davitd({"-device", "virtio-rng-pci,help"});
  EXPECT_EQ(one.status, 0);
  EXPECT_CONTAINS(one.out, "virtio-rng-pci options:\n");
  EXPECT_CONTAINS(one.out, "\n  period=<uint32>        - ");
}

}  // namespace
}  // namespace davit::testing
