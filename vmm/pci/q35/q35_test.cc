// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the q35's chipset functions. Register values are those of QEMU 7.2, read over qtest.
#include <gtest/gtest.h>

#include <array>

#include "vmm/base/endian.h"
#include "vmm/irq/recording_irq_line.h"
#include "vmm/irq/recording_msi.h"
#include "vmm/pci/q35/ich9_lpc.h"
#include "vmm/pci/q35/mch.h"

namespace davit::pci {
namespace {

constexpr uint8_t kMch = Devfn(0, 0), kLpc = Devfn(31, 0);

class Constant final : public bus::BusDevice {
 public:
  void Read(uint64_t, std::span<uint8_t> data) override {
    std::fill(data.begin(), data.end(), 0x5a);
  }
  void Write(uint64_t, std::span<const uint8_t>) override {}
};

class Q35Chipset : public testing::Test {
 protected:
  Q35Chipset() {
    EXPECT_TRUE(host_.ClaimPorts());
    EXPECT_TRUE(host_.root().Attach(mch_, kMch));
    EXPECT_TRUE(host_.root().Attach(lpc_, kLpc));
    lpc_.SetSerialPorts(true, true);
    host_.Reset();
  }
  ~Q35Chipset() override {
    host_.root().Detach(lpc_);
    host_.root().Detach(mch_);
  }

  static PirqRouter::Lines LinesOf(std::array<irq::RecordingIrqLine, 24>& lines) {
    PirqRouter::Lines out{};
    for (size_t i = 0; i < out.size(); ++i) out[i] = &lines[i];
    return out;
  }
  uint64_t Get(uint8_t devfn, uint32_t offset, size_t size = 4) {
    uint8_t data[8] = {};
    host_.Read(0, devfn, offset, std::span(data).first(size));
    return LoadLe(data, size);
  }
  void Set(uint8_t devfn, uint32_t offset, size_t size, uint64_t value) {
    uint8_t data[8];
    StoreLe(data, 8, value);
    host_.Write(0, devfn, offset, std::span(data).first(size));
  }
  uint64_t Mmio(uint64_t address, size_t size = 4) {
    uint8_t data[8] = {};
    mmio_.Read(address, std::span(data).first(size));
    return LoadLe(data, size);
  }
  void SetMmio(uint64_t address, size_t size, uint64_t value) {
    uint8_t data[8];
    StoreLe(data, 8, value);
    mmio_.Write(address, std::span(data).first(size));
  }
  uint8_t Port(uint16_t port) {
    uint8_t byte = 0;
    ports_.Read(port, std::span(&byte, 1));
    return byte;
  }
  std::vector<unsigned> High() const {
    std::vector<unsigned> high;
    for (unsigned i = 0; i < lines_.size(); ++i) {
      if (lines_[i].level()) high.push_back(i);
    }
    return high;
  }

