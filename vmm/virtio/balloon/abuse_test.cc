// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The balloon under the abuse suite, with all its queues.
#include "vmm/virtio/balloon/balloon.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio {
namespace {

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop& loop) {
  BalloonConfig config;
  config.deflate_on_oom = config.free_page_reporting = config.free_page_hint = true;
  config.timer_loop = &loop;
  auto balloon = std::make_unique<Balloon>(config);
  return balloon;
}

DAVIT_VIRTIO_ABUSE_SUITE(
    Balloon,
    (AbuseTarget{.make = Make,
                 .served = {0, 1},
                 .settle = [](Driver& driver) { driver.loop().Advance(std::chrono::seconds(1)); },
                 .guard = false}));

}  // namespace
}  // namespace davit::virtio
