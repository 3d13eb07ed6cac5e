// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of schema/compiler/testdata.
#include "schema/compiler/testdata_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace davit::schema {
namespace {

std::string Full(const std::string& path) { return "schema/compiler/testdata/" + path; }

}  // namespace

std::vector<std::string> TestSchemas(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(Full(folder))) {
    if (entry.path().extension() == ".json") {
      paths.push_back(folder + "/" + entry.path().filename().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

FileReader TestReader() {
  return [](const std::string& path) { return ReadFileFromDisk(Full(path)); };
}

std::string ReadTestFile(const std::string& path) {
  const Result<std::string> text = ReadFileFromDisk(Full(path));
  EXPECT_TRUE(text.has_value()) << path;
  return text.value_or("");
}

std::vector<std::string> TestDefines(const std::string& path) {
  constexpr std::string_view kMark = "# defines: ";
  const std::string text = ReadTestFile(path);
  const size_t start = text.find(kMark);
  std::vector<std::string> names;
  if (start == std::string::npos) return names;
  std::istringstream line(
      text.substr(start + kMark.size(), text.find('\n', start) - start - kMark.size()));
  for (std::string name; line >> name;) names.push_back(name);
  return names;
}

void ExpectTestFile(const std::string& path, const std::string& actual) {
  if (const char* update = std::getenv("DAVIT_UPDATE_TESTDATA"); update != nullptr) {
    std::ofstream(std::string(update) + "/" + path, std::ios::binary) << actual;
    return;
  }
  const Result<std::string> expected = ReadFileFromDisk(Full(path));
  ASSERT_TRUE(expected.has_value())
      << path << ": " << expected.error().message << "\nactual contents:\n"
      << actual;
  EXPECT_EQ(*expected, actual) << path;
}

}  // namespace davit::schema
