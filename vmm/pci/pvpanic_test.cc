// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/pci/pvpanic.h"

#include <gtest/gtest.h>

#include <string>

#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/recorded_config.h"

namespace davit::pci {
namespace {

constexpr uint8_t kAt = Devfn(1, 0);
constexpr uint64_t kBar = 0xe0000000;

class PvpanicTest : public HostFixture {
 protected:
  PvpanicTest() { EXPECT_TRUE(host_.root().Attach(device_, kAt)); }
  ~PvpanicTest() override { host_.root().Detach(device_); }

  void Map() {
    ConfigStore(0, kAt, 0x10, kBar);
    ConfigStore(0, kAt, kCommand, kCommandMemory, 2);
  }

  std::string told_;
  Pvpanic device_{{.events = 1,
                   .panicked = [this] { told_ += 'p'; },
                   .crash_loaded = [this] { told_ += 'c'; }}};
};

TEST_F(PvpanicTest, ConfigurationSpaceIsQemus) {
  host_.Reset();
  const RecordedConfig qemu = LoadRecordedConfig("vmm/pci/testdata/pvpanic.hex");
  const RecordedConfig ours = RecordConfig(host_, 0, kAt, 256);
  EXPECT_EQ(Difference(ours.bytes, qemu.bytes), "");
  EXPECT_EQ(Difference(ours.writable, qemu.writable), "");
}

TEST_F(PvpanicTest, ReadingGivesTheOfferedEvents) {
  Map();
  EXPECT_EQ(Load(mmio_, kBar, 1), 1u);
  EXPECT_EQ(Load(mmio_, kBar + 1, 1), 1u);
  EXPECT_EQ(Load(mmio_, kBar, 2), 0x0101u);
  EXPECT_EQ(told_, "");
}

TEST_F(PvpanicTest, EachWriteTellsOneEvent) {
  Map();
  Store(mmio_, kBar, 1, 1);
  EXPECT_EQ(told_, "p");
  Store(mmio_, kBar + 1, 1, 2);
  EXPECT_EQ(told_, "pc");
  Store(mmio_, kBar, 1, 3);
  EXPECT_EQ(told_, "pcp");
}

TEST_F(PvpanicTest, AWordIsTwoEvents) {
  Map();
  Store(mmio_, kBar, 2, 0x0102);
  EXPECT_EQ(told_, "cp");
}

TEST_F(PvpanicTest, UnknownEventsTellNothing) {
  Map();
  Store(mmio_, kBar, 1, 0);
  Store(mmio_, kBar, 1, 0xfc);
  EXPECT_EQ(told_, "");
}

}  // namespace
}  // namespace davit::pci
