// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices in the life of a VM: made with the machine, taken away with what failed, kept over reset
// and stop.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/guest/probe/image.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/kvm/fake.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/vm_fixture.h"

namespace davit::machine {
namespace {

class VmDevicesTest : public testing::Test {
 protected:
  VmDevicesTest() {
    config_.type = "microvm";
    config_.kernel = ProbeGuestImage();
    config_.memory.size = uint64_t{64} << 20;
  }

  static DeviceConfig Rng(const std::string& id, const std::string& source) {
    return {"-device rng",
            {"virtio-rng-device",
             id,
             "",
             {{"event_idx", {true}},
              {"in_order", {false}},
              {"indirect_desc", {true}},
              {"max-bytes", {uint64_t{1000}}},
              {"packed", {false}},
              {"period", {uint64_t{10}}},
              {"queue_reset", {true}},
              {"rng", {source}}}}};
  }
  Result<std::unique_ptr<control::VmControl>> Create() {
    return Vm::Create(config_, Deps{loop_, sink_, nullptr, {}, &kvm_});
  }
  // The guest's device tree as bytes.
  static std::string DeviceTree(control::VmControl& vm) {
    const std::string path = testing::TempDir() + "/guest.dtb";
    EXPECT_TRUE(vm.DumpDtb(path));
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return bytes.str();
  }
  static size_t Count(const control::QtreeNode::Bus& bus, std::string_view type) {
    size_t n = 0;
    for (const control::QtreeNode& node : bus.devices) {
      n += node.type == type;
      for (const control::QtreeNode::Bus& inner : node.buses) n += Count(inner, type);
    }
    return n;
  }

  io::FakeEventLoop loop_;
  kvm::FakeSystem kvm_;
  RecordingSink sink_;
  MachineConfig config_;
};

TEST_F(VmDevicesTest, ADeviceThatFailsNamesItsOption) {
  config_.devices = {Rng("a", "nope")};
  const auto vm = Create();
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().message, "-device rng: Device 'nope' not found");
}

TEST_F(VmDevicesTest, AFailedExitOfPreconfigLeavesRoomForTheNext) {
  config_.preconfig = true;
  config_.objects = {{"rng-builtin", "good", {}}};
  config_.devices = {Rng("a", "good"), Rng("b", "nope")};
  auto vm = Create();
  ASSERT_TRUE(vm) << vm.error();
  for (int i = 0; i < 2; ++i) {
    const Status status = (*vm)->ExitPreconfig();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message, "-device rng: Device 'nope' not found");
    EXPECT_EQ(Count((*vm)->Qtree(), "virtio-rng-device"), 0U);
  }
  ASSERT_TRUE((*vm)->ObjectAdd({"rng-builtin", "nope", {}}));
  ASSERT_TRUE((*vm)->ExitPreconfig());
  EXPECT_EQ(Count((*vm)->Qtree(), "virtio-rng-device"), 2U);
}

TEST_F(VmDevicesTest, DevicesStayOverResetAndStop) {
  config_.objects = {{"rng-builtin", "good", {}}};
  config_.devices = {Rng("a", "good")};
  auto vm = Create();
  ASSERT_TRUE(vm) << vm.error();
  loop_.RunPosted();
  ASSERT_TRUE((*vm)->Stop());
  ASSERT_TRUE((*vm)->SystemReset());
  loop_.RunPosted();
  ASSERT_TRUE((*vm)->Cont());
  EXPECT_EQ(Count((*vm)->Qtree(), "virtio-rng-device"), 1U);
}

TEST_F(VmDevicesTest, TheDeviceTreeSaysWhichSlotsHoldADevice) {
  config_.objects = {{"rng-builtin", "good", {}}};
  const auto disabled = [&] {
    auto vm = Create();
    EXPECT_TRUE(vm) << vm.error();
    const std::string tree = vm ? DeviceTree(**vm) : "";
    size_t n = 0;
    for (size_t at = 0; (at = tree.find("disabled", at)) != std::string::npos; ++at) ++n;
    return n;
  };
  EXPECT_EQ(disabled(), 8U);
  config_.devices = {Rng("a", "good"), Rng("b", "good")};
  EXPECT_EQ(disabled(), 6U);
}

// Linux has no other way to find them then.
TEST_F(VmDevicesTest, WithoutAcpiTheCommandLineNamesTheSlots) {
  config_.objects = {{"rng-builtin", "good", {}}};
  config_.devices = {Rng("a", "good"), Rng("b", "good")};
  config_.append = "quiet";
  config_.machine_properties = {{"acpi", "off"}};
  auto vm = Create();
  ASSERT_TRUE(vm) << vm.error();
  const std::string added =
      "quiet virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11";
  EXPECT_NE(DeviceTree(**vm).find(added), std::string::npos);

  config_.machine_properties = {{"acpi", "off"}, {"auto-kernel-cmdline", "off"}};
  auto plain = Create();
  ASSERT_TRUE(plain) << plain.error();
  EXPECT_EQ(DeviceTree(**plain).find("virtio_mmio.device"), std::string::npos);

  config_.machine_properties = {};
  auto acpi = Create();
  ASSERT_TRUE(acpi) << acpi.error();
  EXPECT_EQ(DeviceTree(**acpi).find("virtio_mmio.device"), std::string::npos);
}

TEST_F(VmDevicesTest, ADimmThatKvmRefusesLeavesNoTrace) {
  config_.type = "q35";
  config_.memory.slots = 1;
  config_.memory.maxmem = uint64_t{1} << 30;
  auto vm = Create();
  ASSERT_TRUE(vm) << vm.error();
  loop_.RunPosted();
  constexpr uint64_t kSize = uint64_t{2} << 20;
  ASSERT_TRUE((*vm)->ObjectAdd({"memory-backend-ram", "m0", {{"size", {kSize}}}}));
  const control::DeviceSpec dimm{"pc-dimm",
                                 "d0",
                                 "",
                                 {{"addr", {uint64_t{0}}},
                                  {"memdev", {std::string("m0")}},
                                  {"node", {uint64_t{0}}},
                                  {"slot", {int64_t{-1}}}}};
  kvm_.vm->fail_call = "SetMemorySlot";
  EXPECT_FALSE((*vm)->DeviceAdd(dimm));
  EXPECT_TRUE((*vm)->MemoryDevices().empty());
  EXPECT_EQ((*vm)->MemorySize().plugged_memory, 0U);
  kvm_.vm->fail_call.clear();
  kvm_.vm->caps[kvm::Cap::kNrMemslots] = 1;
  const Status full = (*vm)->DeviceAdd(dimm);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message, "hypervisor has no free memory slots left");
  // Id, slot, address and backend are free.
  kvm_.vm->caps[kvm::Cap::kNrMemslots] = 2;
  ASSERT_TRUE((*vm)->DeviceAdd(dimm));
  EXPECT_EQ(kvm_.vm->slots.back().gpa, uint64_t{4} << 30);
  EXPECT_EQ(kvm_.vm->slots.back().size, kSize);
  EXPECT_EQ((*vm)->MemorySize().plugged_memory, kSize);
}

TEST_F(VmDevicesTest, AMachineWithoutBusesTakesNone) {
  config_.type = "none";
  config_.kernel = {};
  config_.devices = {Rng("a", "x")};
  const auto vm = Create();
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().message,
            "-device rng: No 'virtio-bus' bus found for device 'virtio-rng-device'");
}

}  // namespace
}  // namespace davit::machine
