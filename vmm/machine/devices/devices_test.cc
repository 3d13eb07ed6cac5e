// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices on a board with two virtio-mmio slots: where they go, what is refused, what is left when
// they are gone.
#include "vmm/machine/devices/devices.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "vmm/bus/testing/registers.h"
#include "vmm/devices/acpi_pci_hotplug.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"
#include "vmm/irq/recording_msi.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/object_tree.h"
#include "vmm/pci/express.h"
#include "vmm/pci/host_bridge.h"
#include "vmm/pci/intx_lines.h"

namespace davit::machine {
namespace {

class NoDoorbells final : public bus::DoorbellHost {
 public:
  Status Bind(const bus::Doorbell&, int) override { return Fail("no doorbells"); }
  void Unbind(const bus::Doorbell&, int) override {}
};

class TestAccel final : public Accel {
 public:
  irq::IrqLine& Line(uint32_t gsi) override { return lines_.at(gsi); }
  devices::Ioapic* ioapic() override { return nullptr; }
  irq::MsiController& msi() override { return msi_; }
  bus::DoorbellHost& doorbells() override { return doorbells_; }
  io::EventLoop& device_loop() override { return loop; }
  kvm::Vm* kvm() override { return nullptr; }

  io::FakeEventLoop loop;

 private:
  std::array<irq::RecordingIrqLine, 24> lines_;
  irq::RecordingMsi msi_;
  NoDoorbells doorbells_;
};

constexpr uint64_t kSlot0 = 0xfeb00000;
constexpr uint64_t kSlot1 = 0xfeb00200;

void Set(control::DeviceSpec& spec, std::string_view name, control::PropertyValue value) {
  for (auto& [key, have] : spec.properties) {
    if (key == name) have = value;
  }
}

class DevicesTest : public testing::Test {
 protected:
  DevicesTest() {
    BoardBuses buses;
    buses.mmio = &mmio_;
    buses.virtio_mmio = {{kSlot0, 16}, {kSlot1, 17}};
    buses.others = {{"isa.0", "ISA"}};
    devices_.emplace(
        DeviceContext{.accel = accel_,
                      .loop = accel_.loop,
                      .memory = memory_,
                      .objects = objects_,
                      .emit = [this](const control::Event& event) { events_.push_back(event); }},
        buses);
    EXPECT_TRUE(devices_->Init());
  }

  static control::DeviceSpec Rng(std::string id, std::string bus = "") {
    return {"virtio-rng-device",
            std::move(id),
            std::move(bus),
            {{"event_idx", {true}},
             {"in_order", {false}},
             {"indirect_desc", {true}},
             {"max-bytes", {uint64_t{1000}}},
             {"packed", {false}},
             {"period", {uint64_t{10}}},
             {"queue_reset", {true}}}};
  }
  std::string ErrorOf(const control::DeviceSpec& spec) {
    const Status added = devices_->Add(spec);
    return added ? "added" : added.error().message;
  }
  uint32_t DeviceId(uint64_t slot) {
    std::array<uint8_t, 4> bytes{};
    EXPECT_TRUE(mmio_.Read(slot + 8, bytes));
    return bytes[0];
  }

  TestAccel accel_;
  std::vector<control::Event> events_;
  bus::Bus mmio_{"MMIO"};
  memory::LiveMemory memory_;
  ObjectTree objects_{{}, {&accel_.loop, nullptr}};
  std::optional<Devices> devices_;
};

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

class PciDevicesTest : public DevicesTest {
 protected:
  explicit PciDevicesTest(devices::AcpiPciHotplug* acpi_slots = nullptr) {
    devices_.reset();
    BoardBuses buses;
    buses.mmio = &mmio_;
    buses.pci = &host_;
    buses.pci_object = "q35";
    buses.acpi_slots = acpi_slots;
    buses.others = {{"isa.0", "ISA"}};
    devices_.emplace(DeviceContext{.accel = accel_,
                                   .loop = accel_.loop,
                                   .memory = memory_,
                                   .objects = objects_,
                                   .emit = [this](const control::Event& event) { Heard(event); }},
                     buses);
    EXPECT_TRUE(devices_->Init());
  }
  ~PciDevicesTest() override { devices_.reset(); }

