// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Each testdata/golden/cpp/RULE.json through the emitters of C++; all their files, one after the
// other, must be RULE.golden. To accept a change: run the test binary in the workspace with
// DAVIT_UPDATE_GOLDEN=1 set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "schema/compiler/compile.h"
#include "schema/compiler/emitter.h"

namespace davit::schema {
namespace {

constexpr const char* kFolder = "schema/compiler/testdata/golden/cpp";

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> Rules() {
  std::vector<std::string> rules;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".json") rules.push_back(entry.path().stem().string());
  }
  std::sort(rules.begin(), rules.end());
  return rules;
}

// Emitters that have nothing to say about a rule are left out.
bool Matters(const Emitter& emitter, const Schema& schema) {
  const auto any = [&](auto test) {
    return std::any_of(schema.modules.begin(), schema.modules.end(), test);
  };
  if (emitter.name == "docs" || emitter.name == "introspect" || emitter.name == "help") {
    return false;
  }
  if (emitter.name == "commands" || emitter.name == "client") {
    return any([](const auto& module) { return !module->commands.empty(); });
  }
  if (emitter.name == "devices") {
    return any([](const auto& module) { return !module->devices.empty(); });
  }
  if (emitter.name == "events") {
    return any([](const auto& module) { return !module->events.empty(); });
  }
  return true;
}

std::string Generate(const Schema& schema) {
  OutputFiles files;
  EmitOptions options;
  options.include_dir = "golden";
  for (const Emitter& emitter : Emitters()) {
    if (Matters(emitter, schema)) emitter.emit(schema, options, files);
  }
  std::string all;
  for (const auto& [name, text] : files) all += "======== " + name + "\n" + text;
  return all;
}

class EmitGolden : public testing::TestWithParam<std::string> {};

TEST_P(EmitGolden, OutputIsAsRecorded) {
  const std::string base = std::string(kFolder) + "/" + GetParam();
  const Result<Schema> schema = LoadSchema(base + ".json", ReadFileFromDisk, {});
  ASSERT_TRUE(schema) << schema.error().message;
  const std::string generated = Generate(*schema);
  if (std::getenv("DAVIT_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(base + ".golden", std::ios::binary) << generated;
  }
  EXPECT_EQ(generated, ReadAll(base + ".golden"));
}

INSTANTIATE_TEST_SUITE_P(AllRules, EmitGolden, testing::ValuesIn(Rules()),
                         [](const auto& info) { return info.param; });

TEST(EmitGolden, OutputIsTheSameEveryTime) {
  const std::string path = std::string(kFolder) + "/union.json";
  const Result<Schema> first = LoadSchema(path, ReadFileFromDisk, {});
  const Result<Schema> second = LoadSchema(path, ReadFileFromDisk, {});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(Generate(*first), Generate(*second));
}

}  // namespace
}  // namespace davit::schema
