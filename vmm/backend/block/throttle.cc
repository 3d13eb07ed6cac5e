// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See throttle.h.
#include "vmm/backend/block/throttle.h"

#include <algorithm>

namespace davit::backend {
namespace {

constexpr uint64_t kMaxValue = 1'000'000'000'000'000;  // QEMU's
constexpr double kSlack = 0.1;                         // seconds that may be run up

std::array<const ThrottleLimit*, 6> Limits(const ThrottleConfig& config) {
  return {&config.bps,  &config.bps_read,  &config.bps_write,
          &config.iops, &config.iops_read, &config.iops_write};
}

// Does the limit with this index concern reads (writes)?
bool Concerns(size_t index, bool write) {
  const size_t kind = index % 3;
  return kind == 0 || (kind == 2) == write;
}

double SecondsOver(const ThrottleLimit& limit, double level, double burst_level) {
  const double average = static_cast<double>(limit.average);
  const double max = static_cast<double>(limit.max);
  const double brim = limit.max == 0 ? average * kSlack : max * static_cast<double>(limit.length);
  double wait = level > brim ? (level - brim) / average : 0;
  if (limit.max != 0 && limit.length > 1 && burst_level > max * kSlack) {
    wait = std::max(wait, (burst_level - max * kSlack) / max);
  }
  return wait;
}

}  // namespace

bool ThrottleConfig::enabled() const {
  const auto limits = Limits(*this);
  return std::any_of(limits.begin(), limits.end(),
                     [](const ThrottleLimit* limit) { return limit->average != 0; });
}

Status CheckThrottle(const ThrottleConfig& c) {
  const auto both = [](uint64_t total, uint64_t read, uint64_t write) {
    return total != 0 && (read != 0 || write != 0);
  };
  if (both(c.bps.average, c.bps_read.average, c.bps_write.average) ||
      both(c.iops.average, c.iops_read.average, c.iops_write.average) ||
      both(c.bps.max, c.bps_read.max, c.bps_write.max) ||
      both(c.iops.max, c.iops_read.max, c.iops_write.max)) {
    return Fail("bps/iops/max total values and read/write values cannot be used at the same time");
  }
  if (c.iops_size != 0 && c.iops.average == 0 && c.iops_read.average == 0 &&
      c.iops_write.average == 0) {
    return Fail("iops size requires an iops value to be set");
  }
  for (const ThrottleLimit* limit : Limits(c)) {
    if (limit->average > kMaxValue || limit->max > kMaxValue) {
      return Fail("bps/iops/max values must be within [0, 1000000000000000]");
    }
    if (limit->length == 0) return Fail("the burst length cannot be 0");
    if (limit->length > 1 && limit->max == 0) return Fail("burst length set without burst rate");
    if (limit->max != 0 && limit->length > kMaxValue / limit->max) {
      return Fail("burst length too high for this burst rate");
    }
    if (limit->max != 0 && limit->average == 0) {
      return Fail("bps_max/iops_max require corresponding bps/iops values");
    }
    if (limit->max != 0 && limit->max < limit->average) {
      return Fail("bps_max/iops_max cannot be lower than bps/iops");
    }
  }
  return {};
}

ThrottleConfig ThrottleGroup::config() const {
  std::lock_guard lock(mutex_);
  return config_;
}

void ThrottleGroup::SetConfig(const ThrottleConfig& config, io::Clock::time_point now) {
  std::lock_guard lock(mutex_);
  config_ = config;
  buckets_ = {};
  last_ = now;
}

void ThrottleGroup::Leak(io::Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - last_).count();
  last_ = now;
  if (seconds <= 0) return;
  const auto limits = Limits(config_);
  for (size_t i = 0; i < buckets_.size(); ++i) {
    Bucket& bucket = buckets_[i];
    bucket.level = std::max(0.0, bucket.level - seconds * static_cast<double>(limits[i]->average));
    bucket.burst_level =
        std::max(0.0, bucket.burst_level - seconds * static_cast<double>(limits[i]->max));
  }
}

io::Clock::duration ThrottleGroup::Wait(bool write, io::Clock::time_point now) {
  std::lock_guard lock(mutex_);
  Leak(now);
  const auto limits = Limits(config_);
  double wait = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (limits[i]->average == 0 || !Concerns(i, write)) continue;
    wait = std::max(wait, SecondsOver(*limits[i], buckets_[i].level, buckets_[i].burst_level));
  }
  if (wait <= 0) return io::Clock::duration::zero();
  // Rounded up, so that the next question at that time says go.
  return std::chrono::duration_cast<io::Clock::duration>(std::chrono::duration<double>(wait)) +
         io::Clock::duration(1);
}

void ThrottleGroup::Account(bool write, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  double operations = 1;
  if (config_.iops_size != 0 && bytes > config_.iops_size) {
    operations = static_cast<double>(bytes) / static_cast<double>(config_.iops_size);
  }
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (!Concerns(i, write)) continue;
    const double units = i < 3 ? static_cast<double>(bytes) : operations;
    buckets_[i].level += units;
    buckets_[i].burst_level += units;
  }
}

}  // namespace davit::backend
