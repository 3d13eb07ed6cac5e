// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Steps of hot-plug that fail, each again and again: descriptors, threads, mapped files, objects,
// nodes and devices are what they were, and what the step named is free. No vCPU runs. A memory
// module for which KVM has no slot left: //vmm/machine:vm_devices_test.
#include <gtest/gtest.h>

#include <initializer_list>
#include <utility>

#include "schema/runtime/json/json.h"
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
  // The same of steps as QMP has them, which name what they would make "it".
  struct Step {
    const char* command;
    const char* arguments;
    const char* error;
  };
  void ExpectFail(std::initializer_list<Step> steps) {
    for (const Step& step : steps) {
      const Result<json::Value> arguments = json::Parse(step.arguments);
      ASSERT_TRUE(arguments) << step.arguments << ": " << arguments.error();
      ExpectFailsWithoutTrace(step.command, *arguments->AsObject(), step.error);
    }
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

TEST_F(ProbeGuestFailedStep, BackEndCannotBeMade) {
  ExpectFail({
      {"blockdev-add", R"({"driver": "file", "node-name": "it", "filename": "/nonexistent/x"})",
       "Could not open '/nonexistent/x': No such file or directory"},
      // The node below was there for a moment.
      {"blockdev-add",
       R"({"driver": "raw", "node-name": "it", "offset": 1048576,
           "file": {"driver": "null-co", "node-name": "below", "size": 4096}})",
       "Offset (1048576) cannot be greater than size of the containing file (4096)"},
      {"chardev-add",
       R"({"id": "it", "backend": {"type": "file", "data": {"out": "/nonexistent/x"}}})",
       "Failed to add chardev 'it': Could not open '/nonexistent/x': No such file or directory"},
      {"chardev-add",
       R"({"id": "it", "backend": {"type": "socket", "data": {
           "addr": {"type": "unix", "data": {"path": "/nonexistent/x"}}}}})",
       "Failed to add chardev 'it': Failed to bind socket to /nonexistent/x: No such file or "
       "directory"},
      // The user's network was there for a moment.
      {"netdev_add", R"({"type": "user", "id": "it", "hostfwd": [{"str": "tcp::70000-:80"}]})",
       "Invalid host forwarding rule 'tcp::70000-:80' (Bad host port)"},
      {"object-add",
       R"({"qom-type": "memory-backend-ram", "id": "it", "size": 4096, "policy": "bind",
           "host-nodes": [99]})",
       "cannot bind memory to host NUMA nodes: Invalid argument"},
      {"object-add", R"({"qom-type": "rng-random", "id": "it", "filename": "/nonexistent/x"})",
       "Could not open '/nonexistent/x': No such file or directory"},
      {"object-add", R"({"qom-type": "iothread", "id": "it", "poll-max-ns": -1})",
       "poll-max-ns value must be in range [0, 9223372036854775807]"},
  });
  ExpectFree("object-add", {{"qom-type", "iothread"}, {"id", "it"}});
  ExpectFree("blockdev-add", {{"driver", "null-co"}, {"node-name", "it"}});
  ExpectFree("blockdev-add", {{"driver", "null-co"}, {"node-name", "below"}});
  ExpectFree("netdev_add", {{"type", "user"}, {"id", "it"}});
}

TEST_F(ProbeGuestFailedStep, PlaceIsTakenOrUnfit) {
  ExpectFail({
      {"device_add", R"({"driver": "pcie-root-port", "id": "it", "bus": "free", "chassis": 1})",
       "Can't add chassis slot, error -16"},
      {"device_add", R"({"driver": "virtio-mem-pci", "id": "it", "bus": "free", "memdev": "m0"})",
       "'memdev' property specifies a busy memdev: m0"},
      {"device_add", R"({"driver": "virtserialport", "id": "it", "bus": "serial.0", "nr": 99})",
       "virtio-serial-bus: Out-of-range port id specified, max. allowed: 30"},
      {"device_add",
       R"({"driver": "virtio-blk-pci", "id": "it", "bus": "free", "drive": "n0",
           "logical_block_size": 1024, "physical_block_size": 512})",
       "logical_block_size > physical_block_size not supported"},
      {"device_add",
       R"({"driver": "virtio-net-pci", "id": "it", "bus": "free", "rx_queue_size": 3})",
       "Invalid rx_queue_size (= 3), must be a power of 2 between 256 and 1024."},
  });
  ExpectFree("device_add",
             {{"driver", "virtio-blk-pci"}, {"id", "it"}, {"bus", "free"}, {"drive", "n0"}});
}

}  // namespace
}  // namespace davit::testing
