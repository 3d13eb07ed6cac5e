// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// GoogleTest as the judge of how VMMs end (vm.h). Linked into every test that starts one.
#include <gtest/gtest.h>

#include "tests/support/vm.h"

namespace davit::testing {
namespace {

[[maybe_unused]] const bool kSet = [] {
  SetEndJudge({.passing = [] { return !::testing::Test::HasFailure(); },
               .failed = [](const std::string& what) { ADD_FAILURE() << what; }});
  return true;
}();

}  // namespace
}  // namespace davit::testing
