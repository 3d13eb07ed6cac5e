// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory statistics of the guest (virtio 1.2, 5.5.6.3): what the driver's buffer says. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace davit::virtio {

// By tag number; QEMU's names of the members of guest-stats.
inline constexpr std::array<std::string_view, 10> kBalloonStatNames = {
    "stat-swap-in",      "stat-swap-out",     "stat-major-faults",     "stat-minor-faults",
    "stat-free-memory",  "stat-total-memory", "stat-available-memory", "stat-disk-caches",
    "stat-htlb-pgalloc", "stat-htlb-pgfail"};

inline constexpr uint64_t kBalloonStatUnknown = UINT64_MAX;  // the guest did not say
inline constexpr size_t kBalloonStatEntry = 10;              // bytes: le16 tag, le64 value

struct BalloonStats {
  std::array<uint64_t, kBalloonStatNames.size()> values;  // bytes or counts
  int64_t last_update = 0;                                // seconds since 1970; 0: never

  BalloonStats() { values.fill(kBalloonStatUnknown); }
};

// Whole entries of `data` into `stats`; unknown tags and a cut-off entry are skipped, of a tag that
// comes twice the last counts.
void ParseBalloonStats(std::span<const std::byte> data, BalloonStats& stats);

}  // namespace davit::virtio
