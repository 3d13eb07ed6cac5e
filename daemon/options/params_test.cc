// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of values.h and params.h.
#include "daemon/options/params.h"

#include <gtest/gtest.h>

#include "daemon/options/values.h"

namespace davit::daemon {
namespace {

constexpr ParamSpec kSpecs[] = {
    {"name"},
    {"on", ParamType::kBoolean},
    {"count", ParamType::kNumber},
    {"size", ParamType::kSize},
    {"nodelay", ParamType::kBoolean},
};
constexpr ParamSchema kOpts{.group = "test", .implied = "name", .params = kSpecs};
constexpr ParamSchema kKeyval{.group = "test",
                              .dialect = Dialect::kKeyval,
                              .implied = "name",
                              .prefix = "test",
                              .params = kSpecs};

std::vector<ParamList::Entry> Split(std::string_view text, const ParamSchema& schema = kOpts) {
  return SplitParams(text, schema, nullptr).value().entries();
}
std::string CheckError(std::string_view text, const ParamSchema& schema = kOpts) {
  const auto list = SplitParams(text, schema, nullptr);
  if (!list) return list.error().message;
  const Status status = CheckParams(*list, schema);
  return status ? "accepted" : status.error().message;
}
using Entries = std::vector<ParamList::Entry>;

TEST(SizeTest, SuffixesArePowersOf1024AndPlainNumbersTakeTheUnit) {
  EXPECT_EQ(ParseSize("2k").value, 2048u);
  EXPECT_EQ(ParseSize("1.5G").value, 1536ull << 20);
  EXPECT_EQ(ParseSize("0x10", 1 << 20).value, 16u << 20);
  EXPECT_EQ(ParseSize("128", 1 << 20).value, 128u << 20);
  EXPECT_EQ(ParseSize("15E").value, 15ull << 60);
}

TEST(SizeTest, NonsenseAndOverflowAreDifferentFaults) {
  for (const char* text : {"", "x", "1x", "1kk", "1.", ".5G", "-1", "1.5", " 1"}) {
    EXPECT_EQ(ParseSize(text).fault, NumberFault::kNotANumber) << text;
  }
  EXPECT_EQ(ParseSize("16E").fault, NumberFault::kOutOfRange);
  EXPECT_EQ(ParseSize("99999999999999999999").fault, NumberFault::kOutOfRange);
}

TEST(NumberTest, HasTheBaseOfItsPrefix) {
  EXPECT_EQ(ParseNumber("10").value, 10u);
  EXPECT_EQ(ParseNumber("0x10").value, 16u);
  EXPECT_EQ(ParseNumber("010").value, 8u);
  EXPECT_EQ(ParseNumber("2.5").fault, NumberFault::kNotANumber);
  EXPECT_EQ(ParseNumber("18446744073709551616").fault, NumberFault::kOutOfRange);
}

TEST(IdTest, BeginsWithALetter) {
  EXPECT_TRUE(IsWellFormedId("a-b.c_1"));
  EXPECT_FALSE(IsWellFormedId("1a"));
  EXPECT_FALSE(IsWellFormedId("a b"));
  EXPECT_FALSE(IsWellFormedId(""));
}

TEST(SplitTest, FirstValueTakesTheImpliedKeyAndTwoCommasAreOne) {
  EXPECT_EQ(Split("a,,b,count=1"), (Entries{{"name", "a,b"}, {"count", "1"}}));
  EXPECT_EQ(Split("name=x,,"), (Entries{{"name", "x,"}}));
  EXPECT_EQ(Split(""), Entries{});
}

TEST(SplitTest, FlagsAreOnAndTheirNegationsOff) {
  std::vector<std::string> warnings;
  const auto list = SplitParams("x,on,nofoo,nodelay", kOpts, &warnings).value();
  EXPECT_EQ(list.entries(),
            (Entries{{"name", "x"}, {"on", "on"}, {"foo", "off"}, {"nodelay", "on"}}));
  ASSERT_EQ(warnings.size(), 3u);
  EXPECT_EQ(warnings[1],
            "warning: short-form boolean option 'nofoo' deprecated\nPlease use foo=off instead");
}

TEST(SplitTest, KeyvalHasNoFlags) {
  EXPECT_EQ(CheckError("x,on", kKeyval), "Expected '=' after parameter 'on'");
  EXPECT_EQ(CheckError("x,a b=1", kKeyval), "Invalid parameter 'a b'");
}

TEST(SplitTest, JsonObjectIsTheSameList) {
  EXPECT_EQ(
      Split(R"({"name": "a,b", "on": true, "count": 3, "deep": {"er": [1, "x"]}})"),
      (Entries{
          {"name", "a,b"}, {"on", "on"}, {"count", "3"}, {"deep.er.0", "1"}, {"deep.er.1", "x"}}));
}

TEST(SplitTest, BrokenJsonIsAnError) { EXPECT_FALSE(SplitParams("{\"a\": ", kOpts, nullptr)); }

TEST(CheckTest, OptsWording) {
  EXPECT_EQ(CheckError("x,foo=1"), "Invalid parameter 'foo'");
  EXPECT_EQ(CheckError("on=maybe"), "Parameter 'on' expects 'on' or 'off'");
  EXPECT_EQ(CheckError("count=x"), "Parameter 'count' expects a number");
  EXPECT_EQ(CheckError("count=99999999999999999999"),
            "Value '99999999999999999999' is out of range for parameter 'count'");
  EXPECT_TRUE(CheckError("size=q").starts_with(
      "Parameter 'size' expects a non-negative number below 2^64\nOptional suffix"));
}

TEST(CheckTest, KeyvalWording) {
  EXPECT_EQ(CheckError("x,foo=1", kKeyval), "Parameter 'test.foo' is unexpected");
  EXPECT_EQ(CheckError("on=maybe", kKeyval), "Parameter 'test.on' expects 'on' or 'off'");
  EXPECT_EQ(CheckError("count=x", kKeyval), "Parameter 'test.count' expects integer");
}

TEST(ListTest, LastValueOfAKeyCounts) {
  ParamList list = SplitParams("a,count=1,count=2", kOpts, nullptr).value();
  EXPECT_EQ(list.GetNumber("count"), 2u);
  EXPECT_EQ(list.Take("count"), "2");
  EXPECT_FALSE(list.Has("count"));
}

}  // namespace
}  // namespace davit::daemon
