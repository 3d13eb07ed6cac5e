// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Frontend on a real iothread with several threads that kick, as vCPUs do: nothing is lost, and
// stop, reset and the end wait for what is in flight. Also run under --config=tsan.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "vmm/base/units.h"
#include "vmm/io/io_thread.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/frontend.h"
#include "vmm/virtio/testing/ring.h"

namespace davit::virtio {
namespace {

using testing::DriverRing;
using testing::PlaceRing;

constexpr uint16_t kSize = 64;

// Completes each request one turn of the loop later, as a back end does.
class LaterDevice final : public VirtioDevice {
 public:
  explicit LaterDevice(std::atomic<int>& completed) : completed_(completed) {
    traits_ = {.name = "virtio-later", .id = 42, .features = 0, .queue_sizes = {kSize}};
  }
  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t, std::span<uint8_t>) override {}
  void WriteConfig(uint32_t, std::span<const uint8_t>) override {}
  Status Activate(uint64_t, std::span<VirtQueue* const> queues) override {
    queue_ = queues[0];
    return {};
  }
  void HandleQueue(uint16_t) override {
    for (;;) {
      auto chain = queue_->Pop();
      if (!chain) return host().NeedsReset(chain.error().message);
      if (!chain->has_value()) return;
      auto held = std::make_shared<DescriptorChain>(std::move(**chain));
      ++pending_;
      host().loop().Post([this, held] { Finish(std::move(*held)); });
    }
  }
  bool Reset() override {
    resetting_ = pending_ != 0;
    return !resetting_;
  }
  void OnRunning(bool running) override { running_ = running; }
  void Drain() override {
    // What is posted already runs before this does.
    std::unique_lock lock = host().Lock();
    while (pending_ != 0) {
      ASSERT_FALSE(posted_.empty());
      DescriptorChain chain = std::move(posted_.back());
      posted_.pop_back();
      Complete(std::move(chain));
    }
  }

 private:
  void Finish(DescriptorChain chain) {
    auto lock = host().Lock();
    // Every other one takes a turn more, so that Drain() finds some.
    if (turn_++ % 2 == 0 && running_) {
      posted_.push_back(std::move(chain));
      host().loop().Post([this] {
        auto again = host().Lock();
        if (posted_.empty()) return;
        DescriptorChain late = std::move(posted_.back());
        posted_.pop_back();
        Complete(std::move(late));
      });
      return;
    }
    Complete(std::move(chain));
  }
  void Complete(DescriptorChain chain) {
    (void)queue_->Complete(std::move(chain), 0);
    queue_->Notify();
    ++completed_;
    --pending_;
    if (pending_ == 0 && std::exchange(resetting_, false)) host().ResetDone();
  }

  std::atomic<int>& completed_;
  DeviceTraits traits_;
  VirtQueue* queue_ = nullptr;
  int pending_ = 0, turn_ = 0;
  bool resetting_ = false, running_ = true;
  std::vector<DescriptorChain> posted_;
};

class CountingInterrupts final : public DeviceInterrupts {
 public:
  void RaiseQueue(uint16_t) override { Bump(); }
  void RaiseConfig() override { Bump(); }
  // Waits for one after the count `seen`; the new count.
  int WaitBeyond(int seen) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60), [&] { return count_ > seen; });
    return count_;
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  void Bump() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

class FrontendThreadTest : public ::testing::Test {
 protected:
  explicit FrontendThreadTest(const io::PollOptions& polling = {}, bool event_idx = false)
      : event_idx_(event_idx) {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kMiB;
    memory_ = *memory::GuestMemory::Create({{{0}, kMiB, *memory::RamBlock::Create(options), 0}});
    thread_ = *io::IoThread::Create("IO test", polling);
    frontend_ = std::make_unique<Frontend>(std::make_unique<LaterDevice>(completed_),
                                           FrontendOptions{}, thread_->loop(), memory_);
    frontend_->SetInterrupts(&interrupts_);
    Start();
  }
  ~FrontendThreadTest() override {
    if (frontend_) frontend_->Quiesce();
  }
  void Start() {
    const testing::RingPlace place = PlaceRing(kPageSize, kSize);
    (void)memory_.Fill({kPageSize}, testing::RingBytes(kSize), std::byte{0});
    frontend_->SetStatus(kStatusAcknowledge | kStatusDriver);
    frontend_->SetDriverFeatures(0, event_idx_ ? kFeatureEventIdx : 0);
    frontend_->SetDriverFeatures(1, kFeatureVersion1 >> 32);
    frontend_->SetStatus(kStatusFeaturesOk);
    frontend_->ConfigureQueue(0, [&](QueueConfig& config) {
      config.size = kSize;
      config.descriptors = {place.descriptors};
      config.driver = {place.driver};
      config.device = {place.device};
    });
    frontend_->SetQueueReady(0, true);
    frontend_->SetStatus(kStatusDriverOk);
    ring_ = DriverRing::Create(memory_, place, false, event_idx_);
  }
  // One request after another until `count` came back, kicked by `kick`.
  int Run(int count, const std::function<void()>& kick) {
    int back = 0, sent = 0;
    while (back < count) {
      const int seen = interrupts_.count();
      for (; sent < count && ring_->Room() > 0; ++sent) ring_->Publish({{0x8000, 16, 0}});
      // A driver looks at what the device wrote after its own writes are to be seen (2.7.13.3.1).
      std::atomic_thread_fence(std::memory_order_seq_cst);
      kick();
      ring_->WantInterrupt(true);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      int taken = 0;
      while (ring_->TakeUsed()) ++taken;
      back += taken;
      if (taken == 0 && interrupts_.WaitBeyond(seen) == seen) return back;  // lost
    }
    return back;
  }