  static control::DeviceSpec PciRng(std::string id, int64_t addr = -1, std::string bus = "") {
    control::DeviceSpec spec = Rng(std::move(id), std::move(bus));
    spec.driver = "virtio-rng-pci";
    spec.properties.insert(spec.properties.end(), {{"addr", {addr}},
                                                   {"multifunction", {false}},
                                                   {"disable-legacy", {std::string("auto")}},
                                                   {"disable-modern", {false}},
                                                   {"ioeventfd", {true}},
                                                   {"vectors", {uint64_t{UINT32_MAX}}}});
    return spec;
  }
  static control::DeviceSpec Port(std::string id, uint64_t slot) {
    return {"pcie-root-port",
            std::move(id),
            "",
            {{"addr", {int64_t{-1}}},
             {"multifunction", {false}},
             {"chassis", {uint64_t{0}}},
             {"hotplug", {true}},
             {"port", {uint64_t{0}}},
             {"power_controller_present", {true}},
             {"slot", {slot}}}};
  }
  QomNode Tree() const {
    QomNode root{.name = "", .type = "container"};
    devices_->AddTo(root.Add({.name = "machine", .type = "m"}));
    return root;
  }
  void Heard(const control::Event& event) {
    if (const auto* gone = std::get_if<control::DeviceDeletedEvent>(&event)) {
      gone_ += "[" + gone->id + "]" + gone->path + " ";
    }
  }
  // What was deleted since the last call.
  std::string TakeGone() {
    while (accel_.loop.RunPosted()) {
    }
    return std::exchange(gone_, "");
  }
  std::string HotAdd(const control::DeviceSpec& spec) {
    const Status added = devices_->HotAdd(spec);
    return added ? "added" : added.error().message;
  }
  std::string Unplug(const std::string& id) {
    const Status asked = devices_->Unplug(id);
    return asked ? "asked" : asked.error().message;
  }
  // The guest's write to the slot control of the port at root-bus device `slot`.
  void WriteSlotControl(uint8_t slot, uint16_t value) {
    const std::array<uint8_t, 2> data{static_cast<uint8_t>(value),
                                      static_cast<uint8_t>(value >> 8)};
    host_.Write(0, pci::Devfn(slot, 0), 0x54 + pci::kExpressSlotControl, data);
  }
  std::string Where(std::string_view id) {
    const pci::Function* function = host_.FindFunction(id);
    if (function == nullptr) return "nowhere";
    return function->bus()->name() + " " + std::to_string(function->devfn());
  }

  std::string gone_;
  bus::Bus ports_{"I/O port"};
  irq::RecordingMsi msi_;
  irq::RecordingIrqLine line_;
  pci::IntxLines intx_{{&line_}, [](uint8_t, uint8_t) { return 0u; }};
  pci::HostBridge host_{{ports_, mmio_, msi_, intx_, {}}, "pcie.0"};
};

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

constexpr uint16_t kSlotOn = 0x01c0, kSlotBlinking = 0x02c0, kSlotOff = 0x07c0;

TEST_F(PciDevicesTest, ADeviceGoesWhenTheGuestSwitchesItsSlotOff) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  WriteSlotControl(0, kSlotOn);
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  EXPECT_EQ(Where("a"), "rp 0");
  EXPECT_EQ(Unplug("a"), "asked");
  EXPECT_EQ(Where("a"), "rp 0");
  EXPECT_EQ(Unplug("a"), "Device a is already in the process of unplug");
  EXPECT_EQ(TakeGone(), "");
  WriteSlotControl(0, kSlotBlinking);
  WriteSlotControl(0, kSlotOff);
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a ");
  EXPECT_EQ(Where("a"), "nowhere");
  EXPECT_EQ(Unplug("a"), "Device 'a' not found");
  // Everything is free again.
  EXPECT_EQ(HotAdd(PciRng("a", 0, "rp")), "added");
}

TEST_F(PciDevicesTest, ASlotThatIsOffGivesItsDeviceAtOnce) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  WriteSlotControl(0, kSlotOff);
  ASSERT_EQ(HotAdd(PciRng("", -1, "rp")), "added");
  EXPECT_EQ(Unplug("/machine/peripheral-anon/device[0]"), "asked");
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral-anon/device[0]/virtio-backend "
            "[]/machine/peripheral-anon/device[0] ");
  // Its number is not given again.
  ASSERT_EQ(HotAdd(PciRng("", -1, "rp")), "added");
  EXPECT_EQ(Unplug("/machine/peripheral-anon/device[0]"),
            "Device '/machine/peripheral-anon/device[0]' not found");
}

TEST_F(PciDevicesTest, AResetTakesWhatTheGuestDidNotGive) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", -1, "rp")), "added");
  ASSERT_EQ(ErrorOf(Port("other", 2)), "added");
  ASSERT_EQ(ErrorOf(PciRng("b", -1, "other")), "added");
  EXPECT_EQ(Unplug("a"), "asked");
  devices_->Reset();
  host_.Reset();
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a ");
  EXPECT_EQ(Where("b"), "other 0");
}

TEST_F(PciDevicesTest, PortThatIsLetGoTakesAlongWhatIsBehindIt) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  control::DeviceSpec inner = Port("inner", 2);
  inner.bus = "rp";
  ASSERT_EQ(ErrorOf(inner), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", -1, "inner")), "added");
  WriteSlotControl(0, kSlotOn);
  WriteSlotControl(0, kSlotOff);
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a "
            "[inner]/machine/peripheral/inner ");
  EXPECT_EQ(Where("a"), "nowhere");
  EXPECT_EQ(Where("inner"), "nowhere");
}

