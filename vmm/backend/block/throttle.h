// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Limits on bytes and operations a second, for a disk or a group of disks (block_set_io_throttle).
// Leaky buckets: each request fills them, time empties them at the average rate; a bucket that is
// over its brim makes the next request wait. With a burst rate, the brim is as much as that rate
// gives in its burst length, and a second bucket holds the burst rate itself.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "vmm/base/error.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

struct ThrottleLimit {
  uint64_t average = 0;  // a second; 0: no limit
  uint64_t max = 0;      // burst; 0: none
  uint64_t length = 1;   // seconds of burst
  friend bool operator==(const ThrottleLimit&, const ThrottleLimit&) = default;
};

struct ThrottleConfig {
  ThrottleLimit bps, bps_read, bps_write, iops, iops_read, iops_write;
  uint64_t iops_size = 0;  // bytes that count as one operation; 0: each request is one

  bool enabled() const;
  friend bool operator==(const ThrottleConfig&, const ThrottleConfig&) = default;
};

// QEMU's rules and words.
Status CheckThrottle(const ThrottleConfig& config);

// Any thread.
class ThrottleGroup {
 public:
  explicit ThrottleGroup(std::string name) : name_(std::move(name)) {}
  const std::string& name() const { return name_; }
  ThrottleConfig config() const;
  void SetConfig(const ThrottleConfig& config, io::Clock::time_point now);
  // Zero: go. Else: not before this much time has passed.
  io::Clock::duration Wait(bool write, io::Clock::time_point now);
  void Account(bool write, uint64_t bytes);

 private:
  struct Bucket {
    double level = 0;
    double burst_level = 0;
  };
  void Leak(io::Clock::time_point now);

  const std::string name_;
  mutable std::mutex mutex_;
  ThrottleConfig config_;
  std::array<Bucket, 6> buckets_;  // in the order of ThrottleConfig
  io::Clock::time_point last_{};
};

}  // namespace davit::backend
