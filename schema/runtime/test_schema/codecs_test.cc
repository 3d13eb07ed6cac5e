// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Generated types and codecs, and the texts of their faults as QEMU 7.2 has them.
#include "schema/runtime/test_schema/codecs.h"

#include <gtest/gtest.h>

#include "schema/runtime/json/json.h"
#include "schema/runtime/test_schema/events.h"

namespace davit::qapi_test {
namespace {

template <typename T>
std::string RoundTrip(std::string_view text) {
  const Result<T> value = Decode<T>(*json::Parse(text));
  return value ? json::Write(Encode(*value)) : "error: " + value.error().message;
}

TEST(Enums, TextsBothWays) {
  EXPECT_STREQ(ToString(Kind::kTcp), "tcp");
  EXPECT_EQ(KindFromString("file"), Kind::kFile);
  EXPECT_EQ(KindFromString("File"), std::nullopt);
}

TEST(Structs, EveryMemberSurvives) {
  const char* text =
      // In wire order (schema/runtime/json/member_order.h).
      R"({"kinds": ["tcp", "file"], "n": -1, "u8": 255, "any": {"a": [null]}, "mode": "all", )"
      R"("number": 0.5, "size": 4096, "refs": ["r", null, {"path": "/p", "type": "file"}], )"
      R"("i8": -128, "address": {"port": 1, "host": "h", "type": "tcp", "id": "i"}, )"
      R"("u64": 18446744073709551615, "id": "x", "flag": true})";
  EXPECT_EQ(RoundTrip<Everything>(text), text);
}

TEST(Structs, OptionalMembersMayBeAbsentButNotNull) {
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "x"})"), R"({"id": "x"})");
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "x", "n": null})"),
            "error: Invalid parameter type for 'n', expected: integer");
}

TEST(Structs, BaseMembersAreRequiredToo) {
  EXPECT_EQ(RoundTrip<Everything>("{}"), "error: Parameter 'id' is missing");
}

TEST(Structs, ListFaultsNameTheElement) {
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "", "kinds": ["tcp", 1]})"),
            "error: Invalid parameter type for 'kinds[1]', expected: string");
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "", "kinds": ["udp"]})"),
            "error: Parameter 'null' does not accept value 'udp'");
}

TEST(Unions, BranchMembersAreFlat) {
  const Result<Address> address = Decode<Address>(*json::Parse(R"({"type": "tcp", "host": "h"})"));
  ASSERT_TRUE(address);
  EXPECT_EQ(std::get<TcpAddress>(address->u).host, "h");
}

TEST(Unions, BranchWithoutMembersIsMonostate) {
  EXPECT_EQ(RoundTrip<Address>(R"({"type": "null"})"), R"({"type": "null"})");
}

TEST(Unions, Faults) {
  EXPECT_EQ(RoundTrip<Address>(R"({"host": "h"})"), "error: Parameter 'type' is missing");
  EXPECT_EQ(RoundTrip<Address>(R"({"type": "x"})"),
            "error: Parameter 'type' does not accept value 'x'");
  EXPECT_EQ(RoundTrip<Address>(R"({"type": "file"})"), "error: Parameter 'path' is missing");
  EXPECT_EQ(RoundTrip<Address>(R"({"type": "file", "path": "p", "host": "h"})"),
            "error: Parameter 'host' is unexpected");
  EXPECT_EQ(
      RoundTrip<Everything>(R"({"id": "", "address": {"type": "tcp", "host": "", "port": 65536}})"),
      "error: Parameter 'port' expects uint16_t");
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "", "address": {"type": "tcp", "host": 1}})"),
            "error: Invalid parameter type for 'address.host', expected: string");
}

TEST(Alternates, TheJsonTypeDecides) {
  EXPECT_EQ(RoundTrip<ModeOrCount>("\"none\""), "\"none\"");
  EXPECT_EQ(RoundTrip<ModeOrCount>("7"), "7");
}

TEST(Alternates, Faults) {
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "", "mode": true})"),
            "error: Invalid parameter type for 'mode', expected: ModeOrCount");
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "", "mode": 1.5})"),
            "error: Invalid parameter type for 'mode', expected: integer");
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "", "refs": [1]})"),
            "error: Invalid parameter type for 'null', expected: AddressRef");
  EXPECT_EQ(RoundTrip<Everything>(R"({"id": "", "refs": ["a", {"type": "file"}]})"),
            "error: Parameter 'refs[1].path' is missing");
}

TEST(Recursion, TypeMayHoldItself) {
  const char* text = R"({"n": 1, "next": {"n": 2, "next": {"n": 3}}})";
  EXPECT_EQ(RoundTrip<Chain>(text), text);
  const Result<Chain> chain = Decode<Chain>(*json::Parse(text));
  ASSERT_TRUE(chain);
  const Chain copy = *chain;
  EXPECT_EQ((**(**copy.next).next).n, 3);
}

TEST(Options, FlatTextsBecomeAStruct) {
  const json::Value options = *json::Parse(
      R"({"id": "x", "flag": "on", "size": "2K", "u8": "7", "kinds": ["tcp", "null"]})");
  const Result<Everything> value = Decode<Everything>(options, {}, DecodeMode::kOptions);
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(json::Write(Encode(*value)),
            R"({"kinds": ["tcp", "null"], "u8": 7, "size": 2048, "id": "x", "flag": true})");
}

TEST(Events, NameAndData) {
  const qapi::Event done = events::GuestDone({.ok = true, .address = std::nullopt});
  EXPECT_EQ(done.name, "GUEST_DONE");
  EXPECT_TRUE(done.has_data);
  EXPECT_EQ(json::Write(done.data), R"({"ok": true})");
}

TEST(Events, BareHasNoData) {
  EXPECT_FALSE(events::Bare().has_data);
  EXPECT_EQ(events::Bare().name, "BARE");
}

TEST(Events, BoxedTakesTheType) {
  EXPECT_EQ(json::Write(events::Boxed(Base{.id = "b"}).data), R"({"id": "b"})");
}

}  // namespace
}  // namespace davit::qapi_test
