// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of completer.h.
#include "clients/qmp-shell/completer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/qmp-shell/test_schema.h"

namespace davit::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Complete(std::string_view line) {
  return CompleteQmp(TestSchema(), LiveNames(), {"exit"}, line).candidates;
}

TEST(CompleterTest, CommandsByPrefix) {
  EXPECT_THAT(Complete("query-sta"), ElementsAre("query-stats ", "query-status "));
  EXPECT_THAT(Complete("ex"), ElementsAre("exit "));
}

TEST(CompleterTest, KeysOfACommandWithoutThoseGiven) {
  EXPECT_THAT(Complete("object-add "), ElementsAre("id=", "qom-type="));
  EXPECT_THAT(Complete("object-add id=x "), ElementsAre("qom-type="));
}

TEST(CompleterTest, KeysOfTheChosenBranch) {
  EXPECT_THAT(Complete("object-add qom-type=memory-backend-ram s"), ElementsAre("share=", "size="));
  EXPECT_THAT(Complete("object-add qom-type=iothread s"), IsEmpty());
}

TEST(CompleterTest, ValuesOfEnumsAndBooleans) {
  EXPECT_THAT(Complete("set-action reboot=r"), ElementsAre("reboot=reset "));
  EXPECT_THAT(Complete("object-add qom-type=memory-backend-ram share=t"),
              ElementsAre("share=true "));
}

TEST(CompleterTest, DottedKeys) {
  EXPECT_THAT(Complete("set-action ne"), ElementsAre("nested."));
  EXPECT_THAT(Complete("set-action nested.n"), ElementsAre("nested.name="));
}

TEST(CompleterTest, BeginsWhereTheWordBegins) {
  EXPECT_EQ(CompleteQmp(TestSchema(), LiveNames(), {}, "object-add i").begin, 11u);
}

TEST(CompleterTest, HmpPhrases) {
  const std::vector<std::string> phrases = {"info", "info status", "info cpus", "stop"};
  EXPECT_THAT(CompleteWords(phrases, "s").candidates, ElementsAre("stop "));
  EXPECT_THAT(CompleteWords(phrases, "info s").candidates, ElementsAre("status "));
  EXPECT_THAT(CompleteWords(phrases, "inf").candidates, ElementsAre("info "));
}

}  // namespace
}  // namespace davit::client
