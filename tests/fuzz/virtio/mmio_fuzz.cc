// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Any register accesses to a virtio-mmio window, between steps of a driver that knows what it does,
// bytes in guest RAM, stops, resumes and power-on resets. Checks that the interrupt line always
// says what the status register says, and that what the device keeps is what is in flight.
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
#include "vmm/virtio/testing/echo_device.h"
#include "vmm/virtio/transport/mmio/mmio_transport.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kRam = 64 * kKiB;

memory::GuestMemory Ram() {
  static const memory::GuestMemory memory = [] {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kRam;
    return *memory::GuestMemory::Create({{{0}, kRam, *memory::RamBlock::Create(options), 0}});
  }();
  return memory;
}

class MmioFuzz {
 public:
  MmioFuzz(const uint8_t* data, size_t size) : stream_(data, size) {
    (void)memory_.Fill({0}, kRam, std::byte{0});
    transport_.Plug(frontend_, nullptr);
  }
  ~MmioFuzz() {
    frontend_.Quiesce();
    loop_.RunPosted();
  }

  void Run() {
    while (!stream_.done()) {
      Step(stream_.Next());
      std::array<uint8_t, 4> data{};
      transport_.Read(0x060, data);
      DAVIT_CHECK(line_.level() == (LoadLe(data.data(), 4) != 0));
    }
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
        return Negotiate(stream_.Next());
      case 1:
        return SetUpQueue(what >> 4 & 1, what >> 5);
      case 2:
        return Set(0x070, 15);
      case 3:
        return Set(0x050, what >> 4);
      case 4:
      case 5:
        loop_.RunPosted();
        return;
      case 6:
        return frontend_.OnRunning(what & 0x80);
      case 7:
        seen_.hold = what & 0x80;
        return GiveBack();
      case 8:
        if (what != 0xf8) return Set(0x064, what >> 4);
        frontend_.Quiesce();
        return transport_.Reset();
      case 9:
        return Set(0x0c0, what >> 7);
      case 10:
      case 11:
      case 12: {
        const uint64_t address = stream_.Next() | uint64_t{stream_.Next() & 0x3fU} << 8;
        (void)memory_.Write({address}, stream_.Next());
        return;
      }
      default:
        return stream_.Access(transport_, MmioTransport::kWindowSize - 8);
    }
  }
  void Negotiate(uint8_t features) {
    Set(0x070, 0);
    Set(0x070, 3);
    Set(0x024, 0);
    Set(0x020, uint64_t{features} << 24 & 0x3000'0000);
    Set(0x024, 1);
    Set(0x020, 1 | (features & 1 ? 4 : 0) | (features & 2 ? 0x100 : 0));
    Set(0x070, 11);
  }
  void SetUpQueue(uint32_t index, uint8_t log_size) {
    Set(0x030, index);
    Set(0x038, 1U << (log_size & 3));
    for (const uint64_t part : {0, 1, 2}) {
      Set(0x080 + 16 * part, 0x1000 * index + 0x400 * part);
      Set(0x084 + 16 * part, 0);
    }
    Set(0x044, 1);
  }
  void GiveBack() {
    if (seen_.held.empty()) return;
    auto lock = frontend_.Lock();
    for (auto& [index, chain] : seen_.held) {
      (void)seen_.queues[index]->Complete(std::move(chain), 0);
      seen_.queues[index]->Notify();
    }
    seen_.held.clear();
  }

  fuzz::AccessStream stream_;
  const memory::GuestMemory memory_ = Ram();
  io::FakeEventLoop loop_;
  irq::RecordingIrqLine line_;
  testing::EchoDevice::Seen seen_;
  Frontend frontend_{std::make_unique<testing::EchoDevice>(seen_),
                     {.indirect_desc = true, .event_idx = true, .packed = true},
                     loop_,
                     memory_};
  MmioTransport transport_{0xfeb00000, line_};
};

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  davit::virtio::MmioFuzz(data, size).Run();
  return 0;
}
