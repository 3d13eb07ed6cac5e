// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See abuse_suite.h: rings and chains that break the rules of virtio 1.2, 2.7 and 2.8.
#include "vmm/base/units.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio::testing {
namespace {

constexpr uint64_t kPlain = 0x8'0000;  // RAM that nothing else uses

TEST_P(DeviceAbuse, BufferThatIsNotRam) {
  const uint64_t end = Make().memory().total_bytes();
  const struct {
    uint64_t address;
    uint32_t length;
  } bad[] = {
      {end, 1},                     // behind RAM
      {end - 8, 16},                // over its end
      {0xfe00'0000, 16},            // registers of a device
      {0xfeb0'0050, 4},             // a notify register
      {0xb000'0000, 4096},          // configuration space
      {uint64_t{1} << 40, 16},      // a hole
      {UINT64_MAX, 1},              //
      {UINT64_MAX - 15, 16},        // up to 2^64
      {UINT64_MAX - 7, 16},         // wraps
      {0, UINT32_MAX},              // longer than RAM
      {end - 8, UINT32_MAX},        //
      {UINT64_MAX - 7, UINT32_MAX}  //
  };
  for (const auto& buffer : bad) {
    for (const uint16_t flags : {uint16_t{0}, kWrite}) {
      SCOPED_TRACE(buffer.address);
      ForEachQueue([&](uint16_t queue) {
        driver().queue(queue).Add().Raw(buffer.address, buffer.length, flags).Publish();
        ExpectBroken(queue);
      });
    }
  }
}

TEST_P(DeviceAbuse, BadBufferBehindGoodOnes) {
  ForEachQueue([&](uint16_t queue) {
    driver()
        .queue(queue)
        .Add()
        .Readable(Garbage(16))
        .Writable(16)
        .Raw(UINT64_MAX - 3, 8, kWrite)
        .Publish();
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, BufferAcrossTwoBlocksIsFine) {
  ForEachQueue([&](uint16_t queue) {
    const uint64_t middle = ram_end() / 2;
    driver().queue(queue).Add().Raw(middle - 8, 16, 0).Raw(middle - 8, 16, kWrite).Publish();
    Kick(queue);
    driver().queue(queue).CollectUsed();
  });
}

TEST_P(DeviceAbuse, EmptyBuffer) {
  for (const uint16_t flags : {uint16_t{0}, kWrite}) {
    ForEachQueue([&](uint16_t queue) {
      driver().queue(queue).Add().Raw(kPlain, 0, flags).Publish();
      ExpectBroken(queue);
    });
  }
  ForEachQueue([&](uint16_t queue) {
    driver().queue(queue).Add().Raw(0, 0, 0).Raw(0, 0, 0).Raw(0, 0, kWrite).Publish();
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, ReadableBehindWritable) {
  ForEachQueue([&](uint16_t queue) {
    driver().queue(queue).Add().Writable(16).Readable(Garbage(16)).Publish();
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, LoopOfDescriptors) {
  ForEachQueue([&](uint16_t queue) {
    if (packed()) {
      // Every slot says that the chain goes on.
      const uint16_t size = packed_ring(queue).place().size;
      for (uint16_t i = 0; i < size; ++i) packed_ring(queue).PublishRaw(kPlain, 1, i, kNext);
    } else {
      split(queue).SetDescriptor(0, kPlain, 1, kNext, 1);
      split(queue).SetDescriptor(1, kPlain, 1, kNext, 0);
      split(queue).PublishHead(0);
    }
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, DescriptorThatIsItsOwnNext) {
  if (packed()) GTEST_SKIP() << "a packed ring has no next";
  ForEachQueue([&](uint16_t queue) {
    split(queue).SetDescriptor(0, kPlain, 16, kNext | kWrite, 0);
    split(queue).PublishHead(0);
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, NextOutsideTheTable) {
  if (packed()) GTEST_SKIP() << "a packed ring has no next";
  for (const uint16_t offset : {0, 1, 100}) {
    ForEachQueue([&](uint16_t queue) {
      const uint16_t size = split(queue).place().size;
      split(queue).SetDescriptor(0, kPlain, 16, kNext, size + offset);
      split(queue).PublishHead(0);
      ExpectBroken(queue);
    });
  }
}

TEST_P(DeviceAbuse, HeadOutsideTheTable) {
  if (packed()) GTEST_SKIP() << "a packed ring has no heads";
  for (const uint32_t head : {0U, 1U, 0x7fffU, 0xffffU}) {
    ForEachQueue([&](uint16_t queue) {
      const uint16_t size = split(queue).place().size;
      split(queue).PublishHead(static_cast<uint16_t>(head < size ? size + head : head));
      ExpectBroken(queue);
    });
  }
}

TEST_P(DeviceAbuse, AvailableIndexThatJumps) {
  if (packed()) GTEST_SKIP() << "a packed ring has no index";
  for (const int jump : {-1, -2, 0, 1, 1000}) {
    ForEachQueue([&](uint16_t queue) {
      const int beyond = jump < 0 ? jump : split(queue).place().size + 1 + jump;
      split(queue).SetAvailableIndex(static_cast<uint16_t>(beyond));
      ExpectBroken(queue);
    });
  }
}

TEST_P(DeviceAbuse, SameHeadQueuedManyTimes) {
  ForEachQueue([&](uint16_t queue) {
    // More than the device may have in flight, if it keeps requests.
    for (uint32_t i = 0; i < 4; ++i) {
      if (packed()) {
        packed_ring(queue).PublishRaw(kPlain, 16, 0, kWrite);
      } else {
        split(queue).SetDescriptor(0, kPlain, 16, kWrite, 0);
        split(queue).PublishHead(0);
      }
    }
    Kick(queue);
    Kick(queue);
    int returned = 0;
    while (driver().queue(queue).ring().TakeUsed()) ++returned;
    EXPECT_LE(returned, 4);
  });
}

TEST_P(DeviceAbuse, AvailableBitsEverywhere) {
  if (!packed()) GTEST_SKIP() << "packed rings";
  ForEachQueue([&](uint16_t queue) {
    const RingPlace place = packed_ring(queue).place();
    for (const uint16_t flags : {0x0080, 0x8000, 0x8080, 0xffff, 0x0081, 0x0083}) {
      for (uint16_t slot = 0; slot < place.size; ++slot) {
        const uint64_t at = place.descriptors + 16 * uint64_t{slot};
        (void)driver().memory().Write({at}, kPlain);
        (void)driver().memory().Write({at + 8}, uint32_t{16});
        (void)driver().memory().Write({at + 12}, uint16_t{slot});
        (void)driver().memory().Write({at + 14}, flags);
      }
      Kick(queue);
    }
  });
}

// Fills a table at kPlain with one descriptor and publishes it.
struct TableEntry {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;  // split rings
};

void PutTable(Driver& driver, uint64_t at, const std::vector<TableEntry>& entries, bool packed) {
  for (const TableEntry& entry : entries) {
    (void)driver.memory().Write({at}, entry.address);
    (void)driver.memory().Write({at + 8}, entry.length);
    (void)driver.memory().Write({at + (packed ? 14 : 12)}, entry.flags);
    (void)driver.memory().Write({at + (packed ? 12 : 14)}, entry.next);
    at += 16;
  }
}

TEST_P(DeviceAbuse, IndirectTableOfABadSize) {
  for (const uint32_t length : {0U, 1U, 15U, 17U, UINT32_MAX, UINT32_MAX - 15}) {
    ForEachQueue([&](uint16_t queue) {
      driver().queue(queue).Add().Raw(kPlain, length, kIndirect).Publish();
      ExpectBroken(queue);
    });
  }
}

TEST_P(DeviceAbuse, IndirectTableThatIsNotRam) {
  for (const uint64_t address : {0xfe00'0000UL, UINT64_MAX - 15, UINT64_MAX}) {
    ForEachQueue([&](uint16_t queue) {
      driver().queue(queue).Add().Raw(address, 32, kIndirect).Publish();
      ExpectBroken(queue);
    });
  }
}

TEST_P(DeviceAbuse, IndirectTableInsideAnother) {
  ForEachQueue([&](uint16_t queue) {
    PutTable(driver(), kPlain, {{kPlain, 16, kIndirect, 0}}, packed());
    driver().queue(queue).Add().Raw(kPlain, 16, kIndirect).Publish();
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, IndirectTableWithANextOne) {
  ForEachQueue([&](uint16_t queue) {
    PutTable(driver(), kPlain, {{kPlain + 0x1000, 16, 0, 0}}, packed());
    driver().queue(queue).Add().Raw(kPlain, 16, kIndirect).Raw(kPlain, 16, kWrite).Publish();
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, IndirectTableThatLoops) {
  if (packed()) GTEST_SKIP() << "tables of packed rings have no next";
  ForEachQueue([&](uint16_t queue) {
    PutTable(driver(), kPlain, {{kPlain + 0x1000, 16, kNext, 1}, {kPlain + 0x1000, 16, kNext, 0}},
             false);
    driver().queue(queue).Add().Raw(kPlain, 32, kIndirect).Publish();
    ExpectBroken(queue);
  });
  for (const uint16_t next : {2, 3, 0xffff}) {
    ForEachQueue([&](uint16_t queue) {
      PutTable(driver(), kPlain, {{kPlain + 0x1000, 16, kNext, next}, {kPlain, 16, 0, 0}}, false);
      driver().queue(queue).Add().Raw(kPlain, 32, kIndirect).Publish();
      ExpectBroken(queue);
    });
  }
}

TEST_P(DeviceAbuse, IndirectTableOfTooMany) {
  ForEachQueue([&](uint16_t queue) {
    // One byte each, 40000 of them.
    std::vector<TableEntry> entries;
    for (uint32_t i = 0; i < 40000; ++i) {
      entries.push_back({kPlain, 1, packed() ? uint16_t{0} : kNext, static_cast<uint16_t>(i + 1)});
    }
    entries.back().flags = 0;
    PutTable(driver(), 0x10'0000, entries, packed());
    driver().queue(queue).Add().Raw(0x10'0000, 40000 * 16, kIndirect).Publish();
    ExpectBroken(queue);
  });
}

TEST_P(DeviceAbuse, IndirectTableThatIsItsOwnBuffer) {
  ForEachQueue([&](uint16_t queue) {
    PutTable(driver(), kPlain,
             {{kPlain, 32, packed() ? uint16_t{0} : kNext, 1}, {kPlain, 32, kWrite, 0}}, packed());
    driver().queue(queue).Add().Raw(kPlain, 32, kIndirect).Publish();
    Kick(queue);
  });
}

TEST_P(DeviceAbuse, IndirectWithoutTheFeature) {
  DriverOptions options;
  options.features = ~kFeatureIndirectDesc;
  const uint16_t count = Make(options).frontend().queue_count();
  for (uint16_t queue = 0; queue < count; ++queue) {
    PutTable(driver(), kPlain, {{kPlain + 0x1000, 16, 0, 0}}, packed());
    driver().queue(queue).Add().Raw(kPlain, 16, kIndirect).Publish();
    ExpectBroken(queue);
    End();
    Make(options);
  }
}

TEST_P(DeviceAbuse, BuffersAtTheRingsThemselves) {
  ForEachQueue([&](uint16_t queue) {
    const RingPlace place = driver().queue(queue).ring().place();
    const auto bytes = static_cast<uint32_t>(RingBytes(place.size));
    for (const uint64_t at : {place.descriptors, place.driver, place.device}) {
      if (driver().queue(queue).ring().Room() < 3) break;
      driver().queue(queue).Add().Raw(at, 64, 0).Raw(at, 64, kWrite).Publish();
      driver().queue(queue).Add().Raw(place.descriptors, bytes, kWrite).Publish();
    }
    Kick(queue);
    Kick(queue);
  });
}

TEST_P(DeviceAbuse, RingThatCannotBe) {
  Make();
  const uint64_t end = ram_end();
  const std::function<void(QueueConfig&)> changes[] = {
      [](QueueConfig& c) { c.size = 0; },
      [](QueueConfig& c) { c.size = c.max_size + 1; },
      [](QueueConfig& c) { c.size = 0xffff; },
      [](QueueConfig& c) { c.descriptors.value += 8; },
      [](QueueConfig& c) { c.driver.value += 1; },
      [](QueueConfig& c) { c.device.value += 2; },
      [&](QueueConfig& c) { c.descriptors.value = end; },
      [&](QueueConfig& c) { c.descriptors.value = end - 8 * c.size; },
      [&](QueueConfig& c) { c.driver.value = end; },
      [&](QueueConfig& c) { c.device.value = end; },
      [](QueueConfig& c) { c.descriptors.value = UINT64_MAX - 15; },
      [](QueueConfig& c) { c.driver.value = UINT64_MAX - 3; },
      [](QueueConfig& c) { c.device.value = UINT64_MAX - 3; },
      [](QueueConfig& c) { c.device.value = 0xfeb0'0000; },
  };
  for (const auto& change : changes) {
    for (uint16_t queue = 0; queue < driver().frontend().queue_count(); ++queue) {
      Reset();
      ASSERT_TRUE(driver().Negotiate());
      driver().SetUpQueues();
      driver().frontend().SetQueueReady(queue, false);
      // Disabling forgot the addresses: start from those of the ring that was there.
      const RingPlace place = driver().queue(queue).ring().place();
      driver().frontend().ConfigureQueue(queue, [&](QueueConfig& config) {
        config.size = place.size;
        config.descriptors = {place.descriptors};
        config.driver = {place.driver};
        config.device = {place.device};
        change(config);
      });
      driver().frontend().SetQueueReady(queue, true);
      driver().DriverOk();
      Settle();
      EXPECT_TRUE(driver().needs_reset());
      Kick(queue);
    }
  }
}

TEST_P(DeviceAbuse, QueueRewrittenAfterActivation) {
  ForEachQueue([&](uint16_t queue) {
    const QueueConfig before = driver().frontend().queue(queue);
    EXPECT_FALSE(driver().frontend().ConfigureQueue(queue, [](QueueConfig& config) {
      config.size = 0x8000;
      config.descriptors = config.driver = config.device = {0xfeb0'0000};
    }));
    driver().frontend().SetQueueReady(queue, true);
    driver().frontend().SetDriverFeatures(0, 0);
    driver().frontend().SetDriverFeatures(1, UINT32_MAX);
    const QueueConfig after = driver().frontend().queue(queue);
    EXPECT_EQ(after.size, before.size);
    EXPECT_EQ(after.device, before.device);
    Kick(queue);
    EXPECT_FALSE(driver().needs_reset());
  });
}

}  // namespace
}  // namespace davit::virtio::testing
