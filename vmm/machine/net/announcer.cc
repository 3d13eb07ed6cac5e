// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See announcer.h.
#include "vmm/machine/net/announcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace davit::machine {
namespace {

// A timer's deadline must fit the clock.
constexpr int64_t kLongestWaitMs = int64_t{1000} * 60 * 60 * 24 * 365;

// Before round number `done`, counted from 0; at least 1.
std::chrono::milliseconds WaitBefore(int64_t done, const control::AnnounceRequest& request) {
  const int64_t limit = std::min(request.max, kLongestWaitMs);
  if (request.initial >= limit) return std::chrono::milliseconds(limit);
  const int64_t room = limit - request.initial, steps = done - 1;
  const bool fits = request.step == 0 || steps <= room / request.step;
  return std::chrono::milliseconds(fits ? request.initial + steps * request.step : limit);
}

}  // namespace

Status Announcer::Start(const control::AnnounceRequest& request) {
  const std::pair<const char*, int64_t> numbers[] = {{"initial", request.initial},
                                                     {"max", request.max},
                                                     {"rounds", request.rounds},
                                                     {"step", request.step}};
  for (const auto& [name, value] : numbers) {
    if (value < 0) return Fail(fmt::format("Parameter '{}' expects a number of 0 or more", name));
  }
  series_.erase(request.id);
  if (request.rounds == 0) return {};
  series_[request.id].request = request;
  Round(request.id);
  return {};
}

void Announcer::Round(const std::string& id) {
  Series& series = series_.at(id);
  announce_(series.request);
  if (++series.done >= series.request.rounds) {
    series_.erase(id);
    return;
  }
  series.timer = loop_.At(loop_.Now() + WaitBefore(series.done, series.request),
                          [this, id = std::string(id)] { Round(id); });
}

}  // namespace davit::machine
