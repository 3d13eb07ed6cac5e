// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Root ports: registers as recorded from QEMU, windows, bus numbers, the slot.
#include "vmm/pci/root_port.h"

#include <gtest/gtest.h>

#include "vmm/pci/express.h"
#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/recorded_config.h"
#include "vmm/pci/testing/test_function.h"

namespace davit::pci {
namespace {

constexpr uint8_t kAt = Devfn(1, 0);
constexpr uint32_t kSlotControl = 0x54 + kExpressSlotControl;
constexpr uint32_t kSlotStatus = 0x54 + kExpressSlotStatus;

// Slot control, attention lamp off.
constexpr uint16_t kOn = 0x01c0, kBlinking = 0x02c0, kPowerOffLampOn = 0x05c0, kOff = 0x07c0;
constexpr uint16_t kButton = 0x01, kPresenceChanged = 0x08, kPresent = 0x40;

// A device with an Express capability, as the recorded ones.
class Endpoint final : public Function {
 public:
  Endpoint() : Function({.vendor = 1, .device = 2}, {.driver = "endpoint", .id = {}}) {
    MakeExpress(AddExpressEndpoint(config()));
  }
  int quick_resets = 0;

 protected:
  void OnFunctionLevelReset() override { ++quick_resets; }
};

class RootPortTest : public HostFixture {
 protected:
  RootPortTest()
      : port_({.bus_name = "rp",
               .chassis = 3,
               .slot = 5,
               .powered_off = [this](const Function*) { ++let_go_; }},
              host_) {
    EXPECT_TRUE(host_.root().Attach(port_, kAt));
    child_.With(0, BarKind::kMemory32, 0x1000).With(1, BarKind::kIo, 0x20);
  }
  ~RootPortTest() override {
    if (child_.bus()) port_.secondary().Detach(child_);
    host_.root().Detach(port_);
  }
  void PlugChild(bool hot = false) {
    ASSERT_TRUE(port_.secondary().Attach(child_, std::nullopt, hot));
  }
  uint32_t Status() { return ConfigLoad(0, kAt, kSlotStatus, 2); }
  void SetControl(uint16_t value) { ConfigStore(0, kAt, kSlotControl, value, 2); }
  void NumberBuses() { ConfigStore(0, kAt, kPrimaryBus, 0x00010100); }

  int let_go_ = 0;
  RootPort port_;
  TestFunction child_;
};

class RecordedPortTest : public HostFixture {
 protected:
  void Compare(const RootPortConfig& config, bool populated, const std::string& file) {
    RootPort port(config, host_);
    Endpoint child;
    ASSERT_TRUE(host_.root().Attach(port, kAt));
    if (populated) {
      ASSERT_TRUE(port.secondary().Attach(child, std::nullopt));
    }
    host_.Reset();
    const RecordedConfig qemu = LoadRecordedConfig("vmm/pci/testdata/" + file);
    const RecordedConfig ours = RecordConfig(host_, 0, kAt, 4096);
    EXPECT_EQ(Difference(ours.bytes, qemu.bytes), "");
    EXPECT_EQ(Difference(ours.writable, qemu.writable), "");
    if (populated) port.secondary().Detach(child);
    host_.root().Detach(port);
  }
};

TEST_F(RecordedPortTest, PopulatedPortIsQemus) {
  Compare({.bus_name = "rp", .chassis = 3, .slot = 5}, true, "root_port.hex");
}

TEST_F(RecordedPortTest, EmptyPortIsQemus) {
  Compare({.bus_name = "rp", .chassis = 3, .slot = 5}, false, "root_port_empty.hex");
}

TEST_F(RecordedPortTest, PlainPortIsQemus) {
  Compare({.bus_name = "rp", .chassis = 1, .port = 7, .hotplug = false, .power_controller = false},
          false, "root_port_plain.hex");
}

TEST_F(RootPortTest, ChassisAndSlotAreUnique) {
  RootPort same({.bus_name = "a", .chassis = 3, .slot = 5}, host_);
  EXPECT_EQ(host_.root().Attach(same, std::nullopt).error().message,
            "Can't add chassis slot, error -16");
  RootPort other({.bus_name = "b", .chassis = 3, .slot = 6}, host_);
  ASSERT_TRUE(host_.root().Attach(other, std::nullopt));
  host_.root().Detach(other);
}

TEST_F(RootPortTest, ChildAnswersUnderTheSecondaryNumberOnly) {
  PlugChild();
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0xffffffffu);
  NumberBuses();
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0x10f01af4u);
  EXPECT_EQ(ConfigLoad(2, 0, kVendorId), 0xffffffffu);
  ConfigStore(0, kAt, kPrimaryBus, 0x00404000);
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0xffffffffu);
  EXPECT_EQ(ConfigLoad(0x40, 0, kVendorId), 0x10f01af4u);
}

