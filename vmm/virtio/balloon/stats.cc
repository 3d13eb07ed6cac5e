// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See stats.h.
#include "vmm/virtio/balloon/stats.h"

#include "vmm/base/endian.h"

namespace davit::virtio {

void ParseBalloonStats(std::span<const std::byte> data, BalloonStats& stats) {
  for (; data.size() >= kBalloonStatEntry; data = data.subspan(kBalloonStatEntry)) {
    const uint64_t tag = LoadLe(data.data(), 2);
    if (tag < stats.values.size()) stats.values[tag] = LoadLe(data.data() + 2, 8);
  }
}

}  // namespace davit::virtio
