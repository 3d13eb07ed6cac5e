// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of transcript.h: a matcher that takes everything would make every transcript pass.
#include "tests/conformance/transcript.h"

#include <gtest/gtest.h>

namespace davit::testing {
namespace {

TEST(TranscriptTest, LinesMatchByteForByte) {
  EXPECT_TRUE(LineMatches("{\"return\": {}}", "{\"return\": {}}"));
  EXPECT_FALSE(LineMatches("{\"return\": {}}", "{\"return\":{}}"));
  EXPECT_FALSE(LineMatches("{\"return\": {}}", "{\"return\": {}} "));
}

TEST(TranscriptTest, WildcardsTakeTheirKindOnly) {
  EXPECT_TRUE(LineMatches("{\"id\": <<int>>}", "{\"id\": 42}"));
  EXPECT_FALSE(LineMatches("{\"id\": <<int>>}", "{\"id\": \"x\"}"));
  EXPECT_TRUE(LineMatches("[<<str>>, <<str>>]", "[\"a\", \"b\"]"));
  EXPECT_FALSE(LineMatches("[<<str>>]", "[\"a\", \"b\"]"));
  EXPECT_TRUE(
      LineMatches("{\"t\": <<timestamp>>}", "{\"t\": {\"seconds\": 1, \"microseconds\": 23}}"));
  EXPECT_FALSE(LineMatches("{\"t\": <<timestamp>>}", "{\"t\": {\"seconds\": 1}}"));
  EXPECT_FALSE(LineMatches("<<unknown>>", "x"));
}

TEST(TranscriptTest, StepsAndArguments) {
  Result<Transcript> transcript =
      ParseTranscript("# c\nargs: -S\nqemu-args: -M none\n> a\\x41\n>> b\n< c\n!eof\n");
  ASSERT_TRUE(transcript) << transcript.error();
  EXPECT_EQ(transcript->davit_args, std::vector<std::string>{"-S"});
  EXPECT_EQ(transcript->qemu_args, (std::vector<std::string>{"-S", "-M", "none"}));
  ASSERT_EQ(transcript->steps.size(), 4u);
  EXPECT_EQ(transcript->steps[0].text, "aA\n");
  EXPECT_EQ(transcript->steps[1].text, "b");
}

TEST(TranscriptTest, RowsBelongToTheLineBeforeThem) {
  Result<Transcript> transcript = ParseTranscript("> a\n< [<<rows>>]\n= $DIR/1\n+ 2\n");
  ASSERT_TRUE(transcript) << transcript.error();
  const Transcript here = InFolder(*transcript, "/tmp");
  ASSERT_EQ(here.steps.size(), 2u);
  ASSERT_EQ(here.steps[1].rows.size(), 2u);
  EXPECT_EQ(here.steps[1].rows[0].text, "/tmp/1");
  EXPECT_EQ(here.steps[1].rows[1].whose, '+');
  EXPECT_FALSE(ParseTranscript("> a\n< []\n= 1\n"));
}

const std::vector<Row> kSome = {{'=', "{\"a\": \"x, y\"}", 1}, {'+', "[1, 2]", 2}, {'-', "3", 3}};

TEST(RowsTest, DavitHasItsRowsAndNoOthersInTheirOrder) {
  const auto davit = [](std::string_view line) {
    return CompareRows("[<<rows>>]", kSome, line, Server::kDavit);
  };
  EXPECT_EQ(davit("[{\"a\": \"x, y\"}, [1, 2]]"), "");
  EXPECT_EQ(davit("[{\"a\": \"x, y\"}]"), "line 2: expected row [1, 2], got no more rows");
  EXPECT_EQ(davit("[{\"a\": \"x, y\"}, [1, 2], 3]"), "unexpected row 3");
  EXPECT_EQ(davit("[[1, 2], {\"a\": \"x, y\"}]"),
            "line 1: expected row {\"a\": \"x, y\"}, got [1, 2]");
  EXPECT_EQ(davit("{}"), "not [<<rows>>]");
}

TEST(RowsTest, QemuHasItsRowsAmongOthers) {
  const auto qemu = [](std::string_view expected, std::string_view line) {
    return CompareRows(expected, kSome, line, Server::kQemu);
  };
  EXPECT_EQ(qemu("[<<rows>>]", "[3, 4, {\"a\": \"x, y\"}]"), "");
  EXPECT_EQ(qemu("[<<sequence>>]", "[3, 4, {\"a\": \"x, y\"}]"), "line 3: QEMU has no 3");
  EXPECT_EQ(qemu("[<<rows>>]", "[3, {\"a\": \"x\"}]"), "line 1: QEMU has no {\"a\": \"x, y\"}");
}

TEST(RowsTest, LinesOfAText) {
  const std::vector<Row> rows = {{'=', "  a", 1}, {'=', "b <<any>>", 2}};
  EXPECT_EQ(CompareRows("{\"return\": \"<<rows>>\"}", rows, "{\"return\": \"  a\\r\\nb x\\r\\n\"}",
                        Server::kDavit),
            "");
  EXPECT_EQ(CompareRows("{\"return\": \"<<rows>>\"}", rows, "{\"return\": \"a\\r\\nb x\\r\\n\"}",
                        Server::kDavit),
            "line 1: expected row   a, got a");
}

TEST(TranscriptTest, StrayLineIsNamed) {
  EXPECT_EQ(ParseTranscript("> a\nb\n").error().message, "line 2: not a line of a transcript: b");
}

}  // namespace
}  // namespace davit::testing
