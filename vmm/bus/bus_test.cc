// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of Bus: claims, splitting at edges, changes while accesses run.
#include "vmm/bus/bus.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

namespace davit::bus {
namespace {

class RecordingDevice : public BusDevice {
 public:
  void Read(uint64_t offset, std::span<uint8_t> data) override {
    reads.push_back({offset, data.size()});
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(offset + i);
  }
  void Write(uint64_t offset, std::span<const uint8_t> data) override {
    writes.push_back({offset, data.size()});
    if (on_write) on_write();
  }
  std::vector<std::pair<uint64_t, size_t>> reads, writes;
  std::function<void()> on_write;
};

using Accesses = std::vector<std::pair<uint64_t, size_t>>;

class BusTest : public testing::Test {
 protected:
  Bus bus_{"I/O port"};
  RecordingDevice device_;
};

TEST_F(BusTest, AccessInsideAClaimReachesTheDeviceWhole) {
  ASSERT_TRUE(bus_.Claim(0x60, 8, "uart", &device_));
  uint8_t data[4] = {};
  EXPECT_TRUE(bus_.Read(0x62, data));
  EXPECT_EQ(device_.reads, (Accesses{{2, 4}}));
  EXPECT_EQ(data[3], 5);
}

TEST_F(BusTest, UnclaimedReadGivesOnesAndFalse) {
  uint8_t data[2] = {};
  EXPECT_FALSE(bus_.Read(0x60, data));
  EXPECT_EQ(data[0], 0xff);
  EXPECT_EQ(data[1], 0xff);
  EXPECT_FALSE(bus_.Write(0x60, data));
}

TEST_F(BusTest, AccessOverTheEdgeIsSplitIntoBytes) {
  ASSERT_TRUE(bus_.Claim(0x60, 2, "kbd", &device_));
  uint8_t data[4] = {};
  EXPECT_TRUE(bus_.Read(0x61, data));
  EXPECT_EQ(device_.reads, (Accesses{{1, 1}}));
  EXPECT_EQ(data[0], 1);
  EXPECT_EQ(data[1], 0xff);
  EXPECT_TRUE(bus_.Write(0x5f, data));
  EXPECT_EQ(device_.writes, (Accesses{{0, 1}, {1, 1}}));
}

TEST_F(BusTest, AccessOverTwoClaimsReachesBoth) {
  RecordingDevice other;
  ASSERT_TRUE(bus_.Claim(0x62, 2, "b", &other));
  ASSERT_TRUE(bus_.Claim(0x60, 2, "a", &device_));
  const uint8_t data[2] = {};
  EXPECT_TRUE(bus_.Write(0x61, data));
  EXPECT_EQ(device_.writes, (Accesses{{1, 1}}));
  EXPECT_EQ(other.writes, (Accesses{{0, 1}}));
}

TEST_F(BusTest, OddSizesAreSplitIntoBytes) {
  ASSERT_TRUE(bus_.Claim(0, 16, "a", &device_));
  uint8_t data[3] = {};
  EXPECT_TRUE(bus_.Read(4, data));
  EXPECT_EQ(device_.reads, (Accesses{{4, 1}, {5, 1}, {6, 1}}));
}

TEST_F(BusTest, AccessAtTheEndOfTheAddressSpaceDoesNotWrap) {
  ASSERT_TRUE(bus_.Claim(0, 16, "a", &device_));
  uint8_t data[4] = {};
  EXPECT_FALSE(bus_.Read(~uint64_t{1}, data));
  EXPECT_TRUE(device_.reads.empty());
}

TEST_F(BusTest, ClaimUpToTheEndOfTheAddressSpaceWorks) {
  ASSERT_TRUE(bus_.Claim(~uint64_t{7}, 8, "a", &device_));
  uint8_t data[4] = {};
  EXPECT_TRUE(bus_.Read(~uint64_t{3}, data));
  EXPECT_EQ(device_.reads, (Accesses{{4, 4}}));
}

TEST_F(BusTest, EmptyAccessTouchesNothing) {
  ASSERT_TRUE(bus_.Claim(0, 16, "a", &device_));
  EXPECT_FALSE(bus_.Read(4, {}));
}

TEST_F(BusTest, OverlapIsRefusedAndNamesBothOwners) {
  ASSERT_TRUE(bus_.Claim(0x60, 4, "kbd", &device_));
  Status status = bus_.Claim(0x63, 4, "other", &device_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "I/O port range 0x63-0x66 of other overlaps 0x60-0x63 of kbd");
}

TEST_F(BusTest, WrappingAndEmptyRangesAreRefused) {
  EXPECT_FALSE(bus_.Claim(~uint64_t{0}, 2, "a", &device_));
  EXPECT_FALSE(bus_.Claim(5, 0, "a", &device_));
  EXPECT_TRUE(bus_.claims().empty());
}

TEST_F(BusTest, ReleasedRangeIsUnclaimed) {
  ASSERT_TRUE(bus_.Claim(0x60, 4, "kbd", &device_));
  ASSERT_TRUE(bus_.Release(0x60));
  uint8_t data[1] = {};
  EXPECT_FALSE(bus_.Read(0x60, data));
  EXPECT_FALSE(bus_.Release(0x60));
}

TEST_F(BusTest, ADeviceMayMoveItsWindowFromWithinAnAccess) {
  ASSERT_TRUE(bus_.Claim(0x60, 4, "kbd", &device_));
  uint64_t base = 0x60;
  device_.on_write = [&] {
    ASSERT_TRUE(bus_.Release(base));
    base += 4;
    ASSERT_TRUE(bus_.Claim(base, 4, "kbd", &device_));
  };
  const uint8_t data[1] = {};
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(bus_.Write(base, data));
  EXPECT_EQ(bus_.claims().size(), 1u);
}

// A device that must not be used once Release() has returned.
class MortalDevice : public BusDevice {
 public:
  void Read(uint64_t, std::span<uint8_t> data) override { data[0] = alive ? 1 : 0; }
  void Write(uint64_t, std::span<const uint8_t>) override {}
  std::atomic<bool> alive{true};
};

TEST_F(BusTest, NoAccessIsInsideADeviceAfterItsRelease) {
  std::atomic<bool> stop{false};
  std::atomic<int> dead_reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        uint8_t data[1] = {};
        if (bus_.Read(0x100, data) && data[0] != 1) ++dead_reads;
      }
    });
  }
  for (int i = 0; i < 500; ++i) {
    MortalDevice device;
    ASSERT_TRUE(bus_.Claim(0x100, 1, "mortal", &device));
    ASSERT_TRUE(bus_.Release(0x100));
    device.alive = false;
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(dead_reads, 0);
}

