// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Limits and values of the stream parser. What it answers to broken input is compared with QEMU in
// qmp/session/recovery_test.cc.
#include "qmp/protocol/message_parser.h"

#include <gtest/gtest.h>

#include <limits>

#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

// The messages of the bytes: a value as text, an error as "!message".
std::vector<std::string> Parse(std::string_view bytes) {
  MessageParser parser;
  std::vector<std::string> out;
  std::optional<Result<json::Value>> message;
  while (!bytes.empty()) {
    bytes.remove_prefix(parser.Feed(bytes, message));
    if (!message) continue;
    out.push_back(*message ? json::Write(**message) : "!" + message->error().message);
  }
  return out;
}

using Texts = std::vector<std::string>;

std::string Repeat(std::string_view text, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

TEST(MessageParserTest, StopsAfterEachMessage) {
  MessageParser parser;
  std::optional<Result<json::Value>> message;
  EXPECT_EQ(parser.Feed("{} {}", message), 2u);
  EXPECT_TRUE(message && message->has_value());
  EXPECT_FALSE(parser.mid_message());
  EXPECT_EQ(parser.Feed(" {", message), 2u);
  EXPECT_FALSE(message);
  EXPECT_TRUE(parser.mid_message());
}

TEST(MessageParserTest, KeepsTheFullRangeOfIntegers) {
  EXPECT_EQ(Parse("[9223372036854775807,-9223372036854775808,18446744073709551615]"),
            Texts{"[9223372036854775807, -9223372036854775808, 18446744073709551615]"});
}

TEST(MessageParserTest, AcceptsNesting1024) {
  const std::string text = Repeat("[", 1024) + Repeat("]", 1024);
  EXPECT_EQ(Parse(text), Texts{text});
}

TEST(MessageParserTest, RefusesNesting1025AndRecovers) {
  const Texts messages = Parse(Repeat("[", 1025) + "\xff{}");
  EXPECT_EQ(messages, (Texts{"!JSON nesting depth limit exceeded",
                             "!JSON parse error, stray '\xef\xbf\xbd'", "{}"}));
}

TEST(MessageParserTest, Nesting2000YieldsOneErrorAndOneForEachStrayBracket) {
  const Texts messages = Parse(Repeat("[", 2000) + Repeat("]", 2000) + "\n{}");
  // 1025 open brackets are one error; the other 975 are a new message that 975 brackets close; the
  // 1025 left close nothing.
  ASSERT_EQ(messages.size(), 1u + 1u + 1025u + 1u);
  EXPECT_EQ(messages[0], "!JSON nesting depth limit exceeded");
  EXPECT_EQ(messages[2], "!JSON parse error, expecting value");
  EXPECT_EQ(messages.back(), "{}");
}

TEST(MessageParserTest, TakesAStringOfTenMegabytes) {
  const std::string text = "[\"" + std::string(10 << 20, 'x') + "\"]";
  EXPECT_EQ(Parse(text), Texts{text});
}

TEST(MessageParserTest, RefusesATokenAbove64MiB) {
  std::string text = "\"" + std::string(64u << 20, 'x');
  text += "\n{}";
  const Texts messages = Parse(text);
  // The byte that is one too many ends the token; what follows is read afresh.
  EXPECT_EQ(messages, (Texts{"!JSON token size limit exceeded", "{}"}));
}

TEST(MessageParserTest, RefusesAMessageAbove64MiBOfTokens) {
  const std::string half = "\"" + std::string(40u << 20, 'x') + "\"";
  const Texts messages = Parse("[" + half + "," + half + "\n{}");
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0], "!JSON token size limit exceeded");
  EXPECT_EQ(messages[1], "{}");
}

TEST(MessageParserTest, RefusesMoreThanTwoMebiTokens) {
  const Texts messages = Parse("[" + Repeat("1,", 1u << 20) + "\xff{}");
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0], "!JSON token count limit exceeded");
}

TEST(MessageParserTest, LargeObjectsCostNoQuadraticTime) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"k" + std::to_string(i) + "\": 0, ";
  text += "\"k0\": 1}";
  EXPECT_EQ(Parse(text), Texts{"!JSON parse error, duplicate key"});
}

TEST(MessageParserTest, QuotesOnlyTheStartOfALongToken) {
  const Texts messages = Parse("\"" + std::string(1 << 20, 'x') + "\x01");
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_LT(messages[0].size(), 5000u);
}

TEST(MessageParserTest, CutsALongReasonWhereQemuDoes) {
  const Texts messages = Parse(std::string(70'000, 'a') + " ");
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].size(), 1 + sizeof "JSON parse error, " - 1 + 1023);
}

TEST(MessageParserTest, EveryChunkingYieldsTheSame) {
  const std::string text =
      "{'a': [1, -2.5e3, \"\\u00e9\", true, null]} nul \x01 {\"b\": \"\xc3\xa9\"}\xff[]";
  const Texts whole = Parse(text);
  for (size_t cut = 1; cut < text.size(); ++cut) {
    MessageParser parser;
    Texts out;
    std::optional<Result<json::Value>> message;
    for (std::string_view part :
         {std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)}) {
      while (!part.empty()) {
        part.remove_prefix(parser.Feed(part, message));
        if (message) {
          out.push_back(*message ? json::Write(**message) : "!" + message->error().message);
        }
      }
    }
    EXPECT_EQ(out, whole) << "cut at " << cut;
  }
}

}  // namespace
}  // namespace davit::qmp