TEST_F(PciDevicesTest, CardThatComesAfterTheSlotWasEmptiedStays) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  WriteSlotControl(0, kSlotOn);
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  WriteSlotControl(0, kSlotOff);
  // The client is faster than what the guest's write has posted.
  ASSERT_EQ(Unplug("a"), "asked");
  ASSERT_EQ(HotAdd(PciRng("b", -1, "rp")), "added");
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a ");
  EXPECT_EQ(Where("b"), "rp 0");
}

struct AcpiSlots {
  int asked = 0;
  devices::AcpiPciHotplug registers{[this] { ++asked; }};
};

class AcpiPciDevicesTest : private AcpiSlots, public PciDevicesTest {
 protected:
  AcpiPciDevicesTest() : PciDevicesTest(&registers) {}
  uint64_t Leaving() { return bus::testing::Load(registers, 0x04, 4); }
  void Eject(uint32_t slot = 0) { bus::testing::Store(registers, 0x08, 4, uint32_t{1} << slot); }
};

TEST_F(AcpiPciDevicesTest, SlotThatIsNotThereEjectsNothing) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  Eject(5);
  EXPECT_EQ(TakeGone(), "");
  EXPECT_EQ(Where("a"), "rp 0");
}

// The client is faster than what the guest's ejection has posted.
TEST_F(AcpiPciDevicesTest, CardThatWasEjectedIsOutBeforeTheNext) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  Eject();
  ASSERT_EQ(Unplug("a"), "asked");
  EXPECT_EQ(Leaving(), 0u) << "it has gone: the guest is not asked for the next";
  EXPECT_EQ(Where("a"), "nowhere");
  ASSERT_EQ(HotAdd(PciRng("b", -1, "rp")), "added");
  Eject();
  // Not one of the slot that is let go.
  ASSERT_EQ(HotAdd(PciRng("c", 0, "rp")), "added");
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a "
            "[]/machine/peripheral/b/virtio-backend [b]/machine/peripheral/b ");
  EXPECT_EQ(Where("c"), "rp 0");
}

TEST_F(PciDevicesTest, FunctionsOfASlotGoTogether) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  WriteSlotControl(0, kSlotOff);
  ASSERT_EQ(HotAdd(PciRng("f1", 1, "rp")), "added");
  ASSERT_EQ(HotAdd(PciRng("f2", 2, "rp")), "added");
  // Without function 0 none has a bond with the others.
  EXPECT_EQ(Unplug("f1"), "asked");
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/f1/virtio-backend [f1]/machine/peripheral/f1 ");
  EXPECT_EQ(HotAdd(PciRng("f0", 0, "rp")),
            "PCI: 0.0 indicates single function, but 0.2 is already populated.");
  control::DeviceSpec first = PciRng("f0", 0, "rp");
  Set(first, "multifunction", {true});
  ASSERT_EQ(HotAdd(first), "added");
  EXPECT_EQ(HotAdd(PciRng("f3", 3, "rp")),
            "PCI: slot 0 function 0 already occupied by virtio-rng-pci, new func virtio-rng-pci "
            "cannot be exposed to guest.");
  EXPECT_EQ(Unplug("f2"), "asked");
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral/f0/virtio-backend [f0]/machine/peripheral/f0 "
            "[]/machine/peripheral/f2/virtio-backend [f2]/machine/peripheral/f2 ");
}

TEST_F(PciDevicesTest, PlacesWithoutHotPlugRefuse) {
  control::DeviceSpec fixed = Port("fixed", 1);
  Set(fixed, "hotplug", {false});
  ASSERT_EQ(ErrorOf(fixed), "added");
  ASSERT_EQ(ErrorOf(Port("rp", 2)), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", -1, "fixed")), "added");
  EXPECT_EQ(HotAdd(PciRng("b")), "Bus 'pcie.0' does not support hotplugging");
  EXPECT_EQ(HotAdd(PciRng("b", 1, "fixed")),
            "Hot-plug failed: unsupported by the port device 'fixed'");
  EXPECT_EQ(Unplug("a"), "Hot-unplug failed: unsupported by the port device 'fixed'");
  EXPECT_EQ(Unplug("rp"), "Bus 'pcie.0' does not support hotplugging");
  EXPECT_EQ(Unplug(""), "Device '' not found");
  EXPECT_EQ(Where("b"), "nowhere");
  EXPECT_EQ(HotAdd(PciRng("b", -1, "rp")), "added");
  WriteSlotControl(1, kSlotBlinking);
  EXPECT_EQ(Unplug("b"), "Hot-unplug failed: guest is busy (power indicator blinking)");
}

TEST_F(DevicesTest, SlotsOfMicrovmAreForTheStartAlone) {
  ASSERT_EQ(ErrorOf(Rng("a")), "added");
  EXPECT_EQ(devices_->HotAdd(Rng("b")).error().message,
            "Bus 'virtio-mmio-bus.0' does not support hotplugging");
  EXPECT_EQ(devices_->Unplug("a").error().message,
            "Bus 'virtio-mmio-bus.1' does not support hotplugging");
}

}  // namespace
}  // namespace davit::machine
