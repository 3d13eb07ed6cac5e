// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Texts and values; the expected output is what QEMU 7.2's monitor prints for the same value.
#include "schema/runtime/json/json.h"
#include "schema/runtime/json/member_order.h"

#include <gtest/gtest.h>

#include <limits>

namespace davit::json {
namespace {

std::string ErrorOf(std::string_view text, const ParseLimits& limits = {}) {
  const Result<Value> result = Parse(text, limits);
  return result ? "" : result.error().message;
}

TEST(JsonParse, KeepsMemberOrderAndTypes) {
  const Result<Value> value = Parse(R"( {"z": [1, -1, 2.5, true, null, "s"], "a": {}} )");
  ASSERT_TRUE(value);
  EXPECT_EQ(Write(*value), R"({"z": [1, -1, 2.5, true, null, "s"], "a": {}})");
}

TEST(JsonParse, IntegersKeepTheirFullRange) {
  EXPECT_EQ(*Parse("9223372036854775807")->AsInt(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(*Parse("-9223372036854775808")->AsInt(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*Parse("9223372036854775808")->AsUint(), 9223372036854775808u);
  EXPECT_EQ(*Parse("18446744073709551615")->AsUint(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(*Parse("18446744073709551616")->AsDouble(), 18446744073709551616.0);
}

TEST(JsonParse, DoublesAtTheEndsOfTheirRange) {
  EXPECT_EQ(*Parse("0e-324")->AsDouble(), 0.0);
  EXPECT_EQ(*Parse("1e-400")->AsDouble(), 0.0);
  EXPECT_EQ(*Parse("5e-324")->AsDouble(), 5e-324);
  EXPECT_EQ(*Parse("1.7976931348623157e308")->AsDouble(), 1.7976931348623157e308);
  EXPECT_NE(ErrorOf("[1e400]"), "");
  EXPECT_NE(ErrorOf(std::string(400, '9')), "");
}

TEST(JsonParse, SmallUnsignedValuesAreInts) {
  EXPECT_EQ(Value(uint64_t{7}), Value(7));
  EXPECT_EQ(Value(uint64_t{7}).type(), Type::kInt);
}

TEST(JsonParse, DuplicateKeyIsRefused) {
  EXPECT_EQ(ErrorOf(R"({"a": 1, "a": 2})"), "JSON parse error at offset 12: duplicate key 'a'");
}

TEST(JsonParse, DuplicateKeyAmongManyIsRefused) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += "\"k" + std::to_string(i) + "\": 0, ";
  EXPECT_NE(ErrorOf(text + R"("k3": 1})").find("duplicate key 'k3'"), std::string::npos);
  EXPECT_EQ(ErrorOf(text + R"("k100": 1})"), "");
}

TEST(JsonParse, DepthLimitIsExact) {
  const ParseLimits limits{.max_depth = 3};
  EXPECT_EQ(ErrorOf("[[[1]]]", limits), "");
  EXPECT_NE(ErrorOf("[[[[1]]]]", limits).find("nesting is deeper than 3"), std::string::npos);
}

TEST(JsonParse, DeepNestingCostsNoStack) {
  const size_t n = 200000;
  EXPECT_NE(ErrorOf(std::string(n, '[')), "");
}

TEST(JsonParse, SizeLimitIsExact) {
  const ParseLimits limits{.max_bytes = 4};
  EXPECT_EQ(ErrorOf("1234", limits), "");
  EXPECT_NE(ErrorOf("12345", limits), "");
}

TEST(JsonParse, TrailingTextIsRefused) {
  EXPECT_NE(ErrorOf("{} {}"), "");
  EXPECT_NE(ErrorOf(std::string_view("{}\0x", 4)), "");
}

TEST(JsonParse, BrokenTextsAreRefused) {
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "{'a': 1}", "nul", "\"\xff\"",
                           "\"\\ud800\"", "\"\xc0\x80\"", "01", "+1", "\"\n\""}) {
    EXPECT_NE(ErrorOf(text), "") << text;
  }
}

TEST(JsonWrite, StringEscapesAreQemus) {
  const Result<Value> value = Parse(
      "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\u0001\\u001f\x7f\\\"\\\\\\/\\b\\f\\n\\r\\t "
      "<>&'\\u0000\"");
  ASSERT_TRUE(value);
  EXPECT_EQ(Write(*value),
            R"("\u00E9\u20AC\uD83D\uDE00\u0001\u001F\u007F\"\\/\b\f\n\r\t <>&'\u0000")");
}

TEST(JsonWrite, BytesThatAreNoUtf8BecomeReplacementCharacters) {
  EXPECT_EQ(Write(Value("a\xff"
                        "b\xc3")),
            R"("a\uFFFDb\uFFFD")");
  EXPECT_EQ(Write(Value("\xe2\x82x\xed\xa0\x80")), R"("\uFFFDx\uFFFD")");
}

TEST(JsonWrite, NumbersAreQemus) {
  EXPECT_EQ(Write(*Parse("[0.1, 1e10, 1e17, 3.0, 18446744073709551616, -0.0, 5e-324]")),
            "[0.10000000000000001, 10000000000, 1e+17, 3, 1.8446744073709552e+19, -0, "
            "4.9406564584124654e-324]");
}

TEST(JsonWrite, PrettyFormBreaksEmptyContainersToo) {
  EXPECT_EQ(WritePretty(*Parse(R"({"return": {}, "id": [1, {"a": []}]})")),
            "{\n    \"return\": {\n    },\n    \"id\": [\n        1,\n        {\n"
            "            \"a\": [\n            ]\n        }\n    ]\n}");
}

TEST(JsonObject, SetReplacesInPlace) {
  Object object{{"a", 1}, {"b", 2}};
  object.Set("a", "x");
  EXPECT_EQ(Write(Value(object)), R"({"a": "x", "b": 2})");
  EXPECT_TRUE(object.Erase("a"));
  EXPECT_FALSE(object.Erase("a"));
}

TEST(JsonValue, EqualityIgnoresMemberOrder) {
  EXPECT_EQ(*Parse(R"({"a": 1, "b": [2]})"), *Parse(R"({"b": [2], "a": 1})"));
  EXPECT_FALSE(*Parse(R"({"a": 1})") == *Parse(R"({"a": 2})"));
  EXPECT_FALSE(*Parse(R"({"a": 1})") == *Parse(R"({"b": 1})"));
}

TEST(JsonValue, IndexOfAbsentMemberIsNull) {
  EXPECT_TRUE((*Parse("{}"))["x"]["y"].is_null());
  EXPECT_TRUE(Value(1)["x"].is_null());
}

TEST(JsonValue, MembersInTheOrderThatQemuPrints) {
  Object object{{"id", 0},    {"policy", 0},   {"dump", 0},       {"merge", 0},  {"size", 0},
                {"share", 0}, {"prealloc", 0}, {"host-nodes", 0}, {"reserve", 0}};
  OrderMembers(object);
  std::string names;
  for (const Member& member : object.members()) names += member.first + " ";
  EXPECT_EQ(names, "share reserve prealloc host-nodes size merge dump policy id ");
}

}  // namespace
}  // namespace davit::json
