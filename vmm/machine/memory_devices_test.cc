// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// MemoryDevices: places in the window and QEMU's errors; the values are those that QEMU 7.2 gives
// for -m 256M,slots=3,maxmem=1G.
#include "vmm/machine/memory_devices.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace davit::machine {
namespace {

constexpr uint64_t kBase = 4 * kGiB;
constexpr uint64_t kAlign = 2 * kMiB;

class MemoryDevicesTest : public testing::Test {
 protected:
  // Not touched, so it costs address space alone.
  static MemoryDevices::Request Ask(std::string id, uint64_t size, uint64_t address = 0,
                                    uint64_t align = kAlign) {
    memory::RamBlockOptions options;
    options.id = "m-" + id;
    options.size = size;
    options.reserve = false;
    auto block = memory::RamBlock::Create(options);
    EXPECT_TRUE(block) << block.error();
    MemoryDevices::Request request{id, *block, size, align, address, false, {}};
    request.describe = [id, size] {
      control::MemoryDeviceInfo info;
      info.id = id;
      info.size = size;
      return info;
    };
    return request;
  }
  // The address, or the error.
  std::string Plug(const MemoryDevices::Request& request) {
    const Result<uint64_t> address = devices_.Place(request);
    if (!address) return address.error().message;
    if (Status plugged = devices_.Plug(request, *address); !plugged) {
      return plugged.error().message;
    }
    return fmt::format("0x{:x}", *address);
  }

  memory::LiveMemory memory_;
  MemoryDevices devices_{memory_, {kBase, 768 * kMiB + 3 * kGiB, 768 * kMiB}};
};

TEST_F(MemoryDevicesTest, LowestPlaceThatIsFree) {
  EXPECT_EQ(Plug(Ask("a", 256 * kMiB)), "0x100000000");
  EXPECT_EQ(Plug(Ask("b", 128 * kMiB)), "0x110000000");
  EXPECT_EQ(Plug(Ask("c", 64 * kMiB, 0x130000000)), "0x130000000");
  devices_.Unplug(0x110000000);
  EXPECT_EQ(Plug(Ask("d", 64 * kMiB)), "0x110000000");
  EXPECT_EQ(Plug(Ask("e", 16 * kMiB, 0, kGiB / 2)),
            "backend memory size must be multiple of "
            "0x20000000");
  EXPECT_TRUE(memory_.Get().Contains({0x110000000}, 64 * kMiB));
  EXPECT_FALSE(memory_.Get().Contains({0x110000000}, 64 * kMiB + 1));
}

TEST_F(MemoryDevicesTest, AlignmentOfALaterOneLeavesAGapThatIsFilled) {
  EXPECT_EQ(Plug(Ask("a", 4096, 0, 4096)), "0x100000000");
  EXPECT_EQ(Plug(Ask("b", 4 * kMiB)), "0x100200000");
  EXPECT_EQ(Plug(Ask("c", 4096, 0, 4096)), "0x100001000");
}

TEST_F(MemoryDevicesTest, QemusErrors) {
  EXPECT_EQ(Plug(Ask("a", 256 * kMiB)), "0x100000000");
  const std::map<std::string, MemoryDevices::Request> cases = {
      {"not enough space, currently 0x10000000 in use of total space for memory devices "
       "0x30000000",
       Ask("big", kGiB)},
      {"address must be aligned to 0x200000 bytes", Ask("odd", 2 * kMiB, kBase + 4096)},
      {"backend memory size must be multiple of 0x200000", Ask("part", 3 * kMiB)},
      {"can't add memory device [0x200000:0x10000000], usable range for memory devices "
       "[0x100000000:0xf0000000]",
       Ask("low", 256 * kMiB, 0x200000)},
      {"can't add memory device [0x1f0000000:0x10000000], usable range for memory devices "
       "[0x100000000:0xf0000000]",
       Ask("high", 256 * kMiB, 0x1f0000000)},
      {"can't add memory device [0xffffffffffc00000:0x10000000], usable range for memory devices "
       "[0x100000000:0xf0000000]",
       Ask("wraps", 256 * kMiB, 0xffffffffffc00000)},
      {"address range conflicts with memory device id='a'", Ask("over", 256 * kMiB, 0x108000000)},
  };
  for (const auto& [error, request] : cases) EXPECT_EQ(Plug(request), error);
  EXPECT_EQ(devices_.Describe().size(), 1U);
  EXPECT_EQ(memory_.Get().total_bytes(), 256 * kMiB);
}

TEST_F(MemoryDevicesTest, AWindowInPiecesIsFull) {
  MemoryDevices devices(memory_, {kBase, kGiB, kGiB});
  const auto middle = Ask("a", 2 * kMiB, kBase + kGiB / 2);
  ASSERT_TRUE(devices.Plug(middle, kBase + kGiB / 2));
  const Result<uint64_t> place = devices.Place(Ask("b", 768 * kMiB));
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().message,
            "could not find position in guest address space for memory device - memory fragmented "
            "due to alignments");
}

TEST_F(MemoryDevicesTest, WithoutMaxmemNothingIsPlugged) {
  const MemoryDevices none(memory_, {kBase, 0, 0});
  EXPECT_EQ(none.Place(Ask("a", 2 * kMiB)).error().message,
            "memory devices (e.g. for memory hotplug) are not enabled, please specify the maxmem "
            "option");
}

// Refuses every table with more than one region.
class Refuser final : public memory::LiveMemory::Listener {
 public:
  Status OnMemory(const memory::GuestMemory& next) override {
    return next.regions().size() < 2 ? Status() : Fail("hypervisor has no free memory slots left");
  }
};

TEST_F(MemoryDevicesTest, RefusedMemoryLeavesNoTrace) {
  Refuser refuser;
  ASSERT_TRUE(memory_.Follow(refuser));
  EXPECT_EQ(Plug(Ask("a", 256 * kMiB)), "0x100000000");
  EXPECT_EQ(Plug(Ask("b", 256 * kMiB)), "hypervisor has no free memory slots left");
  EXPECT_EQ(devices_.Describe().size(), 1U);
  devices_.Unplug(0x100000000);
  EXPECT_EQ(Plug(Ask("b", 256 * kMiB)), "0x100000000");
  memory_.Forget(refuser);
}

TEST_F(MemoryDevicesTest, QueriesAreSortedByAddress) {
  Plug(Ask("a", 2 * kMiB, kBase + kGiB));
  Plug(Ask("b", 4 * kMiB, kBase));
  const auto infos = devices_.Describe();
  ASSERT_EQ(infos.size(), 2U);
  EXPECT_EQ(infos[0].id, "b");
  EXPECT_EQ(infos[1].id, "a");
  EXPECT_EQ(devices_.plugged_bytes(), 6 * kMiB);
}

}  // namespace
}  // namespace davit::machine
