// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Expectations that gtest does not have: a text that holds another, a Result that holds no error.
// Each counts its failure where it stands; more may be said about it with <<, but for the two of a
// Result, which say the error.
#pragma once

#include <gtest/gtest.h>

#include <string>

namespace davit::testing {

// For EXPECT_PRED2 and conditions.
inline bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace davit::testing

#define EXPECT_CONTAINS(text, part) EXPECT_PRED2(::davit::testing::Contains, text, part)

#define EXPECT_OK(expression)                                \
  do {                                                       \
    const auto& expect_ok = (expression);                    \
    EXPECT_TRUE(expect_ok.has_value()) << expect_ok.error(); \
  } while (0)

// In functions that return void.
#define ASSERT_OK(expression)                                \
  do {                                                       \
    const auto& assert_ok = (expression);                    \
    ASSERT_TRUE(assert_ok.has_value()) << assert_ok.error(); \
  } while (0)