  const bool event_idx_;
  std::atomic<int> completed_{0};
  memory::GuestMemory memory_;
  CountingInterrupts interrupts_;
  std::unique_ptr<io::IoThread> thread_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<DriverRing> ring_;
};

TEST_F(FrontendThreadTest, NoRequestIsLostWithRegisterKicks) {
  EXPECT_EQ(Run(2000, [this] { frontend_->Kick(0); }), 2000);
}

TEST_F(FrontendThreadTest, NoRequestIsLostWithDoorbells) {
  const int fd = *frontend_->KickFd(0);
  EXPECT_EQ(Run(2000,
                [fd] {
                  const uint64_t one = 1;
                  ASSERT_EQ(write(fd, &one, sizeof(one)), 8);
                }),
            2000);
}

// The loop looks for up to a millisecond before it sleeps. A driver kicks when it is asked to.
class PollingFrontendTest : public FrontendThreadTest, public ::testing::WithParamInterface<bool> {
 protected:
  PollingFrontendTest() : FrontendThreadTest({.max_ns = 1'000'000}, GetParam()) {}
};

TEST_P(PollingFrontendTest, NoRequestIsLostBetweenLooksAndKicks) {
  const int fd = *frontend_->KickFd(0);
  EXPECT_EQ(Run(5000,
                [&] {
                  const uint64_t one = 1;
                  if (ring_->KickWanted()) {
                    ASSERT_EQ(write(fd, &one, sizeof(one)), 8);
                  }
                }),
            5000);
}

INSTANTIATE_TEST_SUITE_P(EventIdx, PollingFrontendTest, ::testing::Bool());

TEST_F(FrontendThreadTest, SpuriousKicksOfManyThreadsHarmNothing) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> kickers;
  for (int i = 0; i < 3; ++i) {
    kickers.emplace_back([&, i] {
      while (!stop) {
        frontend_->Kick(static_cast<uint16_t>(i % 2));
        (void)frontend_->status();
        (void)frontend_->queue(0);
      }
    });
  }
  EXPECT_EQ(Run(500, [this] { frontend_->Kick(0); }), 500);
  stop = true;
  for (std::thread& kicker : kickers) kicker.join();
}

TEST_F(FrontendThreadTest, StopWaitsForWhatIsInFlight) {
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 8; ++i) ring_->Publish({{0x8000, 16, 0}});
    frontend_->Kick(0);
    frontend_->OnRunning(false);
    const int before = completed_;
    frontend_->Kick(0);  // remembered
    EXPECT_EQ(completed_, before);
    frontend_->OnRunning(true);
    int back = 0;
    while (back < 8) {
      const int seen = interrupts_.count();
      int taken = 0;
      while (ring_->TakeUsed()) ++taken;
      back += taken;
      if (taken == 0) {
        ASSERT_GT(interrupts_.WaitBeyond(seen), seen) << "lost";
      }
    }
  }
}

TEST_F(FrontendThreadTest, QuiesceEndsWhatIsInFlight) {
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 16; ++i) ring_->Publish({{0x8000, 16, 0}});
    frontend_->Kick(0);
    frontend_->Quiesce();
    ASSERT_EQ(frontend_->status(), 0);
    const int before = completed_;
    frontend_->Kick(0);
    EXPECT_EQ(completed_, before);
    Start();
  }
}

TEST_F(FrontendThreadTest, EndWithKicksUnderWay) {
  for (int round = 0; round < 20; ++round) {
    auto frontend = std::make_unique<Frontend>(std::make_unique<LaterDevice>(completed_),
                                               FrontendOptions{}, thread_->loop(), memory_);
    const int fd = *frontend->KickFd(0);
    const uint64_t one = 1;
    ASSERT_EQ(write(fd, &one, sizeof(one)), 8);
    frontend->Kick(0);
    frontend.reset();
  }
}

}  // namespace
}  // namespace davit::virtio
