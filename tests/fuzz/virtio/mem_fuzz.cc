// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory device between a driver that sends any requests and a host that asks for more or less,
// stops, and resets meanwhile. A model of the blocks tells what each answer must be; what is not
// plugged must read as zeros, and the driver's own memory stay as it is.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/base/units.h"
#include "vmm/virtio/mem/mem.h"
#include "vmm/virtio/mem/wire.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kBase = testing::kWindow;
constexpr uint64_t kBlock = 4096;  // the device takes any power of two: small ones are quick
constexpr uint64_t kBlocks = 32;

class MemFuzz {
 public:
  MemFuzz(const uint8_t* data, size_t size) : stream_(data, size) {
    const uint8_t how = stream_.Next();
    MemConfig config;
    config.address = kBase;
    config.region_size = kBlocks * kBlock;
    config.block_size = kBlock;
    config.requested_size = (how >> 3) * kBlock;
    config.prealloc = how & 2;
    config.unplugged_inaccessible = how & 4;
    auto device = std::make_unique<Mem>(std::move(config));
    mem_ = device.get();
    testing::DriverOptions options;
    options.frontend.packed = how & 1;
    options.window = kBlocks * kBlock;
    options.start = false;
    driver_ = std::make_unique<testing::Driver>(std::move(device), options);
    DAVIT_CHECK(driver_->Start());
  }

  void Run() {
    for (int n = 0; n < 500 && !stream_.done(); ++n) Step(stream_.Next());
    DAVIT_CHECK(mem_->plugged_size() == Plugged() * kBlock);
  }

 private:
  uint64_t Plugged() const {
    return static_cast<uint64_t>(std::count(plugged_.begin(), plugged_.end(), true));
  }

  // What the device must answer, and does to the model.
  mem::ResponseType Expect(const mem::Request& request) {
    if (request.type == mem::kUnplugAll) {
      plugged_.fill(false);
      return mem::kAck;
    }
    const uint64_t usable = driver_->Config<mem::Config>(0).usable_region_size;
    const uint64_t at = uint64_t{request.addr} - kBase, count = request.nb_blocks;
    if (uint64_t{request.addr} < kBase || at % kBlock != 0 || count == 0 || at >= usable ||
        count * kBlock > usable - at) {
      return mem::kError;
    }
    const auto first = plugged_.begin() + static_cast<ptrdiff_t>(at / kBlock);
    const auto last = first + static_cast<ptrdiff_t>(count);
    if (request.type == mem::kState) return mem::kAck;
    const bool plug = request.type == mem::kPlug;
    if (plug && (Plugged() + count) * kBlock > mem_->requested_size()) return mem::kNack;
    if (std::find(first, last, plug) != last) return mem::kError;
    std::fill(first, last, plug);
    return mem::kAck;
  }

  void Ask(uint8_t what) {
    mem::Request request{};
    request.type = static_cast<uint16_t>(what >> 4 & 3);
    request.addr = kBase + stream_.Next() % (kBlocks + 2) * kBlock - (what & 8 ? kBlock : 0);
    request.nb_blocks = stream_.Next() % (kBlocks + 2);
    if (what & 4) request.addr = uint64_t{request.addr} + stream_.Next();
    const bool served = running_ && !driver_->needs_reset();
    const auto expected = served ? Expect(request) : mem::kBusy;
    const auto used = driver_->queue(0).Request(
        std::span(reinterpret_cast<const uint8_t*>(&request), sizeof(request)),
        sizeof(mem::Response));
    if (!served) return Restart();
    DAVIT_CHECK(used && used->length == sizeof(mem::Response));
    mem::Response response;
    std::memcpy(&response, used->bytes.data(), sizeof(response));
    DAVIT_CHECK(response.type == expected);
    CheckBlocks();
  }

  // What was unplugged is zeros again; what is plugged gets other bytes.
  void CheckBlocks() {
    for (uint64_t i = 0; i < kBlocks; ++i) {
      const auto byte = driver_->memory().Read<uint8_t>({kBase + i * kBlock + 7});
      DAVIT_CHECK(byte && (plugged_[i] || !written_[i] || *byte == 0));
      written_[i] = plugged_[i];
      if (plugged_[i]) (void)driver_->memory().Fill({kBase + i * kBlock}, kBlock, std::byte{0x5a});
    }
  }

  // Any bytes, then a device that works again.
  void Garbage(uint8_t what) {
    std::string bytes(1 + (what >> 4) * 3u, '\0');
    for (char& c : bytes) c = static_cast<char>(stream_.Next());
    // A whole request among them would change the model.
    bytes.resize(std::min<size_t>(bytes.size(), sizeof(mem::Request) - 1));
    driver_->queue(0).Add().Readable(bytes).Writable(stream_.Next() % 16).Publish();
    driver_->queue(0).Kick();
    DAVIT_CHECK(!running_ || driver_->needs_reset());
    Restart();
  }

  void Restart() {
    driver_->Reset();
    DAVIT_CHECK(driver_->Start());
  }

  void Step(uint8_t what) {
    switch (what & 3) {
      case 0:
      case 1:
        return Ask(what);
      case 2:
        return (void)mem_->SetRequestedSize(stream_.Next() % (kBlocks + 2) * kBlock + (what >> 7));
      default:
        break;
    }
    switch (what >> 2 & 3) {
      case 0:
        running_ = !running_;
        return driver_->frontend().OnRunning(running_);
      case 1:
        return Garbage(what);
      case 2:
        return Restart();
      default:
        driver_->frontend().Quiesce();
        mem_->OnMachineReset();
        plugged_.fill(false);
        CheckBlocks();
        return Restart();
    }
  }

  fuzz::AccessStream stream_;
  Mem* mem_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
  std::array<bool, kBlocks> plugged_{}, written_{};
  bool running_ = true;
};

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  davit::virtio::MemFuzz(data, size).Run();
  return 0;
}
