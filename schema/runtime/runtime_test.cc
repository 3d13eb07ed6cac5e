// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Encoders, Completion, Box, NamedFds.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "schema/runtime/command_entry.h"
#include "schema/runtime/json/json.h"

namespace davit::qapi {
namespace {

TEST(Encode, Integers) {
  EXPECT_EQ(Encode(uint8_t{200}), json::Value(200));
  EXPECT_EQ(Encode(int64_t{-5}), json::Value(-5));
  EXPECT_EQ(json::Write(Encode(std::numeric_limits<uint64_t>::max())), "18446744073709551615");
}

TEST(Encode, Lists) {
  EXPECT_EQ(json::Write(Encode(std::vector<std::string>{"a", "b"})), R"(["a", "b"])");
  EXPECT_EQ(json::Write(Encode(std::vector<bool>{true, false})), "[true, false]");
  EXPECT_EQ(json::Write(Encode(std::vector<std::vector<int64_t>>{{1}, {}})), "[[1], []]");
}

TEST(Encode, AbsentOptionalAddsNoMember) {
  json::Object object;
  EncodeOptional(object, "a", std::optional<bool>());
  EncodeOptional(object, "b", std::optional<bool>(false));
  EXPECT_EQ(json::Write(json::Value(object)), R"({"b": false})");
}

TEST(EncodeResult, NothingIsAnEmptyObject) {
  EXPECT_EQ(json::Write(*EncodeResult(Status())), "{}");
}

TEST(EncodeResult, ErrorPasses) { EXPECT_EQ(EncodeResult(Status(Fail("x"))).error().message, "x"); }

TEST(Completion, EncodesForTheOuterOne) {
  std::string got;
  Completion<json::Value> outer = [&got](Result<json::Value> r) { got = json::Write(*r); };
  Completion<int64_t> inner = EncodeThen<int64_t>(std::move(outer));
  inner(int64_t{5});
  EXPECT_EQ(got, "5");
  EXPECT_FALSE(inner);
}

TEST(CompletionDeathTest, SecondCallIsABug) {
  Completion<void> done = [](Status) {};
  done({});
  EXPECT_DEATH(done({}), "");
}

TEST(CommandEntry, RunStateMask) {
  BasicCommandEntry<int> entry;
  EXPECT_TRUE(entry.LegalIn(3));
  entry.run_states = 1u << 3;
  EXPECT_TRUE(entry.LegalIn(3));
  EXPECT_FALSE(entry.LegalIn(2));
}

TEST(Box, CopiesDeeply) {
  Box<int> a(1);
  Box<int> b = a;
  *b = 2;
  EXPECT_EQ(*a, 1);
  a = std::move(b);
  EXPECT_EQ(*a, 2);
}

TEST(NamedFds, TakeConsumes) {
  NamedFds fds;
  EXPECT_TRUE(fds.Set("a", UniqueFd(open("/dev/null", O_RDONLY))));
  EXPECT_TRUE(fds.Take("a"));
  EXPECT_EQ(fds.Take("a").error().message, "File descriptor named 'a' has not been found");
}

TEST(NamedFds, SetReplacesAndCloses) {
  NamedFds fds;
  const int first = open("/dev/null", O_RDONLY);
  EXPECT_TRUE(fds.Set("a", UniqueFd(first)));
  EXPECT_TRUE(fds.Set("a", UniqueFd(open("/dev/null", O_RDONLY))));
  EXPECT_EQ(fds.size(), 1u);
  EXPECT_EQ(fcntl(first, F_GETFD), -1);
}

TEST(NamedFds, CloseOfUnknownNameIsAnError) {
  EXPECT_EQ(NamedFds().Close("x").error().message, "File descriptor named 'x' not found");
}

TEST(NamedFds, NameMustNotLookLikeANumber) {
  EXPECT_EQ(NamedFds().Set("3x", UniqueFd()).error().message,
            "Parameter 'fdname' expects a name not starting with a digit");
}

}  // namespace
}  // namespace davit::qapi
