// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests: a block device on an image, and the driver that speaks to it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vmm/backend/block/graph.h"
#include "vmm/backend/block/test_support.h"
#include "vmm/virtio/block/block.h"
#include "vmm/virtio/block/wire.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio::block {

inline constexpr uint64_t kDiskBytes = 1 << 20;

// The graph outlives the device that the driver owns.
class BlockRig {
 public:
  backend::TempDir dir;
  std::string path = dir.Image("a.img", kDiskBytes);
  backend::BlockNodeSpec node = backend::FileSpec("f0", path);
  backend::AttachOptions attach = {.qdev = "/machine/d0"};
  BlockConfig config;
  testing::DriverOptions driver_options;

  ~BlockRig() { driver.reset(); }

  // The options above are set before.
  void Open() {
    Status added = graph.AddNode(node);
    ASSERT_TRUE(added) << added.error().message;
    auto disk = graph.Attach("f0", attach);
    ASSERT_TRUE(disk) << disk.error().message;
    back_end = disk->get();
    auto device = BlockDevice::Create(config, std::move(*disk));
    ASSERT_TRUE(device) << device.error().message;
    driver = std::make_unique<testing::Driver>(std::move(*device), driver_options);
  }

  testing::DriverQueue& queue() { return driver->queue(0); }
  void Drain() { driver->frontend().device().Drain(); }
  // Publishes; no kick.
  void AddWrite(uint64_t sector, std::string_view data) {
    queue().Add().Readable(Header{kTypeOut, 0u, sector}).Readable(data).Writable(1).Publish();
  }
  void AddRead(uint64_t sector, uint32_t bytes) {
    queue().Add().Readable(Header{kTypeIn, 0u, sector}).Writable(bytes).Writable(1).Publish();
  }
  // Kicks and waits; the used requests.
  std::vector<testing::Used> Serve() {
    queue().Kick();
    Drain();
    return queue().CollectUsed();
  }
  // The status of the only request, or -1.
  int RunOne(std::string* data = nullptr) {
    const auto used = Serve();
    if (used.size() != 1 || used[0].bytes.empty()) return -1;
    if (data != nullptr) *data = used[0].text().substr(0, used[0].bytes.size() - 1);
    return used[0].bytes.back();
  }
  int Write(uint64_t sector, std::string_view data) {
    AddWrite(sector, data);
    return RunOne();
  }
  std::string Read(uint64_t sector, uint32_t bytes) {
    AddRead(sector, bytes);
    std::string data;
    return RunOne(&data) == kStatusOk ? data : "failed";
  }
  int Simple(uint32_t type) {
    queue().Add().Readable(Header{type, 0u, uint64_t{0}}).Writable(1).Publish();
    return RunOne();
  }
  int Ranged(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags = 0) {
    queue()
        .Add()
        .Readable(Header{type, 0u, uint64_t{0}})
        .Readable(Range{sector, sectors, flags})
        .Writable(1)
        .Publish();
    return RunOne();
  }
  Config ReadConfig() { return driver->Config<Config>(0); }

  backend::BlindOpener opener;
  backend::BlockGraph graph{opener};
  backend::BlockBackend* back_end = nullptr;  // the device's
  std::unique_ptr<testing::Driver> driver;
};

}  // namespace davit::virtio::block
