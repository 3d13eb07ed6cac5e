// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See rows.h.
#include "tests/conformance/rows.h"

#include <algorithm>
#include <cctype>

namespace davit::testing {
namespace {

constexpr std::string_view kRows = "<<rows>>";
constexpr std::string_view kSequence = "<<sequence>>";

bool WildcardTakes(std::string_view name, std::string_view text) {
  if (name == "any") return true;
  if (name == "int") {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
      return std::isdigit(c) != 0 || c == '-';
    });
  }
  if (name == "str") {
    return text.size() >= 2 && text.front() == '"' && text.find('"', 1) == text.size() - 1;
  }
  if (name == "timestamp") {
    return LineMatches("{\"seconds\": <<int>>, \"microseconds\": <<int>>}", text);
  }
  return false;
}

// The elements of a JSON array's inside, each as it is written.
std::vector<std::string_view> Elements(std::string_view text) {
  std::vector<std::string_view> elements;
  bool quoted = false;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (depth == 0 && text.substr(i, 2) == ", ") {
      elements.push_back(text.substr(begin, i - begin));
      begin = i + 2;
    }
  }
  if (!text.empty()) elements.push_back(text.substr(begin));
  return elements;
}

// The lines of a text inside a JSON string.
std::vector<std::string_view> Lines(std::string_view text) {
  constexpr std::string_view kEnd = "\\r\\n";
  std::vector<std::string_view> lines;
  for (size_t end; (end = text.find(kEnd)) != std::string_view::npos;) {
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + kEnd.size());
  }
  if (!text.empty()) lines.push_back(text);
  return lines;
}

std::string AllOf(const std::vector<Row>& rows, const std::vector<std::string_view>& got) {
  size_t i = 0;
  for (const Row& row : rows) {
    if (row.whose == '-') continue;
    const std::string here = "line " + std::to_string(row.line) + ": expected row " + row.text;
    if (i == got.size()) return here + ", got no more rows";
    if (!LineMatches(row.text, got[i])) return here + ", got " + std::string(got[i]);
    ++i;
  }
  return i == got.size() ? "" : "unexpected row " + std::string(got[i]);
}

std::string PartOf(const std::vector<Row>& rows, const std::vector<std::string_view>& got,
                   bool ordered) {
  auto from = got.begin();
  for (const Row& row : rows) {
    if (row.whose == '+') continue;
    const auto it = std::find_if(
        from, got.end(), [&row](std::string_view line) { return LineMatches(row.text, line); });
    if (it == got.end()) return "line " + std::to_string(row.line) + ": QEMU has no " + row.text;
    if (ordered) from = it + 1;
  }
  return "";
}

}  // namespace

bool LineMatches(std::string_view expected, std::string_view line) {
  const size_t open = expected.find("<<");
  const size_t close = expected.find(">>", open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) return expected == line;
  if (!line.starts_with(expected.substr(0, open))) return false;
  const std::string_view name = expected.substr(open + 2, close - open - 2);
  const std::string_view rest = expected.substr(close + 2);
  // Each end of the wildcard that its kind allows, shortest first.
  for (size_t end = open; end <= line.size(); ++end) {
    if (WildcardTakes(name, line.substr(open, end - open)) && LineMatches(rest, line.substr(end))) {
      return true;
    }
  }
  return false;
}

bool HasRows(std::string_view expected) {
  return expected.find(kRows) != std::string_view::npos ||
         expected.find(kSequence) != std::string_view::npos;
}

std::string CompareRows(std::string_view expected, const std::vector<Row>& rows,
                        std::string_view line, Server server) {
  const bool ordered = expected.find(kSequence) != std::string_view::npos;
  const std::string_view mark = ordered ? kSequence : kRows;
  const size_t at = expected.find(mark);
  const std::string_view before = expected.substr(0, at);
  const std::string_view after = expected.substr(at + mark.size());
  if (!line.starts_with(before) || !line.ends_with(after) ||
      line.size() < before.size() + after.size()) {
    return "not " + std::string(expected);
  }
  line.remove_prefix(before.size());
  line.remove_suffix(after.size());
  const auto got = before.ends_with('"') ? Lines(line) : Elements(line);
  return server == Server::kDavit ? AllOf(rows, got) : PartOf(rows, got, ordered);
}

}  // namespace davit::testing
