// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a disk request costs davit itself, from the kick to the interrupt: a split ring, virtio-blk,
// its back end and an iothread's loop, in one thread and without a guest. By hand; prints
// nanoseconds a request of 4 KiB for null-co and for a file by io_uring.
//   bazel run -c opt //tests/bench:disk_bench -- [FILE]
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vmm/backend/block/graph.h"
#include "vmm/backend/file/file_opener.h"
#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/io/epoll_event_loop.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/block/block.h"
#include "vmm/virtio/block/wire.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/frontend.h"
#include "vmm/virtio/testing/ring.h"

namespace davit::virtio {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint16_t kSize = 256;
constexpr uint64_t kRings = kPageSize;
constexpr uint64_t kRequests = kMiB;  // 8 KiB each: header, status, data
constexpr uint64_t kStride = 8 * kKiB;
constexpr uint64_t kDiskBytes = 64 * kMiB;
constexpr int kTotal = 100000;

class CountingInterrupts final : public DeviceInterrupts {
 public:
  void RaiseQueue(uint16_t) override { ++raised; }
  void RaiseConfig() override {}
  int raised = 0;
};

class Rig {
 public:
  explicit Rig(const backend::BlockNodeSpec& node) {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = 16 * kMiB;
    memory_ =
        *memory::GuestMemory::Create({{{0}, options.size, *memory::RamBlock::Create(options), 0}});
    DAVIT_CHECK(graph_.AddNode(node));
    auto disk = graph_.Attach(node.node_name, {.qdev = "bench"});
    DAVIT_CHECK(disk);
    auto device = BlockDevice::Create({}, std::move(*disk));
    DAVIT_CHECK(device);
    frontend_ = std::make_unique<Frontend>(std::move(*device), FrontendOptions{}, loop_, memory_);
    frontend_->SetInterrupts(&interrupts_);
    const testing::RingPlace place = testing::PlaceRing(kRings, kSize);
    frontend_->SetStatus(kStatusAcknowledge | kStatusDriver);
    frontend_->SetDriverFeatures(0, kFeatureEventIdx | kFeatureIndirectDesc);
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
    kick_ = *frontend_->KickFd(0);
    ring_ = testing::DriverRing::Create(memory_, place, false, true);
  }
  ~Rig() { frontend_->Quiesce(); }

  // Nanoseconds of a request and interrupts a request.
  std::pair<double, double> Measure(int depth) {
    interrupts_.raised = 0;
    uint64_t sector = 0;
    const auto start = Clock::now();
    for (int done = 0; done < kTotal; done += depth) {
      for (int i = 0; i < depth; ++i)
        Publish(kRequests + kStride * static_cast<uint64_t>(i), sector++);
      ring_->WantInterrupt(true);
      const uint64_t one = 1;
      if (ring_->KickWanted()) DAVIT_CHECK(write(kick_, &one, sizeof(one)) == 8);
      for (int back = 0; back < depth;) {
        while (ring_->TakeUsed()) ++back;
        if (back < depth) loop_.RunOne(std::chrono::seconds(10));
      }
    }
    const std::chrono::duration<double, std::nano> spent = Clock::now() - start;
    return {spent.count() / kTotal, double(interrupts_.raised) / kTotal};
  }

 private:
  void Publish(uint64_t at, uint64_t n) {
    const block::Header header{block::kTypeIn, 0u, n * 8 % (kDiskBytes / 512)};
    (void)memory_.Write({at}, header);
    ring_->Publish({{at, sizeof(header), 0},
                    {at + 4096, 4096, testing::kWrite},
                    {at + sizeof(header), 1, testing::kWrite}});
  }

  memory::GuestMemory memory_;
  io::EpollEventLoop loop_;
  backend::PathOpener opener_;
  backend::BlockGraph graph_{opener_};
  CountingInterrupts interrupts_;
  std::unique_ptr<Frontend> frontend_;
  std::unique_ptr<testing::DriverRing> ring_;
  int kick_ = -1;
};

void Print(const char* name, const backend::BlockNodeSpec& node) {
  Rig rig(node);
  for (const int depth : {1, 32}) {
    const auto [ns, interrupts] = rig.Measure(depth);
    fmt::print("{:10} depth {:2}: {:8.1f} ns, {:.3f} interrupts a request\n", name, depth, ns,
               interrupts);
  }
}

}  // namespace
}  // namespace davit::virtio

int main(int argc, char** argv) {
  using namespace davit;  // NOLINT
  backend::BlockNodeSpec null;
  null.driver = backend::BlockDriver::kNullCo;
  null.node_name = "disk";
  null.null_size = virtio::kDiskBytes;
  virtio::Print("null-co", null);
  if (argc < 2) return 0;
  backend::BlockNodeSpec file;
  file.driver = backend::BlockDriver::kFile;
  file.node_name = "disk";
  file.filename = argv[1];
  DAVIT_CHECK(truncate(argv[1], virtio::kDiskBytes) == 0);
  virtio::Print("io_uring", file);
  return 0;
}
