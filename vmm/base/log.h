// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The process log. spdlog behind four macros so that the sink (stderr, -D file), the level and
// the timestamps (-msg timestamp=on) are chosen once, by daemon/. Callable on every thread;
// never call it for each guest access: a guest must not be able to flood the log (LogLimiter).
#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "vmm/base/error.h"

namespace davit {

struct LogConfig {
  std::string file;               // empty: stderr
  std::string level = "warning";  // spdlog's names: trace debug info warning error critical off
  bool timestamps = false;
  std::string prefix;         // put before each line (-msg guest-name=on)
  bool guest_errors = false;  // -d guest_errors: DAVIT_LOG_GUEST_ERROR writes
};

// Replaces the process-wide logger. Error: the file cannot be opened.
Status ConfigureLog(const LogConfig& config);

// False until ConfigureLog() says otherwise: what a guest does wrong is the guest's business.
inline std::atomic<bool> log_guest_errors{false};

// Lets through the first `limit` messages of a call site.
class LogLimiter {
 public:
  explicit LogLimiter(uint32_t limit = 10) : left_(limit) {}
  bool Allow() {
    uint32_t left = left_.load(std::memory_order_relaxed);
    while (left != 0 && !left_.compare_exchange_weak(left, left - 1)) {
    }
    return left != 0;
  }

 private:
  std::atomic<uint32_t> left_;
};

}  // namespace davit

#define DAVIT_LOG_DEBUG(...) ::spdlog::debug(__VA_ARGS__)
#define DAVIT_LOG_INFO(...) ::spdlog::info(__VA_ARGS__)
#define DAVIT_LOG_WARN(...) ::spdlog::warn(__VA_ARGS__)
#define DAVIT_LOG_ERROR(...) ::spdlog::error(__VA_ARGS__)
// For what a guest can cause: with -d guest_errors, at most ten lines a call site.
#define DAVIT_LOG_GUEST_ERROR(...)                                                                \
  do {                                                                                            \
    static ::davit::LogLimiter davit_log_limiter;                                                 \
    if (::davit::log_guest_errors.load(std::memory_order_relaxed) && davit_log_limiter.Allow()) { \
      ::spdlog::warn(__VA_ARGS__);                                                                \
    }                                                                                             \
  } while (0)
