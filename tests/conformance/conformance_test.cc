// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Plays each transcript to davitd, and to Debian's QEMU where it is installed: so that what is
// written as expected is QEMU's answer and not our belief.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "clients/lib/client.h"
#include "tests/conformance/transcript.h"
#include "tests/support/vm.h"

namespace davit::testing {
namespace {

constexpr const char* kQemu = "/usr/bin/qemu-system-x86_64";
constexpr std::string_view kEndMark = "end-of-transcript";

std::vector<std::string> TranscriptNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("tests/conformance/transcripts")) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<Transcript> Load(const std::string& name) {
  std::ifstream file("tests/conformance/transcripts/" + name + ".txt");
  std::stringstream text;
  text << file.rdbuf();
  return ParseTranscript(text.str());
}

void ExpectEnd(client::Client& qmp, int line) {
  Result<std::string> end = qmp.ReadLine();
  EXPECT_FALSE(end) << "line " << line << ": expected the end of the connection, got: " << *end;
}

void ExpectLine(const TranscriptStep& step, const std::string& line, Server server) {
  if (HasRows(step.text)) {
    ASSERT_TRUE(line.ends_with('\r')) << line;
    EXPECT_EQ(CompareRows(step.text, step.rows, line.substr(0, line.size() - 1), server), "")
        << "line " << step.line;
    return;
  }
  ASSERT_TRUE(LineMatches(step.text + "\r", line))
      << "line " << step.line << "\n  expected " << step.text << "\n  got      " << line;
}

// The server's lines in the order of the transcript, which says a reply first: QEMU finishes a
// device on a thread of its own (RCU), which under load tells its end before device_del's reply.
class Lines {
 public:
  Lines(client::Client& qmp, Server server) : qmp_(qmp), server_(server) {}

  Result<std::string> Next(std::string_view expected) {
    if (server_ == Server::kQemu && expected.starts_with("{\"return\"")) return Reply();
    if (early_.empty()) return qmp_.ReadLine();
    std::string line = std::move(early_.front());
    early_.pop_front();
    return line;
  }

 private:
  Result<std::string> Reply() {
    for (;;) {
      Result<std::string> line = qmp_.ReadLine();
      if (!line || line->find("\"event\": \"DEVICE_DELETED\"") == std::string::npos) return line;
      early_.push_back(std::move(*line));
    }
  }

  client::Client& qmp_;
  const Server server_;
  std::deque<std::string> early_;
};

void Play(const Transcript& transcript, client::Client& qmp, Server server) {
  bool ended = false;
  Lines lines(qmp, server);
  for (const TranscriptStep& step : transcript.steps) {
    switch (step.kind) {
      case TranscriptStep::Kind::kSend:
        ASSERT_TRUE(qmp.SendRaw(step.text)) << "line " << step.line;
        break;
      case TranscriptStep::Kind::kExpect: {
        Result<std::string> line = lines.Next(step.text);
        ASSERT_TRUE(line) << "line " << step.line << ": " << line.error() << "\n  expected "
                          << step.text;
        ExpectLine(step, *line, server);
        if (::testing::Test::HasFatalFailure()) return;
        break;
      }
      case TranscriptStep::Kind::kEndOfFile:
        ExpectEnd(qmp, step.line);
        ended = true;
        break;
    }
  }
  if (ended) return;
  // Nothing may come that the transcript does not have.
  ASSERT_TRUE(qmp.SendRaw("{\"execute\": \"x\", \"id\": \"end-of-transcript\"}\n"));
  Result<std::string> last = qmp.ReadLine();
  ASSERT_TRUE(last) << last.error();
  EXPECT_NE(last->find(kEndMark), std::string::npos) << "not in the transcript: " << *last;
}

bool NeedsKvm(const std::vector<std::string>& args) {
  return std::find(args.begin(), args.end(), "kvm") != args.end();
}

void PlayTo(Server server, const Transcript& recorded) {
  TempDir dir;
  const Transcript transcript = InFolder(recorded, dir.path());
  const auto& args = server == Server::kDavit ? transcript.davit_args : transcript.qemu_args;
  if (const std::string why = WhyNoKvm(); NeedsKvm(args) && !why.empty()) GTEST_SKIP() << why;
  VmOptions options;
  options.program = server == Server::kDavit ? DavitdPath() : kQemu;
  options.args = {"-nodefaults", "-display", "none"};
  options.args.insert(options.args.end(), args.begin(), args.end());
  options.serial_stdio = false;
  options.negotiate = false;
  Result<std::unique_ptr<Vm>> vm = Vm::Start(std::move(options));
  ASSERT_TRUE(vm) << vm.error();
  Play(transcript, (*vm)->qmp(), server);
}

class ConformanceTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ConformanceTest, Davitd) {
  Result<Transcript> transcript = Load(GetParam());
  ASSERT_TRUE(transcript) << transcript.error();
  PlayTo(Server::kDavit, *transcript);
}

TEST_P(ConformanceTest, Qemu) {
  Result<Transcript> transcript = Load(GetParam());
  ASSERT_TRUE(transcript) << transcript.error();
  if (access(kQemu, X_OK) != 0) GTEST_SKIP() << kQemu << " is not installed";
  PlayTo(Server::kQemu, *transcript);
}

INSTANTIATE_TEST_SUITE_P(Transcripts, ConformanceTest, ::testing::ValuesIn(TranscriptNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace davit::testing
