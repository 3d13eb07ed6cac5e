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

TEST(TranscriptTest, StrayLineIsNamed) {
  EXPECT_EQ(ParseTranscript("> a\nb\n").error().message, "line 2: not a line of a transcript: b");
}

}  // namespace
}  // namespace davit::testing
