// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See transcript.h.
#include "tests/conformance/transcript.h"

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

void Replace(std::string& text, std::string_view from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
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
    } else if (view.starts_with(">> ")) {
      transcript.steps.push_back({Kind::kSend, Bytes(view.substr(3)), number});
    } else if (view.starts_with("> ")) {
      transcript.steps.push_back({Kind::kSend, Bytes(view.substr(2)) + "\n", number});
    } else if (view.starts_with("< ")) {
      transcript.steps.push_back({Kind::kExpect, std::string(view.substr(2)), number});
    } else if (std::string_view("=+-").find(view[0]) != std::string_view::npos &&
               view.substr(1).starts_with(' ') && !transcript.steps.empty() &&
               HasRows(transcript.steps.back().text)) {
      transcript.steps.back().rows.push_back({view[0], std::string(view.substr(2)), number});
    } else if (view == "!eof") {
      transcript.steps.push_back({Kind::kEndOfFile, "", number});
    } else {
      return Fail("line " + std::to_string(number) + ": not a line of a transcript: " + line);
    }
  }
  return transcript;
}

Transcript InFolder(Transcript transcript, const std::string& dir) {
  for (auto* args : {&transcript.davit_args, &transcript.qemu_args}) {
    for (std::string& arg : *args) Replace(arg, "$DIR", dir);
  }
  for (TranscriptStep& step : transcript.steps) {
    Replace(step.text, "$DIR", dir);
    for (Row& row : step.rows) Replace(row.text, "$DIR", dir);
  }
  return transcript;
}

}  // namespace davit::testing
