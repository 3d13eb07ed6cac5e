// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The texts of faults, as QEMU 7.2's monitor answers in the same place.
#include <gtest/gtest.h>

#include "schema/runtime/codec.h"
#include "schema/runtime/json/json.h"

namespace davit::qapi {
namespace {

struct Leaf {
  std::string s;
  std::optional<int64_t> n;
};
bool DecodeMembers(Decoder& d, ObjectScope& object, Leaf& out) {
  return DecodeRequired(d, object, "s", out.s) && DecodeOptional(d, object, "n", out.n);
}
bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name, Leaf& out) {
  ObjectScope object(d, value, name);
  return object && DecodeMembers(d, object, out) && object.Finish();
}

struct Node {
  bool b = false;
  uint8_t u8 = 0;
  int16_t i16 = 0;
  uint64_t size = 0;
  double number = 0;
  std::optional<std::vector<Leaf>> leaves;
  std::optional<std::vector<uint16_t>> u16s;
};
bool DecodeMembers(Decoder& d, ObjectScope& object, Node& out) {
  return DecodeRequired(d, object, "b", out.b) && DecodeRequired(d, object, "u8", out.u8) &&
         DecodeRequired(d, object, "i16", out.i16) &&
         DecodeRequired(d, object, "size", SizeRef{out.size}) &&
         DecodeRequired(d, object, "number", out.number) &&
         DecodeOptional(d, object, "leaves", out.leaves) &&
         DecodeOptional(d, object, "u16s", out.u16s);
}

// The base is complete; `change` replaces or adds one member.
std::string ErrorWith(std::string_view name, std::string_view change) {
  json::Value base = *json::Parse(R"({"b": true, "u8": 1, "i16": 2, "size": 3, "number": 4})");
  if (change.empty()) {
    base.AsObject()->Erase(name);
  } else {
    base.AsObject()->Set(std::string(name), *json::Parse(change));
  }
  Node node;
  const Status status = DecodeObject(*base.AsObject(), node);
  return status ? "" : status.error().message;
}

TEST(Decoder, CompleteObjectIsAccepted) {
  EXPECT_EQ(ErrorWith("leaves", R"([{"s": "x"}, {"n": 1, "s": "y"}])"), "");
}

TEST(Decoder, MissingMember) {
  EXPECT_EQ(ErrorWith("size", ""), "Parameter 'size' is missing");
  EXPECT_EQ(ErrorWith("leaves", R"([{"s": "x"}, {"n": 1}])"), "Parameter 'leaves[1].s' is missing");
}

TEST(Decoder, UnexpectedMember) {
  EXPECT_EQ(ErrorWith("zap", "1"), "Parameter 'zap' is unexpected");
  EXPECT_EQ(ErrorWith("leaves", R"([{"s": "x", "q": 1}])"),
            "Parameter 'leaves[0].q' is unexpected");
}

TEST(Decoder, WrongTypes) {
  const std::string type = "Invalid parameter type for ";
  EXPECT_EQ(ErrorWith("b", "\"on\""), type + "'b', expected: boolean");
  EXPECT_EQ(ErrorWith("i16", "\"1\""), type + "'i16', expected: integer");
  EXPECT_EQ(ErrorWith("i16", "1.0"), type + "'i16', expected: integer");
  EXPECT_EQ(ErrorWith("i16", "9223372036854775808"), type + "'i16', expected: integer");
  EXPECT_EQ(ErrorWith("number", "null"), type + "'number', expected: number");
  EXPECT_EQ(ErrorWith("leaves", "{}"), type + "'leaves', expected: array");
  EXPECT_EQ(ErrorWith("leaves", "[1]"), type + "'leaves[0]', expected: object");
  EXPECT_EQ(ErrorWith("leaves", R"([{"s": 1}])"), type + "'leaves[0].s', expected: string");
  EXPECT_EQ(ErrorWith("leaves", R"([{"s": "", "n": "1"}])"),
            type + "'leaves[0].n', expected: integer");
}

TEST(Decoder, UnsignedTypesHaveTheirOwnText) {
  EXPECT_EQ(ErrorWith("u8", "\"1\""), "Parameter 'u8' expects uint64");
  EXPECT_EQ(ErrorWith("size", "1.5"), "Parameter 'size' expects uint64");
  EXPECT_EQ(ErrorWith("size", "18446744073709551616"), "Parameter 'size' expects uint64");
  EXPECT_EQ(ErrorWith("u16s", "[\"x\"]"), "Parameter 'u16s[0]' expects uint64");
}

TEST(Decoder, RangesOfNarrowTypes) {
  EXPECT_EQ(ErrorWith("u8", "255"), "");
  EXPECT_EQ(ErrorWith("u8", "256"), "Parameter 'u8' expects uint8_t");
  EXPECT_EQ(ErrorWith("u8", "-1"), "Parameter 'u8' expects uint8_t");
  EXPECT_EQ(ErrorWith("i16", "-32769"), "Parameter 'i16' expects int16_t");
  EXPECT_EQ(ErrorWith("u16s", "[65536]"), "Parameter 'null' expects uint16_t");
}

TEST(Decoder, NegativeStandsForTheSameBitsInUint64) {
  EXPECT_EQ(*Decode<uint64_t>(json::Value(-1)), std::numeric_limits<uint64_t>::max());
}

TEST(Decoder, IntegerIsANumber) { EXPECT_EQ(*Decode<double>(json::Value(7)), 7.0); }

TEST(Decoder, NameStartsThePlace) {
  const Result<Leaf> leaf = Decode<Leaf>(*json::Parse("{}"), "return");
  EXPECT_EQ(leaf.error().message, "Parameter 'return.s' is missing");
}

TEST(Decoder, LenientSkipsUnknownMembers) {
  const json::Value value = *json::Parse(R"({"s": "x", "new": 1})");
  EXPECT_TRUE(Decode<Leaf>(value, {}, DecodeMode::kLenient));
  EXPECT_FALSE(Decode<Leaf>(value));
}

TEST(Decoder, DecodeNothingNamesTheFirstArgument) {
  EXPECT_TRUE(DecodeNothing({}));
  EXPECT_EQ(DecodeNothing({{"x", 1}}).error().message, "Parameter 'x' is unexpected");
}

TEST(Decoder, MoreThan64MembersAreTracked) {
  json::Object object{{"s", ""}};
  for (int i = 0; i < 80; ++i) object.Set("m" + std::to_string(i), i);
  Decoder decoder;
  ObjectScope scope(decoder, object, {});
  scope.Find("s");
  for (int i = 0; i < 80; ++i) {
    if (i != 70) scope.Find("m" + std::to_string(i));
  }
  EXPECT_FALSE(scope.Finish());
  EXPECT_EQ(decoder.TakeError().message, "Parameter 'm70' is unexpected");
  scope.Find("m70");
  EXPECT_TRUE(scope.Finish());
}

// --- kOptions ------------------------------------------------------------------------------------

Result<Node> FromOptions(std::string_view change) {
  json::Value base =
      *json::Parse(R"({"b": "on", "u8": "1", "i16": "-2", "size": "3", "number": "4"})");
  const json::Value changed = *json::Parse(change);
  for (const json::Member& member : changed.AsObject()->members()) {
    base.AsObject()->Set(member.first, member.second);
  }
  Node node;
  const Status status = DecodeObject(*base.AsObject(), node, DecodeMode::kOptions);
  if (!status) return Fail(status.error());
  return node;
}
std::string OptionsError(std::string_view change) {
  const Result<Node> node = FromOptions(change);
  return node ? "" : node.error().message;
}

TEST(DecoderOptions, TextsBecomeValues) {
  const Result<Node> node = FromOptions(R"({"b": "off", "size": "1.5k", "u16s": ["1", "4-6"]})");
  ASSERT_TRUE(node);
  EXPECT_FALSE(node->b);
  EXPECT_EQ(node->i16, -2);
  EXPECT_EQ(node->size, 1536u);
  EXPECT_EQ(*node->u16s, (std::vector<uint16_t>{1, 4, 5, 6}));
}

TEST(DecoderOptions, LastOfARepeatedKeyCounts) {
  EXPECT_EQ(FromOptions(R"({"size": ["1", "2M"]})")->size, 2u << 20);
}

TEST(DecoderOptions, Sizes) {
  for (const auto& [text, bytes] :
       std::vector<std::pair<std::string, uint64_t>>{{"0x10", 16},
                                                     {"010", 10},
                                                     {"1G", 1u << 30},
                                                     {"7b", 7},
                                                     {"0.5M", 1u << 19},
                                                     {"15E", uint64_t{15} << 60}}) {
    EXPECT_EQ(FromOptions("{\"size\": \"" + text + "\"}")->size, bytes) << text;
  }
  for (const char* text : {"", "1x", "-1", "1MM", "16E", "99999999999999999999", " 1", "k"}) {
    EXPECT_EQ(OptionsError("{\"size\": \"" + std::string(text) + "\"}"),
              "Parameter 'size' expects a size value")
        << text;
  }
}

TEST(DecoderOptions, Faults) {
  EXPECT_EQ(OptionsError(R"({"b": "x"})"), "Parameter 'b' expects 'on' or 'off'");
  EXPECT_EQ(OptionsError(R"({"u8": "x"})"), "Parameter 'u8' expects a uint64 value");
  EXPECT_EQ(OptionsError(R"({"u8": "-1"})"), "Parameter 'u8' expects a uint64 value");
  EXPECT_EQ(OptionsError(R"({"u8": "256"})"), "Parameter 'u8' expects uint8_t");
  EXPECT_EQ(OptionsError(R"({"i16": "1x"})"), "Parameter 'i16' expects an int64 value");
  EXPECT_EQ(OptionsError(R"({"u16s": "x"})"), "Parameter 'u16s' expects a uint64 value or range");
  EXPECT_EQ(OptionsError(R"({"zap": "x"})"), "Invalid parameter 'zap'");
}

}  // namespace
}  // namespace davit::qapi
