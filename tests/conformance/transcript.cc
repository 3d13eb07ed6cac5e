// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See transcript.h.
#include "tests/conformance/transcript.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

namespace davit::testing {
namespace {

// \xNN -> the byte; every other backslash stays for JSON.
std::string Bytes(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text.substr(i, 2) == "\\x" && i + 4 <= text.size() &&
        std::from_chars(&text[i + 2], &text[i + 4], byte, 16).ec == std::errc()) {
      out += static_cast<char>(byte);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

void AddWords(std::string_view text, std::vector<std::string>& words) {
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) words.push_back(word);
}

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

}  // namespace

Result<Transcript> ParseTranscript(std::string_view text) {
  Transcript transcript;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view view = line;
    using Kind = TranscriptStep::Kind;
    if (view.empty() || view.starts_with('#')) continue;
    if (view.starts_with("args:")) {
      AddWords(view.substr(5), transcript.davit_args);
      AddWords(view.substr(5), transcript.qemu_args);
    } else if (view.starts_with("davit-args:")) {
      AddWords(view.substr(11), transcript.davit_args);
    } else if (view.starts_with("qemu-args:")) {
      AddWords(view.substr(10), transcript.qemu_args);
    } else if (view == "only: davit") {
      transcript.davit_only = true;
    } else if (view.starts_with(">> ")) {
      transcript.steps.push_back({Kind::kSend, Bytes(view.substr(3)), number});
    } else if (view.starts_with("> ")) {
      transcript.steps.push_back({Kind::kSend, Bytes(view.substr(2)) + "\n", number});
    } else if (view.starts_with("< ")) {
      transcript.steps.push_back({Kind::kExpect, std::string(view.substr(2)), number});
    } else if (view == "!eof") {
      transcript.steps.push_back({Kind::kEndOfFile, "", number});
    } else {
      return Fail("line " + std::to_string(number) + ": not a line of a transcript: " + line);
    }
  }
  return transcript;
}

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

}  // namespace davit::testing