TEST_F(RootPortTest, WindowsGateTheBarsBehind) {
  PlugChild();
  NumberBuses();
  ConfigStore(1, 0, 0x10, 0xe0100000);
  ConfigStore(1, 0, 0x14, 0xc000);
  ConfigStore(1, 0, kCommand, kCommandMemory | kCommandIo, 2);
  ConfigStore(0, kAt, kCommand, kCommandMemory | kCommandIo, 2);
  EXPECT_FALSE(child_.Mapped(0));
  EXPECT_FALSE(child_.Mapped(1));
  ConfigStore(0, kAt, kMemoryBase, 0xe010e010);
  EXPECT_TRUE(child_.Mapped(0));
  ConfigStore(0, kAt, kIoBase, 0xc0c0, 2);
  EXPECT_TRUE(child_.Mapped(1));
  ConfigStore(0, kAt, kCommand, kCommandIo, 2);
  EXPECT_FALSE(child_.Mapped(0));
  ConfigStore(0, kAt, kCommand, kCommandMemory, 2);
  EXPECT_TRUE(child_.Mapped(0));
  EXPECT_FALSE(child_.Mapped(1));
  ConfigStore(0, kAt, kMemoryBase, 0xe020e020);
  EXPECT_FALSE(child_.Mapped(0));
}

TEST_F(RootPortTest, PrefetchableWindowReachesAboveFourGigabytes) {
  TestFunction wide;
  wide.With(0, BarKind::kMemory64, 0x4000);
  ASSERT_TRUE(port_.secondary().Attach(wide, std::nullopt));
  NumberBuses();
  ConfigStore(1, 0, 0x14, 8);
  ConfigStore(1, 0, kCommand, kCommandMemory, 2);
  ConfigStore(0, kAt, kPrefetchBase, 0x00000000);
  ConfigStore(0, kAt, kPrefetchBaseUpper, 8);
  ConfigStore(0, kAt, kPrefetchLimitUpper, 8);
  ConfigStore(0, kAt, kCommand, kCommandMemory, 2);
  EXPECT_EQ(wide.Mapped(0), 0x800000000u);
  ConfigStore(0, kAt, kPrefetchBaseUpper, 9);  // closed
  EXPECT_FALSE(wide.Mapped(0));
  port_.secondary().Detach(wide);
}

TEST_F(RootPortTest, PinsBehindArriveAtThePortsSlot) {
  PlugChild();
  child_.SetIntx(true);  // device 0 pin A -> pin A of slot 1 -> line 1
  EXPECT_TRUE(Line(1));
  child_.SetIntx(false);
  EXPECT_FALSE(Line(1));
}

TEST_F(RootPortTest, BusResetResetsWhatIsBehind) {
  PlugChild();
  NumberBuses();
  ConfigStore(1, 0, 0x10, 0xe0100000);
  ConfigStore(0, kAt, kBridgeControl, kBridgeControlBusReset, 2);
  EXPECT_EQ(child_.quick_resets, 1);
  EXPECT_EQ(ConfigLoad(1, 0, 0x10), 0u);
}

TEST_F(RootPortTest, EachSlotCommandCompletes) {
  EXPECT_EQ(ConfigLoad(0, kAt, kSlotStatus, 2) & 0x10, 0u);
  ConfigStore(0, kAt, kSlotControl, 0x07c0, 2);
  EXPECT_EQ(ConfigLoad(0, kAt, kSlotStatus, 2) & 0x10, 0x10u);
  ConfigStore(0, kAt, kSlotStatus, 0x10, 2);
  EXPECT_EQ(ConfigLoad(0, kAt, kSlotStatus, 2) & 0x10, 0u);
}

TEST_F(RootPortTest, CompletedCommandInterruptsWhenWanted) {
  ConfigStore(0, kAt, kSlotControl, 0x07c0 | 0x30, 2);
  EXPECT_TRUE(Line(1));
  ConfigStore(0, kAt, kSlotStatus, 0x10, 2);
  EXPECT_FALSE(Line(1));
}

TEST_F(RootPortTest, PoweredOffSlotAnswersNothing) {
  PlugChild();
  NumberBuses();
  ConfigStore(0, kAt, kSlotControl, kPowerOffLampOn, 2);
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0xffffffffu);
  EXPECT_EQ(child_.quick_resets, 1);
  ConfigStore(0, kAt, kSlotControl, kOn, 2);
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0x10f01af4u);
}

