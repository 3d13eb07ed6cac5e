// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The entropy device under the abuse suite, fed by the kernel of the host.
#include "vmm/virtio/rng/rng.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio {
namespace {

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop& loop) {
  RngConfig config;
  config.source = backend::MakeRngBuiltin(loop);
  return std::make_unique<Rng>(std::move(config));
}

DAVIT_VIRTIO_ABUSE_SUITE(Rng,
                         (AbuseTarget{.make = Make, .served = {0}, .settle = [](Driver& driver) {
                                        while (driver.loop().RunPosted()) {
                                        }
                                      }}));

}  // namespace
}  // namespace davit::virtio
