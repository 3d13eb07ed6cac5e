// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a main() of tests with libvirt does. Owner: the thread of the tests.
#pragma once

#include <functional>
#include <string>

#include "tests/libvirt/libvirt_host.h"

namespace davit::testing {

extern LibvirtHost* host;        // while the tests run; null where there can be none
extern std::string why_no_host;  // and then why: each case skips with it

// RUN_ALL_TESTS() with a host of its own, apart from the machine (isolation.h). `why_not`: why
// there can be none, or empty. at_end is called while the host is still there. The exit status.
int RunTestsOnHost(
    const std::string& why_not, const std::function<void()>& at_end = [] {});

}  // namespace davit::testing
