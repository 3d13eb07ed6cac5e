// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See abuse_suite.h: well-formed chains with bad requests, odd shapes and bad timing.
#include <algorithm>
#include <atomic>
#include <thread>

#include "vmm/base/units.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio::testing {
namespace {

// What came back was queued and fits.
void CheckUsed(Driver& driver, uint16_t queue, uint32_t writable) {
  for (const Used& used : driver.queue(queue).CollectUsed()) {
    EXPECT_LE(used.length, writable);
    EXPECT_EQ(used.bytes.size(), used.length) << "more bytes than the chain has";
  }
}

TEST_P(DeviceAbuse, RequestsOfEveryShortLength) {
  ForEachQueue([&](uint16_t queue) {
    for (uint32_t readable = 0; readable <= 40; ++readable) {
      for (const uint32_t writable : {0U, 1U, 2U, 7U, 8U, 16U, 20U, 512U, 600U}) {
        if (readable + writable == 0) continue;
        auto chain = driver().queue(queue).Add();
        if (readable != 0) chain.Readable(Garbage(readable));
        if (writable != 0) chain.Writable(writable);
        chain.Publish();
        Kick(queue);
        CheckUsed(driver(), queue, writable);
        // A device may keep requests, or may have had enough.
        Reset();
        ASSERT_TRUE(driver().Start());
      }
    }
  });
}

TEST_P(DeviceAbuse, RequestsInDescriptorsOfOneByte) {
  ForEachQueue([&](uint16_t queue) {
    const uint32_t size = driver().queue(queue).ring().place().size;
    for (int round = 0; round < 40; ++round) {
      const uint32_t readable = Random(std::max(size / 2, 1U)) + 1;
      const uint32_t writable = Random(std::max(size - readable, 1U));
      if (readable + writable > size) continue;
      std::vector<uint8_t> bytes = Garbage(readable);
      if (round % 2 == 0) std::fill(bytes.begin(), bytes.end(), static_cast<uint8_t>(round / 2));
      driver().queue(queue).Add().ReadablePieces(bytes, 1).WritablePieces(writable, 1).Publish();
      Kick(queue);
      CheckUsed(driver(), queue, writable);
      Reset();
      ASSERT_TRUE(driver().Start());
    }
  });
}

TEST_P(DeviceAbuse, GarbageRequests) {
  ForEachQueue([&](uint16_t queue) {
    for (int round = 0; round < 300; ++round) {
      std::vector<uint8_t> bytes = Garbage(1 + Random(64));
      // Small numbers are the more interesting ones: types, commands, lengths.
      for (size_t i = 0; i < bytes.size(); ++i) {
        if (Random(4) != 0) bytes[i] = static_cast<uint8_t>(i % 4 == 0 ? Random(16) : 0);
      }
      const uint32_t writable = Random(3) * 300;
      auto chain = driver().queue(queue).Add();
      chain.ReadablePieces(bytes, 1 + Random(40));
      if (writable != 0) chain.WritablePieces(writable, 256);
      chain.Indirect().Publish();
      Kick(queue);
      CheckUsed(driver(), queue, writable);
      Reset();
      ASSERT_TRUE(driver().Start());
    }
  });
}

TEST_P(DeviceAbuse, FeatureSubsets) {
  const uint64_t offered = Make().frontend().offered_features();
  for (int round = 0; round < 66; ++round) {
    DriverOptions options;
    options.features = kFeatureVersion1 | (offered & kFeatureRingPacked);
    if (round < 64) options.features |= offered & ~(uint64_t{1} << round);
    if (round < 64 && (offered & (uint64_t{1} << round)) == 0) continue;
    if (round == 65) options.features |= (offered >> 1) & 0x5555555555555555;
    options.features |= kFeatureVersion1;
    Make(options);
    for (uint16_t queue = 0; queue < driver().frontend().queue_count(); ++queue) {
      for (const uint32_t readable : {1U, 8U, 10U, 12U, 16U, 20U, 24U}) {
        if (driver().queue(queue).ring().Room() < 9) break;  // it keeps them
        driver().queue(queue).Add().ReadablePieces(Garbage(readable), 3).Writable(32).Publish();
        Kick(queue);
        CheckUsed(driver(), queue, 32);
      }
    }
    End();
  }
}

TEST_P(DeviceAbuse, RingFullOfBuffers) {
  ForEachQueue([&](uint16_t queue) {
    const uint16_t size = driver().queue(queue).ring().place().size;
    for (int round = 0; round < 3; ++round) {
      for (uint16_t i = 0; i < size; ++i) driver().queue(queue).Add().Writable(64).Publish();
      Kick(queue);
      if (driver().queue(queue).CollectUsed().size() != size) break;  // it keeps them
    }
  });
}

TEST_P(DeviceAbuse, KickOfAnyIndex) {
  Make();
  for (uint32_t index = 0; index <= 0xffff; index += index < 300 ? 1 : 251) {
    driver().frontend().Kick(static_cast<uint16_t>(index));
  }
  Settle();
  EXPECT_FALSE(driver().needs_reset());
}

TEST_P(DeviceAbuse, KicksInAnyState) {
  DriverOptions options;
  options.start = false;
  Make(options);
  const auto kick_all = [&] {
    for (uint16_t i = 0; i < driver().frontend().queue_count(); ++i) Kick(i);
  };
  kick_all();
  ASSERT_TRUE(driver().Negotiate());
  kick_all();
  driver().SetUpQueues();
  kick_all();
  EXPECT_FALSE(driver().needs_reset());
  driver().DriverOk();
  kick_all();
  driver().frontend().SetStatus(kStatusFailed);
  kick_all();
  EXPECT_FALSE(driver().needs_reset());
}

TEST_P(DeviceAbuse, ResetWithRequestsQueued) {
  ForEachQueue([&](uint16_t queue) {
    for (int round = 0; round < 20; ++round) {
      const uint16_t size = driver().queue(queue).ring().place().size;
      for (int i = 0; i < std::min<int>(size / 2, 8); ++i) {
        driver().queue(queue).Add().Readable(Garbage(24)).Writable(64).Publish();
      }
      driver().frontend().Kick(queue);
      if (round % 3 == 1) driver().loop().RunPosted();
      if (round % 3 == 2) Settle();
      Reset();
      ASSERT_TRUE(driver().Start());
    }
  });
}

TEST_P(DeviceAbuse, ResetOfOneQueueWithRequestsQueued) {
  if ((Make().features() & kFeatureRingReset) == 0) GTEST_SKIP() << "not offered";
  ForEachQueue([&](uint16_t queue) {
    for (int round = 0; round < 5; ++round) {
      driver().queue(queue).Add().Readable(Garbage(24)).Writable(64).Publish();
      driver().queue(queue).Add().Writable(64).Publish();
      driver().frontend().Kick(queue);
      driver().frontend().ResetQueue(queue);
      Settle();
      if (driver().needs_reset()) {  // the request was too bad: nothing else helps then
        Reset();
        ASSERT_TRUE(driver().Start());
        continue;
      }
      for (int i = 0; driver().frontend().queue_resetting(queue) && i < 100; ++i) Settle();
      ASSERT_FALSE(driver().frontend().queue_resetting(queue)) << "the queue's reset does not end";
      EXPECT_FALSE(driver().frontend().queue(queue).ready);
      driver().SetUpQueue(queue);
      Kick(queue);
      EXPECT_FALSE(driver().needs_reset());
    }
  });
}

TEST_P(DeviceAbuse, StoppedAndResumedWithRequestsQueued) {
  ForEachQueue([&](uint16_t queue) {
    for (int round = 0; round < 5; ++round) {
      driver().queue(queue).Add().Readable(Garbage(24)).Writable(64).Publish();
      driver().frontend().Kick(queue);
      driver().frontend().OnRunning(false);
      Kick(queue);
      Reset();
      ASSERT_TRUE(driver().Start());
      driver().frontend().OnRunning(true);
      Settle();
    }
  });
}

TEST_P(DeviceAbuse, ConfigurationSpaceOfAnyOffsetAndWidth) {
  Make();
  const uint32_t size = driver().frontend().traits().config_size;
  std::vector<uint32_t> offsets = {size + 1, 0x1000, UINT32_MAX, UINT32_MAX - 3};
  for (uint32_t offset = 0; offset <= size; ++offset) offsets.push_back(offset);
  for (const uint32_t offset : offsets) {
    for (const size_t width : {1, 2, 4, 8}) {
      std::vector<uint8_t> bytes = Garbage(width);
      driver().frontend().WriteConfig(offset, bytes);
      driver().frontend().ReadConfig(offset, bytes);
      std::fill(bytes.begin(), bytes.end(), 0xff);
      driver().frontend().WriteConfig(offset, bytes);
    }
  }
  Settle();
}

// Bytes of the ring and of requests change while the device looks at them (double fetch).
TEST_P(DeviceAbuse, BytesThatChangeUnderway) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a data race by intent";
#endif
  ForEachQueue([&](uint16_t queue) {
    std::atomic<bool> stop{false};
    const memory::GuestMemory memory = driver().memory();
    for (int round = 0; round < 10; ++round) {
      const RingPlace place = driver().queue(queue).ring().place();
      const uint64_t bytes = 0x8'0000;
      (void)memory.Fill({bytes}, 0x100, std::byte{0});
      for (int i = 0; i < std::min<int>(place.size / 2, 8); ++i) {
        driver().queue(queue).Add().Raw(bytes, 24, 0).Raw(bytes + 0x100, 64, kWrite).Publish();
      }
      stop = false;
      const uint64_t seed = Random(1 << 30);
      std::thread flipper([&memory, &stop, place, bytes, seed] {
        std::mt19937_64 random(seed);
        while (!stop) {
          // A field of a descriptor, or of the request.
          const uint64_t descriptor = place.descriptors + 16 * (random() % 16 % place.size);
          (void)memory.Write({descriptor + 8}, static_cast<uint32_t>(random()));
          (void)memory.Write({descriptor + 8}, uint32_t{16});
          (void)memory.Write({bytes + random() % 24}, static_cast<uint8_t>(random() % 16));
        }
      });
      for (int i = 0; i < 5; ++i) Kick(queue);
      stop = true;
      flipper.join();
      Reset();
      ASSERT_TRUE(driver().Start());
    }
  });
}

TEST_P(DeviceAbuse, GarbageInTheRing) {
  ForEachQueue([&](uint16_t queue) {
    for (int round = 0; round < 200; ++round) {
      const RingPlace place = driver().queue(queue).ring().place();
      const uint64_t at = place.descriptors + Random(static_cast<uint32_t>(RingBytes(place.size)));
      std::vector<uint8_t> bytes = Garbage(1 + Random(16));
      if (Random(2) == 0) std::fill(bytes.begin(), bytes.end(), static_cast<uint8_t>(Random(4)));
      // Addresses of descriptors stay below the guard.
      for (uint8_t& byte : bytes) byte &= 0x87;
      (void)driver().memory().Write({at}, std::as_bytes(std::span(bytes)));
      if (!packed()) split(queue).SetAvailableIndex(static_cast<uint16_t>(1 + Random(4)));
      Kick(queue);
      if (driver().needs_reset() || round % 16 == 15) {
        Reset();
        ASSERT_TRUE(driver().Start());
      }
    }
  });
}

}  // namespace
}  // namespace davit::virtio::testing
