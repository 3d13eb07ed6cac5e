// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The balloon between a driver that puts anything into its queues, lists longer than a turn serves
// among it, and a host that asks, polls, stops and resets meanwhile. Checks that no page loses its
// bytes but those that the driver has named.
#include <array>
#include <bitset>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/base/units.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/virtio/balloon/balloon.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kRamMib = 4;
constexpr uint32_t kPages = kRamMib * kMiB / kBalloonPage;
constexpr uint32_t kFirst = kPages / 2;  // the driver's own memory lies below
constexpr uint16_t kInflate = 0, kDeflate = 1, kHint = 3, kReport = 4, kQueues = 5;
constexpr uint16_t kWriteFlag = 2;

class BalloonFuzz {
 public:
  BalloonFuzz(const uint8_t* data, size_t size) : stream_(data, size) {
    const uint8_t how = stream_.Next();
    BalloonConfig config;
    config.free_page_hint = config.free_page_reporting = true;
    config.timer_loop = &timers_;
    auto balloon = std::make_unique<Balloon>(config);
    balloon_ = balloon.get();
    testing::DriverOptions options;
    options.ram_mib = kRamMib;
    options.frontend.packed = how & 1;
    if (how & 2) options.features = ~uint64_t{2};  // without statistics
    driver_ = std::make_unique<testing::Driver>(std::move(balloon), options);
    for (uint64_t page = kFirst; page < kPages; ++page) {
      (void)driver_->memory().Fill({page * kBalloonPage}, kBalloonPage, std::byte{0x5a});
    }
  }

  void Run() {
    // One operation costs guest memory; the driver takes none back.
    for (int n = 0; n < 500 && !stream_.done(); ++n) Step(stream_.Next());
    driver_->frontend().OnRunning(true);
    driver_->loop().RunPosted();
    DAVIT_CHECK(balloon_->Actual() <= kRamMib * kMiB);
    for (uint32_t page = kFirst; page < kPages; ++page) {
      const auto byte = driver_->memory().Read<uint8_t>({uint64_t{page} * kBalloonPage + 7});
      DAVIT_CHECK(named_[page] || (byte && *byte == 0x5a));
    }
  }

 private:
  static constexpr size_t kMost = 8;  // chains of a queue in flight

  testing::DriverQueue& Queue(uint16_t index) { return driver_->queue(index); }
  // Whether the driver has room for one more; counts it.
  bool Room(uint16_t index) {
    size_t& count = in_flight_[index];
    count -= Queue(index).CollectUsed().size();
    return count < kMost && ++count != 0;
  }
  // A page of the upper half or somewhat behind RAM; now and then the last of all.
  uint32_t Page() {
    const uint32_t value = stream_.Next() | uint32_t{stream_.Next()} << 8;
    if (value == 0xffff) return UINT32_MAX;
    const uint32_t page = kFirst + value % (kPages - kFirst + 64);
    if (page < kPages) named_.set(page);
    return page;
  }
  void SendPages(uint16_t index, const std::vector<uint32_t>& pages, size_t odd) {
    std::string bytes(reinterpret_cast<const char*>(pages.data()), pages.size() * sizeof(uint32_t));
    bytes.append(odd, '\0');
    if (!bytes.empty() && Room(index)) Queue(index).Add().Readable(bytes).Publish();
  }

  void Step(uint8_t what) {
    const uint8_t more = stream_.Next();
    const auto queue = static_cast<uint16_t>(more % kQueues);
    switch (what & 15) {
      case 0:
      case 1: {
        std::vector<uint32_t> pages(more & 31);
        for (uint32_t& page : pages) page = Page();
        return SendPages(what & 16 ? kDeflate : kInflate, pages, what >> 6);
      }
      case 2:
        if (long_chains_++ >= 8) return;
        return SendPages(what & 16 ? kDeflate : kInflate, std::vector<uint32_t>(17000, Page()), 0);
      case 3: {
        const uint32_t page = Page();
        const uint32_t length = page < kPages ? kBalloonPage : 1u + more;
        if (!Room(kReport)) return;
        Queue(kReport).Add().Raw(uint64_t{page} * kBalloonPage, length, kWriteFlag).Publish();
        return;
      }
      case 4: {  // any bytes to any queue but those of pages
        std::string bytes(1 + (more & 31), '\0');
        for (char& c : bytes) c = static_cast<char>(stream_.Next());
        const uint16_t index = what & 16 ? kHint : 2;
        if (Room(index)) Queue(index).Add().Readable(bytes).Publish();
        return;
      }
      case 5:
      case 6:
        return driver_->frontend().Kick(queue);  // one turn
      case 7:
      case 8:
        (void)driver_->loop().RunPosted();
        return;
      case 9:
        return driver_->SetConfig<uint8_t>(more & 31, stream_.Next());
      case 10:
        return balloon_->SetTarget(uint64_t{more} << 15);
      case 11:
        balloon_->SetPollingInterval(more & 3);
        (void)balloon_->Stats();
        return;
      case 12:
        return timers_.Advance(std::chrono::seconds(more & 3));
      case 13:
        return driver_->frontend().OnRunning(more & 1);
      case 14:
        if (queue_resets_++ >= 16) return;
        driver_->frontend().ResetQueue(queue);
        DAVIT_CHECK(!driver_->frontend().queue_resetting(queue));  // nothing is with a back end
        driver_->SetUpQueue(queue);
        in_flight_[queue] = 0;
        return;
      default:
        driver_->Reset();
        in_flight_ = {};
        (void)driver_->Start();
    }
  }

  fuzz::AccessStream stream_;
  io::FakeEventLoop timers_;
  Balloon* balloon_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
  std::bitset<kPages> named_;
  std::array<size_t, kQueues> in_flight_{};
  int long_chains_ = 0, queue_resets_ = 0;
};

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  davit::virtio::BalloonFuzz(data, size).Run();
  return 0;
}
