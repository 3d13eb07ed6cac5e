// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The generated reference page of davit's schema: complete, and every link leads somewhere.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "schema/qapi/commands.h"
#include "schema/qapi/help.h"

namespace davit::qapi {
namespace {

const std::string& Page() {
  static const std::string page = [] {
    std::ifstream file("schema/qapi/qmp-reference.md", std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }();
  return page;
}

// What stands between `open` and `close`, everywhere on the page.
std::multiset<std::string> All(const std::string& open, const std::string& close) {
  std::multiset<std::string> found;
  for (size_t at = Page().find(open); at != std::string::npos; at = Page().find(open, at + 1)) {
    const size_t start = at + open.size();
    found.insert(Page().substr(start, Page().find(close, start) - start));
  }
  return found;
}

TEST(Reference, HasEveryCommand) {
  for (const CommandEntry& command : Commands()) {
    const std::string anchor = "<a id=\"command-" + std::string(command.name) + "\"></a>";
    EXPECT_NE(Page().find(anchor), std::string::npos) << command.name;
  }
}

TEST(Help, HasEveryCommandAndItsArguments) {
  for (const CommandEntry& command : Commands()) {
    EXPECT_GT(CommandHelp(command.name).size(), 10u) << command.name;
    EXPECT_EQ(CommandHelp(command.name).find('@'), std::string_view::npos) << command.name;
  }
  EXPECT_NE(CommandHelp("device_del").find("\nArguments:\n  id: "), std::string_view::npos);
  EXPECT_EQ(CommandHelp("device_dell"), "");
}

TEST(Reference, EveryLinkHasItsAnchor) {
  const std::multiset<std::string> anchors = All("<a id=\"", "\"></a>");
  const std::multiset<std::string> links = All("](#", ")");
  EXPECT_GT(links.size(), Commands().size());
  for (const std::string& link : links) EXPECT_TRUE(anchors.contains(link)) << link;
}

TEST(Reference, AnchorsAreDistinct) {
  const std::multiset<std::string> anchors = All("<a id=\"", "\"></a>");
  EXPECT_EQ(anchors.size(), std::set<std::string>(anchors.begin(), anchors.end()).size());
}

}  // namespace
}  // namespace davit::qapi
