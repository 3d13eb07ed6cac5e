// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// testdata/recovery.txt holds what QEMU 7.2 answered to some hundred good, odd and broken inputs,
// each on a session of its own: "= MODE" (fresh, negotiated, oob), "> INPUT" with \xNN escapes, "<
// REPLY". Each must get the same bytes from a Session, in one piece and byte by byte.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "qmp/session/testing/fake_host.h"

namespace davit::qmp {
namespace {

struct Case {
  std::string mode;
  std::string input;
  std::string replies;
};

std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && text[i + 1] == 'x') {
      out += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<Case> ReadCases() {
  std::ifstream file("qmp/session/testdata/recovery.txt");
  std::vector<Case> cases;
  std::string mode;
  for (std::string line; std::getline(file, line);) {
    const std::string rest = line.substr(2);
    if (line[0] == '=') mode = rest;
    if (line[0] == '>') cases.push_back({mode, Unescape(rest), ""});
    if (line[0] == '<') cases.back().replies += rest + "\r\n";
  }
  return cases;
}

std::string Answers(const Case& c, bool in_one_piece) {
  testing::FakeHost host;
  host.Take();
  if (c.mode != "fresh") host.Negotiate(c.mode == "oob");
  if (in_one_piece) return host.Ask(c.input);
  std::string out;
  for (const char byte : c.input) out += host.Ask(std::string_view(&byte, 1));
  return out;
}

TEST(RecoveryTest, AnswersAsQemuInOnePiece) {
  const std::vector<Case> cases = ReadCases();
  ASSERT_GT(cases.size(), 250u);
  for (const Case& c : cases) EXPECT_EQ(Answers(c, true), c.replies) << c.mode << ": " << c.input;
}

TEST(RecoveryTest, AnswersAsQemuByteByByte) {
  for (const Case& c : ReadCases()) {
    EXPECT_EQ(Answers(c, false), c.replies) << c.mode << ": " << c.input;
  }
}

}  // namespace
}  // namespace davit::qmp
