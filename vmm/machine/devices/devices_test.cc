// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices on a board: where they go, what is refused, what is left when they are gone.
#include <gtest/gtest.h>

#include <utility>
#include <variant>

#include "vmm/machine/devices/devices_fixture.h"

namespace davit::machine {
namespace {

TEST_F(DevicesTest, TheLastFreeSlotIsTakenFirst) {
  EXPECT_EQ(DeviceId(kSlot0), 0U);
  EXPECT_EQ(DeviceId(kSlot1), 0U);
  EXPECT_EQ(ErrorOf(Rng("a")), "added");
  EXPECT_EQ(DeviceId(kSlot0), 0U);
  EXPECT_EQ(DeviceId(kSlot1), virtio::kIdRng);
  EXPECT_EQ(ErrorOf(Rng("b")), "added");
  EXPECT_EQ(DeviceId(kSlot0), virtio::kIdRng);
  EXPECT_EQ(ErrorOf(Rng("c")), "No 'virtio-bus' bus found for device 'virtio-rng-device'");
}

TEST_F(DevicesTest, ASlotIsTakenByName) {
  EXPECT_EQ(ErrorOf(Rng("a", "virtio-mmio-bus.0")), "added");
  EXPECT_EQ(DeviceId(kSlot0), virtio::kIdRng);
  EXPECT_EQ(DeviceId(kSlot1), 0U);
  EXPECT_EQ(ErrorOf(Rng("b", "virtio-mmio-bus.0")), "Bus 'virtio-mmio-bus.0' is full");
}

TEST_F(DevicesTest, ABalloonsSizesAreOneEventUntilItIsServed) {
  control::DeviceSpec spec = Rng("b", "virtio-mmio-bus.0");
  spec.driver = "virtio-balloon-device";
  for (const char* name :
       {"deflate-on-oom", "free-page-hint", "free-page-reporting", "page-poison"}) {
    spec.properties.push_back({name, {false}});
  }
  ASSERT_EQ(ErrorOf(spec), "added");
  const auto write_actual = [&](uint8_t pages) {
    const std::array<uint8_t, 4> bytes{pages};
    EXPECT_TRUE(mmio_.Write(kSlot0 + 0x104, bytes));
  };
  for (uint8_t pages = 1; pages < 100; ++pages) write_actual(pages);
  accel_.loop.RunPosted();
  EXPECT_EQ(events_.size(), 1U);
  write_actual(1);
  accel_.loop.RunPosted();
  EXPECT_EQ(events_.size(), 2U);
}

TEST_F(DevicesTest, MistakesAreWordedAsQemus) {
  EXPECT_EQ(ErrorOf(Rng("a", "nope")), "Bus 'nope' not found");
  EXPECT_EQ(ErrorOf(Rng("a", "isa.0")), "Device 'virtio-rng-device' can't go on ISA bus");
  control::DeviceSpec spec = Rng("a");
  spec.driver = "virtio-rng-pci";
  EXPECT_EQ(ErrorOf(spec), "No 'PCI' bus found for device 'virtio-rng-pci'");
  spec.driver = "xyz";
  EXPECT_EQ(ErrorOf(spec), "'xyz' is not a valid device model name");
  spec = Rng("a");
  Set(spec, "period", {uint64_t{0}});
  EXPECT_EQ(ErrorOf(spec), "'period' parameter expects a positive integer");
  Set(spec, "period", {uint64_t{1}});
  Set(spec, "max-bytes", {~uint64_t{0}});
  EXPECT_EQ(ErrorOf(spec), "'max-bytes' parameter must be non-negative, and less than 2^63");
  EXPECT_EQ(DeviceId(kSlot0), 0U);
  EXPECT_EQ(DeviceId(kSlot1), 0U);
  EXPECT_EQ(ErrorOf(Rng("a")), "added");
  EXPECT_EQ(ErrorOf(Rng("a")), "Duplicate device ID 'a'");
}

TEST_F(DevicesTest, TheSourceIsAnObjectOfItsType) {
  control::DeviceSpec spec = Rng("a");
  spec.properties.push_back({"rng", {std::string("r")}});
  EXPECT_EQ(ErrorOf(spec), "Device 'r' not found");
  ASSERT_TRUE(objects_.Add({"memory-backend-ram", "r", {{"size", {uint64_t{4096}}}}}));
  EXPECT_EQ(ErrorOf(spec), "Invalid parameter type for 'rng', expected: rng-backend");
  ASSERT_TRUE(objects_.Remove("r"));
  ASSERT_TRUE(objects_.Add({"rng-builtin", "r", {}}));
  EXPECT_EQ(ErrorOf(spec), "added");
  EXPECT_TRUE(objects_.Remove("r"));  // as in QEMU: the device keeps it alive
}

TEST_F(DevicesTest, AnIoThreadInUseCannotGo) {
  control::DeviceSpec spec = Rng("a");
  spec.properties.push_back({"iothread", {std::string("io")}});
  EXPECT_EQ(ErrorOf(spec), "Device 'io' not found");
  ASSERT_TRUE(objects_.Add({"iothread", "io", {}}));
  EXPECT_EQ(ErrorOf(spec), "added");
  const Status removed = objects_.Remove("io");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().message, "object 'io' is in use, can not be deleted");
  devices_.reset();
  EXPECT_TRUE(objects_.Remove("io"));
}

TEST_F(DevicesTest, NothingIsLeftOnTheBus) {
  ASSERT_TRUE(devices_->Add(Rng("a")));
  EXPECT_EQ(mmio_.claims().size(), 2U);
  devices_.reset();
  EXPECT_TRUE(mmio_.claims().empty());
}

TEST_F(DevicesTest, TreeShowsSlotsFromTheLastWithTheirDevices) {
  ASSERT_TRUE(devices_->Add(Rng("a")));
  control::QtreeNode::Bus system{"main-system-bus", "System", {}};
  system.devices.resize(1);
  system.devices[0].type = "acpi-ged-x86";
  devices_->Describe(system);
  ASSERT_EQ(system.devices.size(), 3U);
  EXPECT_EQ(system.devices[1].type, "virtio-mmio");
  const control::QtreeNode::Bus& bus = system.devices[1].buses.at(0);
  EXPECT_EQ(bus.name, "virtio-mmio-bus.1");
  ASSERT_EQ(bus.devices.size(), 1U);
  EXPECT_EQ(bus.devices[0].id, "a");
  EXPECT_EQ(bus.devices[0].properties[3].second, "1000 (0x3e8)");
  EXPECT_TRUE(system.devices[2].buses.at(0).devices.empty());
}

TEST_F(PciDevicesTest, DevicesGoWhereTheyAreToldOrToTheFirstFreeSlot) {
  EXPECT_EQ(ErrorOf(PciRng("a", 9 * 8)), "added");
  EXPECT_EQ(ErrorOf(PciRng("b")), "added");
  EXPECT_EQ(ErrorOf(PciRng("c", -1, "pcie.0")), "added");
  EXPECT_EQ(Where("a"), "pcie.0 72");
  EXPECT_EQ(Where("b"), "pcie.0 0");
  EXPECT_EQ(Where("c"), "pcie.0 8");
  // The property tells the place that it got.
  for (const auto& [id, place] : {std::pair("a", 72), {"b", 0}, {"c", 8}}) {
    const auto addr = ReadProperty(Tree(), id, "addr");
    ASSERT_TRUE(addr && *addr);
    EXPECT_EQ(std::get<int64_t>((*addr)->value), place) << id;
  }
  devices_.reset();
  EXPECT_EQ(Where("a"), "nowhere");
}

TEST_F(PciDevicesTest, APortHasABusOfItsName) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(ErrorOf(Port("", 2)), "added");
  EXPECT_EQ(ErrorOf(PciRng("a", 0, "rp")), "added");
  EXPECT_EQ(ErrorOf(PciRng("b", 0, "pcie.1")), "added");
  EXPECT_EQ(Where("a"), "rp 0");
  EXPECT_EQ(Where("b"), "pcie.1 0");

