// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-rng.
#include "vmm/machine/devices/makers.h"
#include "vmm/machine/object_tree.h"
#include "vmm/virtio/rng/rng.h"

namespace davit::machine {

MadeVirtio MakeRng(DeviceContext& context, const DeviceProperties& props) {
  virtio::RngConfig config;
  config.max_bytes = props.Uint("max-bytes");
  config.period = std::chrono::milliseconds(props.Uint("period"));
  if (config.period.count() == 0) return Fail("'period' parameter expects a positive integer");
  if (config.max_bytes > INT64_MAX) {
    return Fail("'max-bytes' parameter must be non-negative, and less than 2^63");
  }
  if (const std::string id = props.Text("rng"); !id.empty()) {
    DAVIT_ASSIGN(config.source, context.objects.UseRng(id, "rng"));
  } else {
    config.source = backend::MakeRngBuiltin(context.loop);
  }
  return std::make_unique<virtio::Rng>(std::move(config));
}

}  // namespace davit::machine
