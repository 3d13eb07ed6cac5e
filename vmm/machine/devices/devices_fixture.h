// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tests of Devices share: a board with two virtio-mmio slots, and one with PCI whose slots
// are native or ACPI's; the test plays the guest. Owner: the thread of the test.
#pragma once

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
#include "vmm/machine/devices/devices.h"
#include "vmm/machine/object_tree.h"
#include "vmm/pci/express.h"
#include "vmm/pci/host_bridge.h"
#include "vmm/pci/intx_lines.h"

namespace davit::machine {

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

inline constexpr uint64_t kSlot0 = 0xfeb00000;
inline constexpr uint64_t kSlot1 = 0xfeb00200;

inline void Set(control::DeviceSpec& spec, std::string_view name, control::PropertyValue value) {
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
  static control::DeviceSpec Port(std::string id, uint64_t slot, std::string bus = "") {
    return {"pcie-root-port",
            std::move(id),
            std::move(bus),
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

struct AcpiSlots {
  int asked = 0;
  devices::AcpiPciHotplug registers{[this] { ++asked; }};
};

class AcpiPciDevicesTest : protected AcpiSlots, public PciDevicesTest {
 protected:
  AcpiPciDevicesTest() : PciDevicesTest(&registers) {}
  uint64_t Leaving() { return bus::testing::Load(registers, 0x04, 4); }
  void Eject(uint32_t slot = 0) { bus::testing::Store(registers, 0x08, 4, uint32_t{1} << slot); }
};

}  // namespace davit::machine