  bus::Bus ports_{"I/O port"};
  bus::Bus mmio_{"MMIO"};
  irq::RecordingMsi msi_;
  std::array<irq::RecordingIrqLine, 24> lines_;
  PirqRouter router_{LinesOf(lines_)};
  Constant pm_;
  HostBridge host_{{.ports = ports_, .mmio = mmio_, .msi = msi_, .intx = router_, .reserved = {}},
                   "pcie.0"};
  Mch mch_;
  Ich9Lpc lpc_{{ports_, mmio_, pm_, router_}};
};

TEST_F(Q35Chipset, IdentityIsQemus) {
  EXPECT_EQ(Get(kMch, 0x00), 0x29c08086u);
  EXPECT_EQ(Get(kMch, 0x08), 0x06000000u);
  EXPECT_EQ(Get(kMch, 0x0c), 0u);
  EXPECT_EQ(Get(kMch, 0x2c), 0x11001af4u);
  EXPECT_EQ(Get(kLpc, 0x00), 0x29188086u);
  EXPECT_EQ(Get(kLpc, 0x08), 0x06010002u);
  EXPECT_EQ(Get(kLpc, 0x0c), 0x00800000u);
}

TEST_F(Q35Chipset, RegistersAtResetAreQemus) {
  EXPECT_EQ(Get(kMch, 0x50), 0x10u);
  EXPECT_EQ(Get(kMch, 0x60), 0xb0000000u);
  EXPECT_EQ(Get(kMch, 0x90), 0u);
  EXPECT_EQ(Get(kMch, 0x9c), 0x00380200u);
  EXPECT_EQ(Get(kLpc, 0x40), 1u);
  EXPECT_EQ(Get(kLpc, 0x44), 0u);
  EXPECT_EQ(Get(kLpc, 0x60), 0x80808080u);
  EXPECT_EQ(Get(kLpc, 0x68), 0x80808080u);
  EXPECT_EQ(Get(kLpc, 0x80), 0x00030000u);
  EXPECT_EQ(Get(kLpc, 0xf0), 0u);
}

TEST_F(Q35Chipset, PciexbarPlacesTheEcamWindow) {
  EXPECT_EQ(Mmio(0xb0000000), 0xffffffffu);
  Set(kMch, 0x60, 4, 0xb0000001);
  EXPECT_EQ(Mmio(0xb0000000), 0x29c08086u);
  EXPECT_EQ(Mmio(0xb0000000 + (kLpc << 12)), 0x29188086u);
  Set(kMch, 0x64, 4, 1);
  EXPECT_EQ(Mmio(0xb0000000), 0xffffffffu);
  EXPECT_EQ(Mmio(0x1b0000000), 0x29c08086u);
  host_.Reset();
  EXPECT_EQ(Mmio(0x1b0000000), 0xffffffffu);
}

TEST_F(Q35Chipset, SmallerEcamWindowsHaveFewerBuses) {
  Set(kMch, 0x60, 4, 0xbc000005);
  EXPECT_EQ(Mmio(0xbc000000), 0x29c08086u);
  EXPECT_EQ(Mmio(0xb8000000), 0xffffffffu);
  Set(kMch, 0x60, 4, 0xbc000007);
  EXPECT_EQ(Mmio(0xbc000000), 0xffffffffu) << "a length that does not exist";
}

TEST_F(Q35Chipset, SmramRegistersLock) {
  Set(kMch, 0x9d, 1, 0xef);
  EXPECT_EQ(Get(kMch, 0x9d, 1), 0x6au);
  Set(kMch, 0x9e, 1, 0xff);
  EXPECT_EQ(Get(kMch, 0x9e, 1), 0xbfu);
  Set(kMch, 0x9d, 1, 0x52);
  EXPECT_EQ(Get(kMch, 0x9d, 1), 0x12u);
  Set(kMch, 0x9d, 1, 0xff);
  EXPECT_EQ(Get(kMch, 0x9d, 1), 0x32u);
  Set(kMch, 0x9e, 1, 0);
  EXPECT_EQ(Get(kMch, 0x9e, 1), 0xbfu);
  host_.Reset();
  Set(kMch, 0x9d, 1, 0x4a);
  EXPECT_EQ(Get(kMch, 0x9d, 1), 0x4au);
}

TEST_F(Q35Chipset, QueriesOfTsegAndSmbaseAreAnswered) {
  Set(kMch, 0x50, 2, 3);
  EXPECT_EQ(Get(kMch, 0x50, 2), 3u);
  Set(kMch, 0x50, 2, 0xffff);
  EXPECT_EQ(Get(kMch, 0x50, 2), 0x10u);
  Set(kMch, 0x9c, 1, 0xff);
  EXPECT_EQ(Get(kMch, 0x9c, 1), 0x01u);
  Set(kMch, 0x9c, 1, 0x02);
  EXPECT_EQ(Get(kMch, 0x9c, 1), 0x03u);
  Set(kMch, 0x9c, 1, 0x00);
  EXPECT_EQ(Get(kMch, 0x9c, 1), 0x03u) << "locked";
}

TEST_F(Q35Chipset, PmBlockIsWherePmbaseSaysWhileAcpiIsEnabled) {
  Set(kLpc, 0x40, 4, 0x601);
  EXPECT_EQ(Port(0x600), 0xff);
  Set(kLpc, 0x44, 1, 0x80);
  EXPECT_EQ(Port(0x600), 0x5a);
  EXPECT_EQ(Port(0x67f), 0x5a);
  EXPECT_EQ(Port(0x680), 0xff);
  Set(kLpc, 0x40, 4, 0xb001);
  EXPECT_EQ(Port(0x600), 0xff);
  EXPECT_EQ(Port(0xb000), 0x5a);
  Set(kLpc, 0x44, 1, 0);
  EXPECT_EQ(Port(0xb000), 0xff);
}

TEST_F(Q35Chipset, PmBlockOverOtherPortsDecodesNowhere) {
  Set(kLpc, 0x44, 1, 0x80);
  Set(kLpc, 0x40, 4, 0xc81);
  EXPECT_EQ(Port(0xc80), 0xff) << "0xcf8 lies in it";
  EXPECT_EQ(Get(kLpc, 0x00), 0x29188086u);
  Set(kLpc, 0x40, 4, 0x601);
  EXPECT_EQ(Port(0x600), 0x5a);
}

TEST_F(Q35Chipset, RcrbHasTheRoutesOfTheChipset) {
  Set(kLpc, 0xf0, 4, 0xfed1c001);
  EXPECT_EQ(Mmio(0xfed1f140), 0x3210u);
  EXPECT_EQ(Mmio(0xfed1f144), 0x32103210u);
  EXPECT_EQ(Mmio(0xfed1f410), 0x20u);
  SetMmio(0xfed1f410, 4, 0);
  EXPECT_EQ(Mmio(0xfed1f410), 0u) << "the TCO timer can reboot";
  Set(kLpc, 0xf0, 4, 0);
  EXPECT_EQ(Mmio(0xfed1f140), 0xffffffffu);
}

TEST_F(Q35Chipset, PinsOfSlotsRotateOverTheUpperPirqs) {
  router_.SetIntx(1, 0, true);
  EXPECT_EQ(High(), std::vector<unsigned>{21});
  router_.SetIntx(1, 0, false);
  router_.SetIntx(3, 2, true);
  EXPECT_EQ(High(), std::vector<unsigned>{21});
  router_.SetIntx(3, 2, false);
  router_.SetIntx(31, 0, true);
  EXPECT_EQ(High(), std::vector<unsigned>{16});
}

TEST_F(Q35Chipset, SharedPirqStaysUntilItsLastSourceIsGone) {
  router_.SetIntx(1, 0, true);
  router_.SetIntx(5, 0, true);
  router_.SetIntx(1, 0, true);
  router_.SetIntx(1, 0, false);
  router_.SetIntx(5, 0, false);
  EXPECT_EQ(High(), std::vector<unsigned>{21});
  router_.SetIntx(1, 0, false);
  EXPECT_TRUE(High().empty());
}

TEST_F(Q35Chipset, PirqGoesToThe8259sTooWhenRouted) {
  router_.SetIntx(1, 0, true);  // PIRQF
  Set(kLpc, 0x69, 1, 0x0a);
  EXPECT_EQ(High(), (std::vector<unsigned>{10, 21}));
  Set(kLpc, 0x69, 1, 0x0b);
  EXPECT_EQ(High(), (std::vector<unsigned>{11, 21}));
  Set(kLpc, 0x69, 1, 0x00);
  EXPECT_EQ(High(), std::vector<unsigned>{21}) << "input 0 is the timer's";
  Set(kLpc, 0x69, 1, 0x8b);
  EXPECT_EQ(High(), std::vector<unsigned>{21});
}

TEST_F(Q35Chipset, ChipsetSlotsFollowTheirRouteRegister) {
  Set(kLpc, 0xf0, 4, 0xfed1c001);
  router_.SetIntx(31, 0, true);
  SetMmio(0xfed1f140, 2, 0x3217);
  EXPECT_EQ(High(), std::vector<unsigned>{23});
  host_.Reset();
  EXPECT_EQ(High(), std::vector<unsigned>{16});
}

TEST_F(Q35Chipset, SciGoesWhereAcpiControlSays) {
  router_.sci().Set(true);
  EXPECT_TRUE(High().empty());
  Set(kLpc, 0x44, 1, 0x80);
  EXPECT_EQ(High(), std::vector<unsigned>{9});
  Set(kLpc, 0x44, 1, 0x84);
  EXPECT_EQ(High(), std::vector<unsigned>{20});
  Set(kLpc, 0x44, 1, 0x83);
  EXPECT_TRUE(High().empty());
  Set(kLpc, 0x44, 1, 0x80);
  router_.sci().Set(false);
  EXPECT_TRUE(High().empty());
}

TEST_F(Q35Chipset, SmiLockStaysUntilReset) {
  Set(kLpc, 0xa0, 1, 0x10);
  Set(kLpc, 0xa0, 1, 0x00);
  EXPECT_EQ(Get(kLpc, 0xa0, 1), 0x10u);
  host_.Reset();
  EXPECT_EQ(Get(kLpc, 0xa0, 1), 0u);
}

}  // namespace
}  // namespace davit::pci