TEST_F(RootPortTest, ACardThatComesIsTold) {
  SetControl(kOff | 0x28);  // interrupt when presence changes
  EXPECT_EQ(Status() & kPresent, 0u);
  EXPECT_FALSE(Line(1));
  PlugChild(true);
  EXPECT_EQ(Status() & (kPresent | kPresenceChanged | kButton),
            kPresent | kPresenceChanged | kButton);
  EXPECT_TRUE(Line(1));
  ConfigStore(0, kAt, kSlotStatus, 0x1f & Status(), 2);
  EXPECT_FALSE(Line(1));
  // It has no power yet.
  NumberBuses();
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0xffffffffu);
  SetControl(kOn);
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0x10f01af4u);
  EXPECT_EQ(let_go_, 0);
}

TEST_F(RootPortTest, ACardGoesWhenPowerAndLampAreOff) {
  PlugChild();
  NumberBuses();
  SetControl(kOn | 0x21);  // interrupt at the button
  EXPECT_EQ(port_.AskUnplug(), false);
  EXPECT_TRUE(Line(1));
  EXPECT_EQ(Status() & kButton, kButton);
  SetControl(kBlinking);
  EXPECT_EQ(port_.AskUnplug().error().message,
            "Hot-unplug failed: guest is busy (power indicator blinking)");
  SetControl(kPowerOffLampOn);
  EXPECT_EQ(let_go_, 0);
  SetControl(kOff);
  EXPECT_EQ(let_go_, 1);
  EXPECT_EQ(Status() & (kPresent | kPresenceChanged), kPresenceChanged);
  // However the guest goes on, the slot is empty until the card is out.
  SetControl(kOff);
  SetControl(kOn);
  EXPECT_EQ(let_go_, 1);
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0xffffffffu);
  host_.Reset();
  EXPECT_EQ(Status() & kPresent, 0u);
  port_.secondary().Detach(child_);
  port_.SlotEmptied();
  PlugChild(true);
  NumberBuses();
  SetControl(kOn);
  EXPECT_EQ(ConfigLoad(1, 0, kVendorId), 0x10f01af4u);
}

TEST_F(RootPortTest, ASlotThatIsOffNeedsNoAnswer) {
  PlugChild(true);
  ConfigStore(0, kAt, kSlotStatus, 0x1f & Status(), 2);
  EXPECT_EQ(port_.AskUnplug(), true);
  EXPECT_EQ(Status() & (kPresent | kPresenceChanged | kButton), kPresenceChanged);
  SetControl(kOff);
  EXPECT_EQ(let_go_, 0);
}

TEST_F(RootPortTest, EventsSurviveAGuestThatClearsAll) {
  PlugChild();
  EXPECT_EQ(port_.AskUnplug(), false);
  ConfigStore(0, kAt, kSlotStatus, 0x1f, 2);
  EXPECT_EQ(Status() & kButton, kButton);
  ConfigStore(0, kAt, kSlotStatus, kButton, 2);
  EXPECT_EQ(Status() & kButton, 0u);
}

TEST_F(RootPortTest, ALockedSlotTakesAndGivesNothing) {
  SetControl(kOff | 0x0800);
  EXPECT_EQ(Status() & 0x80, 0x80u);
  EXPECT_EQ(ConfigLoad(0, kAt, kSlotControl, 2) & 0x0800, 0u);
  EXPECT_EQ(port_.CheckPlug().error().message, "slot is electromechanically locked");
  EXPECT_EQ(port_.AskUnplug().error().message, "slot is electromechanically locked");
  SetControl(kOff | 0x0800);
  EXPECT_TRUE(port_.CheckPlug());
}

TEST_F(RootPortTest, FunctionLevelResetResetsTheEndpoint) {
  Endpoint endpoint;
  ASSERT_TRUE(port_.secondary().Attach(endpoint, std::nullopt));
  NumberBuses();
  ConfigStore(1, 0, kInterruptLine, 7, 1);
  ConfigStore(1, 0, 0x40 + kExpressDeviceControl, 0x8000, 2);
  EXPECT_EQ(endpoint.quick_resets, 1);
  EXPECT_EQ(ConfigLoad(1, 0, kInterruptLine, 1), 0u);
  EXPECT_EQ(ConfigLoad(1, 0, 0x40 + kExpressDeviceControl, 2), 0u);
  port_.secondary().Detach(endpoint);
}

}  // namespace
}  // namespace davit::pci