  control::QtreeNode::Bus root{"pcie.0", "PCIE", {}};
  devices_->Describe(root);
  ASSERT_EQ(root.devices.size(), 2U);
  EXPECT_EQ(root.devices[1].id, "rp");
  ASSERT_EQ(root.devices[1].buses.size(), 1U);
  ASSERT_EQ(root.devices[1].buses[0].devices.size(), 1U);
  EXPECT_EQ(root.devices[1].buses[0].devices[0].id, "a");
}

TEST_F(PciDevicesTest, TreeShowsAVirtioCardAsAFunctionAndADevice) {
  ASSERT_EQ(ErrorOf(PciRng("a", 16)), "added");
  control::QtreeNode::Bus root{"pcie.0", "PCIE", {}};
  devices_->Describe(root);
  ASSERT_EQ(root.devices.size(), 1U);
  const control::QtreeNode& card = root.devices[0];
  const auto value = [](const control::QtreeNode& node, std::string_view name) {
    for (const auto& [key, printed] : node.properties) {
      if (key == name) return printed;
    }
    return std::string("none");
  };
  EXPECT_EQ(value(card, "addr"), "02.0");
  EXPECT_EQ(value(card, "vectors"), "2 (0x2)") << "what it has, for what was left to it";
  EXPECT_EQ(value(card, "packed"), "none");
  EXPECT_EQ(card.lines, (std::vector<std::string>{
                            "class Class 00ff, addr 00:02.0, pci id 1af4:1044 (sub 1af4:1100)",
                            "bar 1: mem at 0xffffffffffffffff [0xffe]",
                            "bar 2: i/o at 0xffffffffffffffff [0x2]",
                            "bar 4: mem at 0xffffffffffffffff [0x3ffe]"}));
  ASSERT_EQ(card.buses.size(), 1U);
  EXPECT_EQ(card.buses[0].type, "virtio-pci-bus");
  ASSERT_EQ(card.buses[0].devices.size(), 1U);
  EXPECT_EQ(card.buses[0].devices[0].type, "virtio-rng-device");
  EXPECT_EQ(value(card.buses[0].devices[0], "packed"), "false");
}

