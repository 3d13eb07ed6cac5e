// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The socket device under the abuse suite, on a fake kernel, which serves two of the three queues
// and has split rings alone: what the kernel is handed is checked here before.
#include "vmm/base/check.h"
#include "vmm/virtio/testing/abuse_suite.h"
#include "vmm/virtio/vhost/fake.h"
#include "vmm/virtio/vsock/vsock.h"

namespace davit::virtio {
namespace {

using testing::DeviceAbuse;

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop&) {
  static vhost::FakeState state;
  state.features = kFeatureVersion1 | kFeatureIndirectDesc | kFeatureEventIdx;
  auto device = Vsock::Create({.guest_cid = 3}, std::make_unique<vhost::FakeKernel>(state));
  DAVIT_CHECK(device);
  return std::move(*device);
}

INSTANTIATE_TEST_SUITE_P(Vsock, DeviceAbuse,
                         ::testing::Combine(::testing::Values(testing::AbuseTarget{.make = Make}),
                                            ::testing::Values(false)));

}  // namespace
}  // namespace davit::virtio