// A device that released its own window from within an access did not wait for other threads.
TEST_F(BusTest, NoAccessIsInsideAReleasedDeviceAfterDrain) {
  class Mover final : public BusDevice {
   public:
    explicit Mover(Bus& bus) : bus_(bus) {}
    void Read(uint64_t, std::span<uint8_t>) override {}
    void Write(uint64_t, std::span<const uint8_t>) override { (void)bus_.Release(0x100); }

   private:
    Bus& bus_;
  };
  Mover mover(bus_);
  ASSERT_TRUE(bus_.Claim(0x200, 1, "mover", &mover));
  std::atomic<bool> stop{false};
  std::atomic<int> dead_reads{0};
  std::thread reader([&] {
    while (!stop) {
      uint8_t data[1] = {};
      if (bus_.Read(0x100, data) && data[0] != 1) ++dead_reads;
    }
  });
  for (int i = 0; i < 500; ++i) {
    MortalDevice device;
    ASSERT_TRUE(bus_.Claim(0x100, 1, "mortal", &device));
    const uint8_t go[1] = {};
    bus_.Write(0x200, go);
    bus_.Drain();
    device.alive = false;
  }
  stop = true;
  reader.join();
  EXPECT_EQ(dead_reads, 0);
}

}  // namespace
}  // namespace davit::bus