TEST_F(PciDevicesTest, DevicesStandInTheTreeOfObjects) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", 0, "rp")), "added");
  ASSERT_EQ(ErrorOf(PciRng("")), "added");
  const QomNode root = Tree();
  const auto read = [&root](const std::string& path, const std::string& property) {
    const auto value = ReadProperty(root, path, property);
    if (!value) return value.error().message;
    if (!*value) return std::string("none");
    if (const bool* flag = std::get_if<bool>(&(*value)->value))
      return std::string(*flag ? "on" : "off");
    const auto* text = std::get_if<std::string>(&(*value)->value);
    return text != nullptr ? *text : std::string("a number");
  };
  EXPECT_EQ(read("/machine/peripheral/a", "type"), "virtio-rng-pci");
  EXPECT_EQ(read("/machine/peripheral/a", "parent_bus"), "/machine/peripheral/rp/rp");
  EXPECT_EQ(read("/machine/peripheral/a", "hotpluggable"), "on");
  EXPECT_EQ(read("/machine/peripheral/a/virtio-backend", "type"), "virtio-rng-device");
  EXPECT_EQ(read("/machine/peripheral/a/virtio-backend", "parent_bus"),
            "/machine/peripheral/a/virtio-bus");
  EXPECT_EQ(read("/machine/peripheral/a/virtio-backend", "packed"), "off");
  EXPECT_EQ(read("/machine/peripheral-anon/device[0]", "parent_bus"), "/machine/q35/pcie.0");
  EXPECT_EQ(read("/machine/peripheral-anon/device[0]", "hotpluggable"), "off");
  EXPECT_EQ(read("/machine/peripheral-anon/device[0]", "nope"), "none");
  const Status status = WriteProperty(root, "a", "packed", {true});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "Property 'virtio-rng-pci.packed' not found");
}

TEST_F(PciDevicesTest, MistakesAreWordedAsQemus) {
  EXPECT_EQ(ErrorOf(PciRng("a", -1, "nope")), "Bus 'nope' not found");
  EXPECT_EQ(ErrorOf(PciRng("a", -1, "isa.0")), "Device 'virtio-rng-pci' can't go on ISA bus");
  EXPECT_EQ(ErrorOf(Rng("a")), "No 'virtio-bus' bus found for device 'virtio-rng-device'");
  EXPECT_EQ(ErrorOf(Rng("a", "pcie.0")), "Device 'virtio-rng-device' can't go on PCIE bus");
  ASSERT_EQ(ErrorOf(PciRng("a", 8)), "added");
  EXPECT_EQ(ErrorOf(PciRng("b", 8)),
            "PCI: slot 1 function 0 not available for virtio-rng-pci, in use by "
            "virtio-rng-pci,id=a");
  EXPECT_EQ(Where("b"), "nowhere");
  EXPECT_EQ(ErrorOf(PciRng("b", 16)), "added");
}

TEST_F(PciDevicesTest, LegacyIsRefused) {
  control::DeviceSpec spec = PciRng("a");
  Set(spec, "disable-modern", {true});
  EXPECT_EQ(ErrorOf(spec),
            "device cannot work as neither modern nor legacy mode is enabled\n"
            "Set either disable-modern or disable-legacy to off");
  Set(spec, "disable-legacy", {std::string("off")});
  EXPECT_EQ(ErrorOf(spec), "the legacy interface of virtio is not supported");
  Set(spec, "disable-modern", {false});
  EXPECT_EQ(ErrorOf(spec), "the legacy interface of virtio is not supported");
  Set(spec, "disable-legacy", {std::string("on")});
  EXPECT_EQ(ErrorOf(spec), "added");
}
}  // namespace
}  // namespace davit::machine
