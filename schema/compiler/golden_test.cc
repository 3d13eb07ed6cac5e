// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One test a file: testdata/golden/X.json must give the IR in X.out, testdata/errors/X.json the
// error in X.err, testdata/emit/*.json the outputs beside them.
#include <gtest/gtest.h>

#include <algorithm>

#include "schema/compiler/compile.h"
#include "schema/compiler/emit_docs.h"
#include "schema/compiler/emit_introspect.h"
#include "schema/compiler/testdata_test.h"

namespace davit::schema {
namespace {

Result<Schema> Load(const std::string& path) {
  const std::vector<std::string> names = TestDefines(path);
  return LoadSchema(path, TestReader(), Defines(names.begin(), names.end()));
}

std::string WithExtension(const std::string& path, const std::string& extension) {
  return path.substr(0, path.size() - 5) + extension;  // without ".json"
}

std::string TestName(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.substr(info.param.find('/') + 1);
  name = WithExtension(name, "");
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, GivesTheIr) {
  const Result<Schema> schema = Load(GetParam());
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  ExpectTestFile(WithExtension(GetParam(), ".out"), DumpSchema(*schema));
}

INSTANTIATE_TEST_SUITE_P(Rules, Golden, testing::ValuesIn(TestSchemas("golden")), TestName);

class Errors : public testing::TestWithParam<std::string> {};

TEST_P(Errors, GivesTheMessage) {
  const Result<Schema> schema = Load(GetParam());
  ASSERT_FALSE(schema.has_value()) << DumpSchema(*schema);
  ExpectTestFile(WithExtension(GetParam(), ".err"), schema.error().message + "\n");
}

INSTANTIATE_TEST_SUITE_P(Rules, Errors, testing::ValuesIn(TestSchemas("errors")), TestName);

TEST(EmitIntrospect, EntriesAsQemuSendsThem) {
  const Result<Schema> schema = Load("emit/introspect.json");
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  std::string text;
  for (const std::string& entry : IntrospectionEntries(*schema)) text += entry + "\n";
  ExpectTestFile("emit/introspect.out", text);
}

TEST(EmitDocs, Page) {
  const Result<Schema> schema = Load("emit/docs.json");
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  OutputFiles files;
  EmitDocs(*schema, EmitOptions{}, files);
  ExpectTestFile("emit/docs.md", files["qmp-reference.md"]);
}

TEST(EmitDocs, EveryLinkHasItsAnchor) {
  const Result<Schema> schema = Load("emit/docs.json");
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  OutputFiles files;
  EmitDocs(*schema, EmitOptions{}, files);
  const std::string& page = files["qmp-reference.md"];
  int links = 0;
  for (size_t at = page.find("](#"); at != std::string::npos; at = page.find("](#", at + 1)) {
    const std::string anchor = page.substr(at + 3, page.find(')', at) - at - 3);
    EXPECT_NE(page.find("<a id=\"" + anchor + "\">"), std::string::npos) << anchor;
    ++links;
  }
  EXPECT_GT(links, 10);
}

TEST(Emitters, NoConditionalTextAndTwiceTheSame) {
  const Result<Schema> schema = Load("golden/if.json");
  ASSERT_TRUE(schema.has_value()) << schema.error().message;
  for (const Emitter& emitter : Emitters()) {
    OutputFiles first;
    OutputFiles second;
    emitter.emit(*schema, EmitOptions{}, first);
    const Result<Schema> again = Load("golden/if.json");
    emitter.emit(*again, EmitOptions{}, second);
    EXPECT_EQ(first, second) << emitter.name;
    EXPECT_FALSE(first.empty()) << emitter.name;
    for (const auto& [name, contents] : first) {
      EXPECT_EQ(contents.find("GONE"), std::string::npos) << name;
    }
  }
}

}  // namespace
}  // namespace davit::schema
