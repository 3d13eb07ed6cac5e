// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Broken schemas: every test schema truncated everywhere, and with bytes changed, removed and
// repeated. The front end must answer with an IR or an error, which names the file. What it
// accepts, every emitter must be able to print.
#include <gtest/gtest.h>

#include <random>

#include "schema/compiler/compile.h"
#include "schema/compiler/emitter.h"
#include "schema/compiler/testdata_test.h"

namespace davit::schema {
namespace {

std::vector<std::string> AllSchemas() {
  std::vector<std::string> paths;
  for (const char* folder : {"golden", "errors", "emit"}) {
    for (std::string& path : TestSchemas(folder)) paths.push_back(std::move(path));
  }
  return paths;
}

// True when the text is a good schema.
bool Feed(const std::string& path, const std::string& text) {
  const FileReader disk = TestReader();
  const FileReader reader = [&](const std::string& wanted) -> Result<std::string> {
    if (wanted == path) return text;
    return disk(wanted);
  };
  const Result<Schema> schema = LoadSchema(path, reader, {"HERE"});
  if (!schema) {
    EXPECT_NE(schema.error().message.find(".json:"), std::string::npos) << schema.error().message;
    return false;
  }
  for (const Emitter& emitter : Emitters()) {
    OutputFiles files;
    emitter.emit(*schema, EmitOptions{}, files);
  }
  return !DumpSchema(*schema).empty();
}

TEST(Robustness, TruncatedAnywhere) {
  int good = 0;
  for (const std::string& path : TestSchemas("golden")) {
    const std::string text = ReadTestFile(path);
    for (size_t n = 0; n <= text.size(); ++n) good += Feed(path, text.substr(0, n));
  }
  EXPECT_GT(good, 0);
}

TEST(Robustness, ChangedBytes) {
  constexpr std::string_view kBytes = "'{}[]:,#*@=\\\n\t \"tf09aZ_-\x00\x7f\xff";
  std::mt19937 random(20240229);
  int bad = 0;
  for (const std::string& path : AllSchemas()) {
    const std::string original = ReadTestFile(path);
    for (int round = 0; round < 60; ++round) {
      std::string text = original;
      for (int edits = 1 + round % 3; edits > 0 && !text.empty(); --edits) {
        const size_t at = random() % text.size();
        const size_t length = random() % 40;
        switch (random() % 4) {
          case 0:
            text[at] = kBytes[random() % kBytes.size()];
            break;
          case 1:
            text.erase(at, length);
            break;
          case 2:
            text.insert(at, text.substr(random() % text.size(), length));
            break;
          default:
            text.insert(at, 1, kBytes[random() % kBytes.size()]);
            break;
        }
      }
      bad += Feed(path, text) ? 0 : 1;
    }
  }
  EXPECT_GT(bad, 0);
}

TEST(Robustness, RandomBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string text(random() % 200, '\0');
    for (char& c : text) c = static_cast<char>(random());
    Feed("random.json", text);
  }
}

TEST(Robustness, DeepNesting) {
  EXPECT_FALSE(Feed("deep.json", std::string(1000000, '[')));
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{'a':";
  EXPECT_FALSE(Feed("deep.json", objects));
}

// A hundred thousand types, each in the next: no recursion over them.
TEST(Robustness, LongChainOfMembers) {
  std::string text = "{ 'struct': 'Sa100000', 'data': {} }\n";
  for (int i = 0; i < 100000; ++i) {
    text += "{ 'struct': 'Sa" + std::to_string(i) + "', 'data': { 'a': 'Sa" +
            std::to_string(i + 1) + "' } }\n";
  }
  const FileReader reader = [&](const std::string&) -> Result<std::string> { return text; };
  const Result<Schema> schema = LoadSchema("chain.json", reader, {});
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  EXPECT_EQ(schema->types.front()->name, "Sa100000");
  EXPECT_EQ(schema->types.back()->name, "Sa0");
}

TEST(Robustness, IncludesNestedWithoutEnd) {
  const FileReader reader = [](const std::string& path) -> Result<std::string> {
    return "{ 'include': 'x" + path + "' }";
  };
  const Result<Schema> schema = LoadSchema("a.json", reader, {});
  ASSERT_FALSE(schema.has_value());
  EXPECT_NE(schema.error().message.find("includes are nested too deeply"), std::string::npos);
}

TEST(Robustness, RootFileMissing) {
  const Result<Schema> schema = LoadSchema("no/such.json", TestReader(), {});
  ASSERT_FALSE(schema.has_value());
  EXPECT_EQ(schema.error().message,
            "can't read schema file 'no/such.json': No such file or directory");
}

}  // namespace
}  // namespace davit::schema
