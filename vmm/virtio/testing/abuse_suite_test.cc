// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The abuse suite over the core alone: a device that answers at once, one that keeps its requests.
#include "vmm/virtio/testing/abuse_suite.h"

#include "vmm/virtio/testing/echo_device.h"

namespace davit::virtio::testing {
namespace {

DAVIT_VIRTIO_ABUSE_SUITE(Echo, (AbuseTarget{.make =
                                                [](io::FakeEventLoop&) {
                                                  static EchoDevice::Seen seen;
                                                  return std::make_unique<EchoDevice>(seen);
                                                },
                                            .served = {0, 1}}));

EchoDevice::Seen& Holding() {
  static EchoDevice::Seen seen;
  seen.hold = true;
  return seen;
}

INSTANTIATE_TEST_SUITE_P(
    Holding, DeviceAbuse,
    ::testing::Combine(
        ::testing::Values(AbuseTarget{
            .make = [](io::FakeEventLoop&) { return std::make_unique<EchoDevice>(Holding()); },
            .served = {0, 1},
            .settle =
                [](Driver&) {
                  auto held = std::exchange(Holding().held, {});
                  for (auto& [index, chain] : held) {
                    auto lock = Holding().host->Lock();
                    (void)Holding().queues[index]->Complete(std::move(chain), 0);
                  }
                }}),
        ::testing::Bool()),
    [](const auto& info) { return std::string(std::get<1>(info.param) ? "Packed" : "Split"); });

}  // namespace
}  // namespace davit::virtio::testing
