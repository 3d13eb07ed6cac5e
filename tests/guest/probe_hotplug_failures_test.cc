// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Steps of hot-plug that fail, each again and again: descriptors, threads, mapped files, objects,
// nodes and devices are what they were, and what the step named is free. No vCPU runs. A memory
// module for which KVM has no slot left: //vmm/machine:vm_devices_test.
#include <gtest/gtest.h>

#include <utility>

#include "tests/guest/guest_vm.h"
#include "tests/guest/holdings.h"

namespace davit::testing {
namespace {

using json::Object;

class ProbeGuestFailedStep : public ::testing::Test {
 protected:
  void SetUp() override {
    if (VmmIsQemu()) GTEST_SKIP() << "davit's accelerator for tests";
    auto vm = Vm::Start({.args = {"-M",
                                  "q35",
                                  "-accel",
                                  "qtest",
                                  "-nodefaults",
                                  "-m",
                                  "128M,slots=1,maxmem=1G",
                                  "-smp",
                                  "1,maxcpus=2,cores=2",
                                  "-device",
                                  "pcie-root-port,id=full,chassis=1",
                                  "-device",
                                  "virtio-serial-pci,id=serial,bus=full",
                                  "-device",
                                  "pcie-root-port,id=free,chassis=2",
                                  "-object",
                                  "iothread,id=io0",
                                  "-object",
                                  "memory-backend-ram,id=m0,size=16M",
                                  "-object",
                                  "memory-backend-ram,id=m1,size=16M",
                                  "-device",
                                  "pc-dimm,id=dimm0,memdev=m0",
                                  "-blockdev",
                                  "driver=null-co,node-name=n0"}});
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
  }

  std::string Try(std::string_view command, const Object& arguments) {
    auto reply = vm_->qmp().Execute(command, arguments);
    return reply ? "" : reply.error().message;
  }
  void ExpectFailsWithoutTrace(std::string_view command, const Object& arguments,
                               const std::string& error) {
    // Once for what is made at first use.
    EXPECT_EQ(Try(command, arguments), error);
    const Holdings before = HoldingsOf(*vm_);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(Try(command, arguments), error);
    ExpectHoldings(*vm_, before);
  }
  void ExpectDeviceFails(Object device, const std::string& error) {
    if (!device.Has("id")) device.Set("id", "it");
    ExpectFailsWithoutTrace("device_add", device, error);
  }
  void ExpectFree(std::string_view command, const Object& arguments) {
    EXPECT_EQ(Try(command, arguments), "") << command;
  }

  std::unique_ptr<Vm> vm_;
};

TEST_F(ProbeGuestFailedStep, NoSlotIsFree) {
  ExpectDeviceFails({{"driver", "virtio-rng-pci"}, {"bus", "full"}},
                    "PCI: no slot/function available for virtio-rng-pci, all in use or reserved");
  ExpectDeviceFails({{"driver", "virtio-rng-pci"}}, "Bus 'pcie.0' does not support hotplugging");
  ExpectFree("device_add", {{"driver", "virtio-rng-pci"}, {"id", "it"}, {"bus", "free"}});
}

TEST_F(ProbeGuestFailedStep, NoMemorySlotIsFree) {
  ExpectDeviceFails({{"driver", "pc-dimm"}, {"memdev", "m1"}}, "no free slots available");
  ExpectFree("object-del", {{"id", "m1"}});
}

TEST_F(ProbeGuestFailedStep, CpuIsThereAlready) {
  const Object cpu = {{"driver", "max-x86_64-cpu"},
                      {"socket-id", int64_t{0}},
                      {"core-id", int64_t{0}},
                      {"thread-id", int64_t{0}}};
  ExpectDeviceFails(cpu, "CPU[0] with APIC ID 0 exists");
}

TEST_F(ProbeGuestFailedStep, IdIsTaken) {
  ExpectDeviceFails({{"driver", "virtio-rng-pci"}, {"bus", "free"}, {"id", "serial"}},
                    "Duplicate device ID 'serial'");
  ExpectFailsWithoutTrace("object-add", {{"qom-type", "iothread"}, {"id", "io0"}},
                          "attempt to add duplicate property 'io0' to object (type 'container')");
  ExpectFailsWithoutTrace("blockdev-add", {{"driver", "null-co"}, {"node-name", "n0"}},
                          "Duplicate nodes with node-name='n0'");
}

TEST_F(ProbeGuestFailedStep, BackEndIsMissing) {
  ExpectDeviceFails({{"driver", "virtio-blk-pci"}, {"bus", "free"}, {"drive", "nope"}},
                    "Property 'virtio-blk-device.drive' can't find value 'nope'");
  ExpectDeviceFails({{"driver", "virtio-net-pci"}, {"bus", "free"}, {"netdev", "nope"}},
                    "Property 'virtio-net-device.netdev' can't find value 'nope'");
  ExpectDeviceFails({{"driver", "virtserialport"}, {"bus", "serial.0"}, {"chardev", "nope"}},
                    "Property 'virtserialport.chardev' can't find value 'nope'");
  ExpectDeviceFails({{"driver", "pc-dimm"}, {"memdev", "nope"}}, "Device 'nope' not found");
}

// What was taken before the property was found to be bad is free again.
TEST_F(ProbeGuestFailedStep, PropertyIsBad) {
  ExpectDeviceFails({{"driver", "virtio-rng-pci"}, {"bus", "free"}, {"foo", int64_t{1}}},
                    "Property 'virtio-rng-pci.foo' not found");
  ExpectDeviceFails({{"driver", "virtio-blk-pci"},
                     {"bus", "free"},
                     {"drive", "n0"},
                     {"iothread", "io0"},
                     {"ioeventfd", false}},
                    "ioeventfd is required for iothread");
  ExpectFree("object-del", {{"id", "io0"}});
  ExpectFree("blockdev-del", {{"node-name", "n0"}});
}

}  // namespace
}  // namespace davit::testing
