// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How names of a schema are spelled in C++.
#include "schema/compiler/cpp_names.h"

#include <gtest/gtest.h>

namespace davit::schema {
namespace {

TEST(CppNames, CamelCase) {
  EXPECT_EQ(CamelCase("query-status"), "QueryStatus");
  EXPECT_EQ(CamelCase("qmp_capabilities"), "QmpCapabilities");
  EXPECT_EQ(CamelCase("GUEST_PANICKED"), "GuestPanicked");
  EXPECT_EQ(CamelCase("RunState"), "RunState");
  EXPECT_EQ(CamelCase("x-exit-preconfig"), "XExitPreconfig");
  EXPECT_EQ(CamelCase("__com.redhat_x"), "ComRedhatX");
}

TEST(CppNames, Constants) {
  EXPECT_EQ(ConstantName("inject-nmi"), "kInjectNmi");
  EXPECT_EQ(ConstantName("2d"), "k2d");
  EXPECT_EQ(ConstantName("BLUE"), "kBlue");
}

TEST(CppNames, MembersThatCppReservesGetAnUnderscore) {
  EXPECT_EQ(MemberName("cpu-index"), "cpu_index");
  EXPECT_EQ(MemberName("default"), "default_");
  EXPECT_EQ(MemberName("static"), "static_");
  EXPECT_EQ(MemberName("u"), "u_");
  EXPECT_EQ(MemberName("unix"), "unix_");
  EXPECT_EQ(MemberName("UUID"), "UUID");
}

}  // namespace
}  // namespace davit::schema
