// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See abuse_suite.h: the fixture.
#include <algorithm>

#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio::testing {
namespace {

constexpr uint64_t kGuardBytes = 64 * kKiB;
constexpr std::byte kGuardByte{0xa5};
constexpr int kSettleRounds = 100;

}  // namespace

void DeviceAbuse::TearDown() {
  if (driver_) End();
}

bool DeviceAbuse::Served(uint16_t queue) const {
  return std::find(target().served.begin(), target().served.end(), queue) != target().served.end();
}

Driver& DeviceAbuse::Make(DriverOptions options) {
  options.frontend.packed = packed();
  options.window = target().window;
  Drop();  // the back end is for one device at a time
  driver_ = std::make_unique<Driver>(target().make, options);
  if (target().equip) equipment_ = target().equip(*driver_);
  guard_ = ram_end() - kMiB;
  (void)driver_->memory().Fill({guard_}, kGuardBytes, kGuardByte);
  return *driver_;
}

SplitDriverRing& DeviceAbuse::split(uint16_t queue) {
  auto* ring = dynamic_cast<SplitDriverRing*>(&driver_->queue(queue).ring());
  DAVIT_CHECK(ring != nullptr);
  return *ring;
}

PackedDriverRing& DeviceAbuse::packed_ring(uint16_t queue) {
  auto* ring = dynamic_cast<PackedDriverRing*>(&driver_->queue(queue).ring());
  DAVIT_CHECK(ring != nullptr);
  return *ring;
}

void DeviceAbuse::ForEachQueue(const std::function<void(uint16_t)>& act) {
  Make();
  const uint16_t count = driver_->frontend().queue_count();
  for (uint16_t queue = 0; queue < count; ++queue) {
    SCOPED_TRACE("queue " + std::to_string(queue));
    if (!driver_) Make();
    act(queue);
    End();
    Drop();
  }
}

void DeviceAbuse::Drop() {
  equipment_.reset();
  driver_.reset();
}

void DeviceAbuse::Kick(uint16_t queue) {
  driver_->frontend().Kick(queue);
  Settle();
}

void DeviceAbuse::Settle() {
  driver_->loop().RunPosted();
  if (target().settle) target().settle(*driver_);
  driver_->loop().RunPosted();
}

void DeviceAbuse::ExpectBroken(uint16_t queue) {
  Kick(queue);
  if (Served(queue)) {
    EXPECT_TRUE(driver_->needs_reset());
  }
}

void DeviceAbuse::Reset() {
  driver_->Reset();
  for (int i = 0; driver_->status() != 0 && i < kSettleRounds; ++i) Settle();
  ASSERT_EQ(driver_->status(), 0) << "the reset does not end";
}

void DeviceAbuse::End() {
  std::vector<std::byte> guard(kGuardBytes);
  ASSERT_TRUE(driver_->memory().Read({guard_}, guard));
  if (target().guard) {
    EXPECT_TRUE(std::all_of(guard.begin(), guard.end(), [](std::byte b) {
      return b == kGuardByte;
    })) << "wrote where no descriptor points";
  }
  Reset();
  ASSERT_TRUE(driver_->Start());
  Settle();
  EXPECT_FALSE(driver_->needs_reset()) << "does not work after a reset";
}

uint64_t DeviceAbuse::ram_end() const { return driver_->memory().total_bytes(); }

std::vector<uint8_t> DeviceAbuse::Garbage(size_t bytes) {
  std::vector<uint8_t> garbage(bytes);
  for (uint8_t& byte : garbage) byte = static_cast<uint8_t>(random_());
  return garbage;
}

}  // namespace davit::virtio::testing
