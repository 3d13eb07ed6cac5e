// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Bytes of the server's messages, as QEMU 7.2 sends them.
#include "qmp/protocol/reply.h"

#include <gtest/gtest.h>

namespace davit::qmp {
namespace {

TEST(ReplyTest, Greeting) {
  std::string out;
  AppendGreeting(out, {7, 2, 22, "Debian"}, false);
  EXPECT_EQ(out,
            "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
            "\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\r\n");
}

TEST(ReplyTest, PrettyGreeting) {
  std::string out;
  AppendGreeting(out, {7, 2, 22, "x"}, true);
  EXPECT_EQ(out,
            "{\r\n    \"QMP\": {\r\n        \"version\": {\r\n            \"qemu\": {\r\n"
            "                \"micro\": 22,\r\n                \"minor\": 2,\r\n"
            "                \"major\": 7\r\n            },\r\n            \"package\": \"x\"\r\n"
            "        },\r\n        \"capabilities\": [\r\n            \"oob\"\r\n        ]\r\n"
            "    }\r\n}\r\n");
}

TEST(ReplyTest, ReturnPrecedesIdAndIdPrecedesError) {
  std::string out;
  AppendReturn(out, json::Object(), json::Value(1), false);
  AppendError(out, {ErrorCode::kKvmMissingCap, "no \"x\"", {}}, json::Value("a"), false);
  AppendError(out, {ErrorCode::kGeneric, "m", {}}, std::nullopt, false);
  EXPECT_EQ(out,
            "{\"return\": {}, \"id\": 1}\r\n"
            "{\"id\": \"a\", \"error\": {\"class\": \"KVMMissingCap\", \"desc\": \"no "
            "\\\"x\\\"\"}}\r\n"
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"m\"}}\r\n");
}

TEST(ReplyTest, PrettyReturn) {
  std::string out;
  AppendReturn(out, json::Object(), json::Value(1), true);
  EXPECT_EQ(out, "{\r\n    \"return\": {\r\n    },\r\n    \"id\": 1\r\n}\r\n");
}

TEST(ReplyTest, EventCarriesTheTimeOfTheWallClock) {
  std::string out;
  const std::chrono::system_clock::time_point when{
      std::chrono::microseconds(1'500'000'000'000'042)};
  const json::Value data = json::Object{{"guest", false}};
  AppendEvent(out, "SHUTDOWN", &data, when, false);
  AppendEvent(out, "STOP", nullptr, when, false);
  EXPECT_EQ(out,
            "{\"timestamp\": {\"seconds\": 1500000000, \"microseconds\": 42}, \"event\": "
            "\"SHUTDOWN\", \"data\": {\"guest\": false}}\r\n"
            "{\"timestamp\": {\"seconds\": 1500000000, \"microseconds\": 42}, \"event\": "
            "\"STOP\"}\r\n");
}

}  // namespace
}  // namespace davit::qmp
