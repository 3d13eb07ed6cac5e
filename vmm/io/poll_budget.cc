// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See poll_budget.h.
#include "vmm/io/poll_budget.h"

#include <algorithm>

namespace davit::io {
namespace {

constexpr int64_t kFirstNs = 4000;
constexpr int64_t kDefaultGrow = 2;

}  // namespace

void PollBudget::Waited(std::chrono::nanoseconds waited) {
  const int64_t ns = waited.count();
  if (ns <= time_ns_) return;  // it came just after the look
  if (ns > options_.max_ns) {
    time_ns_ = options_.shrink == 0 ? 0 : time_ns_ / options_.shrink;
    return;
  }
  if (time_ns_ == 0) {
    time_ns_ = std::min(kFirstNs, options_.max_ns);
    return;
  }
  const int64_t grow = options_.grow == 0 ? kDefaultGrow : options_.grow;
  time_ns_ = time_ns_ > options_.max_ns / grow ? options_.max_ns : time_ns_ * grow;
}

}  // namespace davit::io
