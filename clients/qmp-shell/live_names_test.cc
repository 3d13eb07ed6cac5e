// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of live_names.h.
#include "clients/qmp-shell/live_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "clients/qmp-shell/completer.h"
#include "clients/qmp-shell/test_schema.h"
#include "schema/runtime/json/json.h"

namespace davit::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Answers as a VM does that has these.
Result<json::Value> Answer(std::string_view command, json::Object arguments) {
  static const std::map<std::string, std::string, std::less<>> kAnswers = {
      {R"(qom-list {"path": "/"})",
       R"([{"name": "type", "type": "string"}, {"name": "machine", "type": "child<m>"}])"},
      {R"(qom-list {"path": "/machine"})",
       R"([{"name": "peripheral", "type": "child<container>"}, {"name": "smm", "type": "bool"}])"},
      {R"(qom-list {"path": "/machine/"})",
       R"([{"name": "peripheral", "type": "child<container>"}, {"name": "smm", "type": "bool"}])"},
      {R"(qom-list {"path": "/machine/peripheral"})",
       R"([{"name": "type", "type": "string"}, {"name": "disk0", "type": "child<x>"}])"},
      {R"(qom-list {"path": "/machine/peripheral/"})",
       R"([{"name": "type", "type": "string"}, {"name": "disk0", "type": "child<x>"}])"},
      {R"(qom-list {"path": "/machine/peripheral/disk0"})",
       R"([{"name": "serial", "type": "str"}])"},
      {R"(qom-list {"path": "/objects"})", R"([{"name": "io0", "type": "child<iothread>"}])"},
      {R"(query-named-block-nodes {"flat": true})", R"([{"node-name": "root"}])"},
      {R"(query-chardev {})", R"([{"label": "con"}, {"label": "qmp"}])"},
      {R"(qom-list-types {"implements": "device", "abstract": false})",
       R"([{"name": "virtio-rng-pci"}])"},
      {R"(device-list-properties {"typename": "virtio-rng-pci"})",
       R"([{"name": "period", "type": "uint32"}, {"name": "rng", "type": "str"}])"},
  };
  const auto it = kAnswers.find(std::string(command) + " " + json::Write(arguments));
  if (it == kAnswers.end()) return Fail("no answer");
  return json::Parse(it->second);
}

class LiveNamesTest : public testing::Test {
 protected:
  std::vector<std::string> Values(std::string_view command, std::string_view key,
                                  std::string_view partial = "", json::Object so_far = {}) {
    return live_.ValuesOf(command, key, partial, so_far);
  }
  const LiveNames live_{Answer};
};

TEST_F(LiveNamesTest, NamesOfWhatThereIs) {
  EXPECT_THAT(Values("device_del", "id"), ElementsAre("disk0"));
  EXPECT_THAT(Values("eject", "id"), ElementsAre("disk0"));
  EXPECT_THAT(Values("object-del", "id"), ElementsAre("io0"));
  EXPECT_THAT(Values("blockdev-del", "node-name"), ElementsAre("root"));
  EXPECT_THAT(Values("device_add", "drive"), ElementsAre("root"));
  EXPECT_THAT(Values("device_add", "driver"), ElementsAre("virtio-rng-pci"));
  EXPECT_THAT(Values("chardev-remove", "id"), ElementsAre("con", "qmp"));
}

TEST_F(LiveNamesTest, NoneWhereANameIsGivenOrNothingIsKnown) {
  EXPECT_THAT(Values("device_add", "id"), IsEmpty());
  EXPECT_THAT(Values("blockdev-add", "node-name"), IsEmpty());
  EXPECT_THAT(Values("query-status", "nothing"), IsEmpty());
  EXPECT_THAT(Values("screendump", "path"), IsEmpty());
  EXPECT_THAT(Values("qom-list-properties", "typename"), IsEmpty()) << "an error of the server";
  EXPECT_THAT(LiveNames().ValuesOf("device_del", "id", "", {}), IsEmpty());
}

TEST_F(LiveNamesTest, PathsGrowStepByStep) {
  EXPECT_THAT(Values("qom-list", "path"), ElementsAre("/"));
  EXPECT_THAT(Values("qom-list", "path", "/m"), ElementsAre("/machine/"));
  EXPECT_THAT(Values("qom-list", "path", "/machine/"), ElementsAre("/machine/peripheral/"));
  EXPECT_THAT(Values("qom-list", "path", "/machine/peripheral/d"),
              ElementsAre("/machine/peripheral/disk0"));
  EXPECT_THAT(Values("qom-get", "property", "", {{"path", "/machine/peripheral/disk0"}}),
              ElementsAre("serial"));
  EXPECT_THAT(Values("qom-get", "property"), IsEmpty());
}

TEST_F(LiveNamesTest, PropertiesOfTheDriver) {
  EXPECT_THAT(live_.KeysOf("device_add", {{"driver", "virtio-rng-pci"}}),
              ElementsAre("period", "rng"));
  EXPECT_THAT(live_.KeysOf("device_add", {}), IsEmpty());
  EXPECT_THAT(live_.KeysOf("object-add", {{"driver", "virtio-rng-pci"}}), IsEmpty());
}

TEST_F(LiveNamesTest, CompletionOffersThem) {
  const auto complete = [&](std::string_view line) {
    return CompleteQmp(TestSchema(), live_, {}, line).candidates;
  };
  EXPECT_THAT(complete("device_add driver=virtio-rng-pci p"), ElementsAre("period="));
  EXPECT_THAT(complete("device_add driver=virtio-rng-pci period=1 "), ElementsAre("rng="));
  EXPECT_THAT(complete("device_del id=d"), ElementsAre("id=disk0 "));
  EXPECT_THAT(complete("qom-list path=/mach"), ElementsAre("path=/machine/"));
}

}  // namespace
}  // namespace davit::client
