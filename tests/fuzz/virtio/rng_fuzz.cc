// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The entropy device behind virtio-mmio: any register accesses and bytes in guest RAM between the
// steps of a driver, bytes from the source in any portions, time, stops and resets. Checks that no
// period gives more than its quota.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/base/log.h"
#include "vmm/base/units.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/rng/rng.h"
#include "vmm/virtio/transport/mmio/mmio_transport.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kRam = 64 * kKiB;
constexpr uint64_t kQuota = 100;
constexpr std::chrono::milliseconds kPeriod{10};

memory::GuestMemory Ram() {
  static const memory::GuestMemory memory = [] {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kRam;
    return *memory::GuestMemory::Create({{{0}, kRam, *memory::RamBlock::Create(options), 0}});
  }();
  return memory;
}

class Source final : public backend::RngSource {
 public:
  explicit Source(io::EventLoop& loop) : RngSource(loop) {}
  // At most `bytes`; how many it were.
  size_t Give(size_t bytes) {
    const Pending* pending = front();
    if (pending == nullptr || bytes == 0) return 0;
    static constexpr std::array<std::byte, 4096> kBytes{};
    bytes = std::min({bytes, pending->bytes, kBytes.size()});
    Deliver(std::span(kBytes).first(bytes));
    return bytes;
  }

 private:
  void Work() override {}
};

class RngFuzz {
 public:
  RngFuzz(const uint8_t* data, size_t size) : stream_(data, size) {
    (void)memory_.Fill({0}, kRam, std::byte{0});
    transport_.Plug(frontend_, nullptr);
  }
  ~RngFuzz() {
    frontend_.Quiesce();
    loop_.RunPosted();
  }

  void Run() {
    while (!stream_.done()) Step(stream_.Next());
  }

 private:
  void Set(uint64_t offset, uint64_t value) {
    std::array<uint8_t, 4> data;
    StoreLe(data.data(), 4, value);
    transport_.Write(offset, data);
  }
  void Step(uint8_t what) {
    switch (what & 15) {
      case 0:
        return Start(what >> 4);
      case 1:
      case 2:
        loop_.RunPosted();
        given_ += source_->Give(stream_.Next());
        DAVIT_CHECK(given_ <= kQuota * periods_ + 4096 * resets_);
        return;
      case 3:
        periods_ += 1 + (what >> 4);
        return loop_.Advance(kPeriod * (what >> 4));
      case 4:
        return frontend_.OnRunning(what & 0x80);
      case 5:
        return Set(0x050, 0);
      case 6:
        ++resets_;
        frontend_.Quiesce();
        return transport_.Reset();
      case 7:
      case 8:
      case 9:
      case 10: {
        const uint64_t address = stream_.Next() | uint64_t{stream_.Next() & 0xfU} << 8;
        (void)memory_.Write({address}, stream_.Next());
        return;
      }
      default:
        ++resets_;  // any register may be the status
        return stream_.Access(transport_, MmioTransport::kWindowSize - 8);
    }
  }
  // One queue of up to 8 with its parts at 0, 0x400 and 0x800.
  void Start(uint8_t log_size) {
    ++resets_;
    for (const auto& [offset, value] : std::initializer_list<std::pair<uint64_t, uint64_t>>{
             {0x070, 0}, {0x070, 3}, {0x024, 1}, {0x020, 1}, {0x070, 11}, {0x030, 0}}) {
      Set(offset, value);
    }
    Set(0x038, 1U << (log_size & 3));
    for (const uint64_t part : {0, 1, 2}) {
      Set(0x080 + 16 * part, 0x400 * part);
      Set(0x084 + 16 * part, 0);
    }
    Set(0x044, 1);
    Set(0x070, 15);
  }

  fuzz::AccessStream stream_;
  const memory::GuestMemory memory_ = Ram();
  io::FakeEventLoop loop_;
  irq::RecordingIrqLine line_;
  std::shared_ptr<Source> source_ = std::make_shared<Source>(loop_);
  uint64_t given_ = 0, periods_ = 1, resets_ = 0;
  Frontend frontend_{
      std::make_unique<Rng>(RngConfig{source_, kQuota, kPeriod}), {}, loop_, memory_};
  MmioTransport transport_{0xfeb00000, line_};
};

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  davit::virtio::RngFuzz(data, size).Run();
  return 0;
}
