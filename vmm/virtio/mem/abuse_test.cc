// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory device under the abuse suite.
#include "vmm/base/units.h"
#include "vmm/virtio/mem/mem.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kRegion = 64 * kMiB;

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop&) {
  MemConfig config;
  config.address = testing::kWindow;
  config.region_size = kRegion;
  config.block_size = 2 * kMiB;
  config.requested_size = 32 * kMiB;
  return std::make_unique<Mem>(std::move(config));
}

DAVIT_VIRTIO_ABUSE_SUITE(Mem, (AbuseTarget{.make = Make,
                                           .served = {0},
                                           .settle =
                                               [](Driver& driver) {
                                                 while (driver.loop().RunPosted()) {
                                                 }
                                               },
                                           .window = kRegion}));

}  // namespace
}  // namespace davit::virtio
