// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See run_on_host.h.
#include "tests/libvirt/run_on_host.h"

#include <gtest/gtest.h>

#include <iostream>

#include "tests/libvirt/isolation.h"

namespace davit::testing {

LibvirtHost* host = nullptr;
std::string why_no_host;

int RunTestsOnHost(const std::string& why_not, const std::function<void()>& at_end) {
  why_no_host = why_not;
  if (!why_no_host.empty()) return RUN_ALL_TESTS();
  auto status = RunIsolated([&at_end] {
    auto started = LibvirtHost::Start();
    if (!started) {
      std::cerr << started.error() << "\n";
      return 1;
    }
    host = started->get();
    const int result = RUN_ALL_TESTS();
    at_end();
    return result;
  });
  if (status) return *status;
  why_no_host = status.error().message;
  return RUN_ALL_TESTS();
}

}  // namespace davit::testing
