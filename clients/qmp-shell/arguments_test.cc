// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of words.h and arguments.h.
#include "clients/qmp-shell/arguments.h"

#include <gtest/gtest.h>

#include "clients/qmp-shell/test_schema.h"

namespace davit::client {
namespace {

std::string Arguments(std::string_view line) {
  const Words split = SplitWords(line);
  Result<json::Object> arguments =
      ParseArguments(TestSchema(), split.words.front().text, std::span(split.words).subspan(1));
  return arguments ? json::Write(json::Value(*arguments)) : "error: " + arguments.error().message;
}

TEST(WordsTest, QuotesAndBracketsKeepBlanksTogether) {
  const Words split = SplitWords(R"(a  b="c d" e={"x": [1, 2]})");
  ASSERT_EQ(split.words.size(), 3u);
  EXPECT_EQ(split.words[1].text, R"(b="c d")");
  EXPECT_EQ(split.words[2].text, R"(e={"x": [1, 2]})");
  EXPECT_FALSE(split.open);
}

TEST(WordsTest, UnclosedQuoteIsSeen) { EXPECT_TRUE(SplitWords("a b='c d").open); }

TEST(ArgumentsTest, SchemaDecidesBetweenStringAndInteger) {
  EXPECT_EQ(Arguments("object-add qom-type=memory-backend-ram id=1 size=1048576 share=on"),
            R"({"qom-type": "memory-backend-ram", "id": "1", "size": 1048576, "share": true})");
}

TEST(ArgumentsTest, HexadecimalIntegers) {
  EXPECT_EQ(Arguments("object-add qom-type=memory-backend-ram id=m size=0x1000"),
            R"({"qom-type": "memory-backend-ram", "id": "m", "size": 4096})");
}

TEST(ArgumentsTest, DottedKeysNest) {
  EXPECT_EQ(Arguments("set-action nested.name=7 list.0=1 list.1=2"),
            R"({"nested": {"name": "7"}, "list": [1, 2]})");
}

TEST(ArgumentsTest, JsonObjectAndJsonValues) {
  EXPECT_EQ(Arguments(R"(set-action {"reboot": "reset"} list=[1, 2])"),
            R"({"reboot": "reset", "list": [1, 2]})");
  EXPECT_EQ(Arguments("set-action nested={'name': 'x'}"), R"({"nested": {"name": "x"}})");
}

TEST(ArgumentsTest, UnknownCommandsTakeJsonOrStrings) {
  EXPECT_EQ(Arguments("unknown a=1 b=true c=text d='true'"),
            R"({"a": 1, "b": true, "c": "text", "d": "true"})");
}

TEST(ArgumentsTest, MistakesNameTheWord) {
  EXPECT_EQ(Arguments("set-action reboot"),
            "error: expected KEY=VALUE or a JSON object, got 'reboot'");
  EXPECT_EQ(Arguments("set-action reboot=reset reboot=reset"),
            "error: key 'reboot' is given twice");
  EXPECT_EQ(Arguments("set-action nested.name=a nested.name.b=c"),
            "error: key 'nested.name.b': 'name' is a plain value already");
  EXPECT_EQ(Arguments("set-action list.1=2"),
            "error: key 'list.1': list elements are numbered 0, 1, ... in order");
  EXPECT_EQ(Arguments("set-action a..b=2"), "error: key 'a..b' has an empty part");
}

}  // namespace
}  // namespace davit::client
