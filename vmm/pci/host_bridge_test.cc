// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The ways to configuration space: ports and ECAM.
#include "vmm/pci/host_bridge.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "vmm/pci/root_port.h"
#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/test_function.h"

namespace davit::pci {
namespace {

constexpr uint8_t kAt = Devfn(2, 0);
constexpr uint32_t kEnable = 0x80000000;

class HostBridgeTest : public HostFixture {
 protected:
  HostBridgeTest() { EXPECT_TRUE(host_.root().Attach(function_, kAt)); }
  ~HostBridgeTest() override { host_.root().Detach(function_); }

  TestFunction function_;
};

TEST_F(HostBridgeTest, PortsReachAllWidths) {
  Store(ports_, 0xcf8, 4, kEnable | kAt << 8);
  EXPECT_EQ(Load(ports_, 0xcfc, 4), 0x10f01af4u);
  EXPECT_EQ(Load(ports_, 0xcfe, 2), 0x10f0u);
  EXPECT_EQ(Load(ports_, 0xcfd, 1), 0x1au);
  Store(ports_, 0xcf8, 4, kEnable | kAt << 8 | 0x3c);
  Store(ports_, 0xcfc, 1, 0x0b);
  EXPECT_EQ(Load(ports_, 0xcfc, 4), 0x0000010bu);
}

TEST_F(HostBridgeTest, WithoutTheEnableBitNothingAnswers) {
  Store(ports_, 0xcf8, 4, kAt << 8 | 0x3c);
  Store(ports_, 0xcfc, 1, 0x0b);
  EXPECT_EQ(Load(ports_, 0xcfc, 4), 0xffffffffu);
  EXPECT_EQ(ConfigLoad(0, kAt, kInterruptLine, 1), 0u);
}

TEST_F(HostBridgeTest, AddressRegisterTakesDwordsOnly) {
  Store(ports_, 0xcf8, 4, kEnable | kAt << 8);
  Store(ports_, 0xcf8, 2, 0x1234);
  Store(ports_, 0xcfb, 1, 0);
  EXPECT_EQ(Load(ports_, 0xcf8, 4), kEnable | kAt << 8);
}

TEST_F(HostBridgeTest, PortsReachConventionalSpaceOnly) {
  function_.config().Set8(0xff, 0x61);
  Store(ports_, 0xcf8, 4, kEnable | kAt << 8 | 0xff);
  EXPECT_EQ(Load(ports_, 0xcfc, 4), 0x61u);
  Store(ports_, 0xcfc, 4, 0xffffff62);
  EXPECT_EQ(ConfigLoad(0, kAt, 0xff, 1), 0x62u);
}

TEST_F(HostBridgeTest, ResetPortLiesInsideTheAddressRegister) {
  TestFunction port;  // any BusDevice
  host_.SetResetPort(&port);
  Store(ports_, 0xcf8, 4, kEnable);
  Store(ports_, 0xcf9, 1, 6);
  ASSERT_EQ(port.writes.size(), 1u);
  EXPECT_EQ(port.writes[0], (std::pair<uint64_t, uint8_t>(0, 6)));
  EXPECT_EQ(Load(ports_, 0xcf9, 1), 0u);
  EXPECT_EQ(Load(ports_, 0xcf8, 4), kEnable);
}

TEST_F(HostBridgeTest, AbsentFunctionsReadAsOnes) {
  EXPECT_EQ(ConfigLoad(0, Devfn(9, 0), 0), 0xffffffffu);
  EXPECT_EQ(ConfigLoad(7, kAt, 0), 0xffffffffu);
  ConfigStore(0, Devfn(9, 0), 0, 0);
}

TEST_F(HostBridgeTest, EcamWindowMoves) {
  host_.LockedSetEcam(0xe0000000, 64);
  EXPECT_EQ(ConfigLoad(0, kAt, 0), 0xffffffffu);
  EXPECT_EQ(Load(mmio_, 0xe0000000 + (kAt << 12), 4), 0x10f01af4u);
  EXPECT_EQ(mmio_.claims().at(0).size, 64u << 20);
  host_.LockedSetEcam(std::nullopt, 0);
  EXPECT_TRUE(mmio_.claims().empty());
}

TEST_F(HostBridgeTest, EcamWindowOverRamIsNotThere) {
  host_.LockedSetEcam(kRam, 1);
  EXPECT_EQ(host_.ecam_base(), std::nullopt);
  host_.LockedSetEcam(~uint64_t{0xfffff}, 256);
  EXPECT_EQ(host_.ecam_base(), std::nullopt);
}

TEST_F(HostBridgeTest, WideEcamAccessReadsBothDwords) {
  EXPECT_EQ(Load(mmio_, EcamAddress(0, kAt, 0), 8), 0x0000000010f01af4u);
}

// Two vCPUs move BARs over one another while the control thread plugs and unplugs: run under TSan
// and ASan, and nothing may hang.
class ConcurrencyTest : public HostFixture {
 protected:
  ConcurrencyTest() {
    other_.With(0, BarKind::kMemory32, 0x1000);
    EXPECT_TRUE(host_.root().Attach(other_, Devfn(3, 0)));
  }
  ~ConcurrencyTest() override { host_.root().Detach(other_); }
  void Guest(uint8_t bus, uint8_t devfn, uint64_t seed) {
    while (!stop_) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      const uint64_t base = 0xe0000000 + (seed >> 60) * 0x1000;
      ConfigStore(bus, devfn, kBar0, base);
      ConfigStore(bus, devfn, kCommand, seed >> 59 & 1 ? kCommandMemory : 0, 2);
      (void)Load(mmio_, base, 4);
    }
  }
  // Plugs and unplugs at bus:devfn, which is a slot of `where`.
  void Run(Bus& where, uint8_t bus, uint8_t devfn) {
    std::thread a([this] { Guest(0, Devfn(3, 0), 1); });
    std::thread b([&] { Guest(bus, devfn, 2); });
    for (int i = 0; i < 200; ++i) {
      TestFunction mortal;
      mortal.With(0, BarKind::kMemory32, 0x1000);
      EXPECT_TRUE(where.Attach(mortal, devfn));
      std::this_thread::yield();
      where.Detach(mortal);
    }
    stop_ = true;
    a.join();
    b.join();
  }

  std::atomic<bool> stop_{false};
  TestFunction other_;
};

TEST_F(ConcurrencyTest, PlugOnTheRootBusUnderAccess) { Run(host_.root(), 0, Devfn(4, 0)); }

TEST_F(ConcurrencyTest, PlugBehindAPortUnderAccess) {
  RootPort port({.bus_name = "rp"}, host_);
  ASSERT_TRUE(host_.root().Attach(port, Devfn(5, 0)));
  ConfigStore(0, Devfn(5, 0), kPrimaryBus, 0x00010100);
  ConfigStore(0, Devfn(5, 0), kMemoryBase, 0xe000e000);
  ConfigStore(0, Devfn(5, 0), kCommand, kCommandMemory, 2);
  Run(port.secondary(), 1, 0);
  host_.root().Detach(port);
}

}  // namespace
}  // namespace davit::pci
