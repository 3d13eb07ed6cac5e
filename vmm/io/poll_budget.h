// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How long a loop looks for work before it sleeps: as long as that is likely to spare it the sleep.
// The rules are those that QEMU documents for poll-max-ns, poll-grow and poll-shrink of an
// iothread object. Pure; owner: the loop's thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace davit::io {

struct PollOptions {
  int64_t max_ns = 0;  // 0: never
  int64_t grow = 0;    // factor; 0: 2
  int64_t shrink = 0;  // divisor; 0: to nothing at once
};

class PollBudget {
 public:
  explicit PollBudget(const PollOptions& options) : options_(options) {}

  // Starts anew with these.
  void Set(const PollOptions& options) { *this = PollBudget(options); }
  bool enabled() const { return options_.max_ns > 0; }
  // For the next look. Starts at 0.
  std::chrono::nanoseconds time() const { return std::chrono::nanoseconds(time_ns_); }
  // The loop slept; work came this long after it had none, the look before the sleep included.
  void Waited(std::chrono::nanoseconds waited);

 private:
  PollOptions options_;
  int64_t time_ns_ = 0;
};

}  // namespace davit::io
