// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Plays each transcript to davitd, and to Debian's QEMU where it is installed: so that what is
// written as expected is QEMU's answer and not our belief.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
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

// "line N: what"
tl::unexpected<Error> FailAt(int line, const std::string& what) {
  return Fail(fmt::format("line {}: {}", line, what));
}

Status ExpectEnd(client::Client& qmp, int line) {
  Result<std::string> end = qmp.ReadLine();
  if (end) return FailAt(line, "expected the end of the connection, got: " + *end);
  return {};
}

Status ExpectLine(const TranscriptStep& step, const std::string& line, Server server) {
  if (!HasRows(step.text)) {
    if (LineMatches(step.text + "\r", line)) return {};
    return FailAt(step.line, fmt::format("expected {}\n  got      {}", step.text, line));
  }
  if (!line.ends_with('\r')) return FailAt(step.line, "no CR at its end: " + line);
  const std::string difference =
      CompareRows(step.text, step.rows, line.substr(0, line.size() - 1), server);
  if (!difference.empty()) return FailAt(step.line, difference);
  return {};
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

Status Play(const Transcript& transcript, client::Client& qmp, Server server) {
  Lines lines(qmp, server);
  for (const TranscriptStep& step : transcript.steps) {
    switch (step.kind) {
      case TranscriptStep::Kind::kSend:
        DAVIT_TRY(qmp.SendRaw(step.text));
        break;
      case TranscriptStep::Kind::kExpect: {
        Result<std::string> line = lines.Next(step.text);
        if (!line) return FailAt(step.line, line.error().message + "\n  expected " + step.text);
        DAVIT_TRY(ExpectLine(step, *line, server));
        break;
      }
      case TranscriptStep::Kind::kEndOfFile:
        return ExpectEnd(qmp, step.line);
    }
  }
  // Nothing may come that the transcript does not have.
  DAVIT_TRY(qmp.SendRaw("{\"execute\": \"x\", \"id\": \"end-of-transcript\"}\n"));
  DAVIT_ASSIGN(const std::string last, qmp.ReadLine());
  if (last.find(kEndMark) == std::string::npos) return Fail("not in the transcript: " + last);
  return {};
}

bool NeedsKvm(const std::vector<std::string>& args) {
  return std::find(args.begin(), args.end(), "kvm") != args.end();
}

const std::vector<std::string>& Arguments(const Transcript& transcript, Server server) {
  return server == Server::kDavit ? transcript.davit_args : transcript.qemu_args;
}

Status PlayTo(Server server, const Transcript& recorded) {
  TempDir dir;
  const Transcript transcript = InFolder(recorded, dir.path());
  const auto& args = Arguments(transcript, server);
  VmOptions options;
  options.program = server == Server::kDavit ? DavitdPath() : kQemu;
  options.args = {"-nodefaults", "-display", "none"};
  options.args.insert(options.args.end(), args.begin(), args.end());
  options.serial_stdio = false;
  options.negotiate = false;
  DAVIT_ASSIGN(const std::unique_ptr<Vm> vm, Vm::Start(std::move(options)));
  Status played = Play(transcript, vm->qmp(), server);
  // One that failed need not end well, too.
  if (!played) vm->Kill();
  return played;
}

class ConformanceTest : public ::testing::TestWithParam<std::string> {};

TEST_P(ConformanceTest, Davitd) {
  Result<Transcript> transcript = Load(GetParam());
  ASSERT_TRUE(transcript) << transcript.error();
  if (const std::string why = WhyNoKvm(); NeedsKvm(transcript->davit_args) && !why.empty()) {
    GTEST_SKIP() << why;
  }
  const Status played = PlayTo(Server::kDavit, *transcript);
  EXPECT_TRUE(played) << played.error();
}

// Of a thousand starts of Debian's QEMU on a loaded host, one spoils the session: its monitor moves
// to a thread of its own while the client connects, which then is greeted twice, sees RESUME before
// the greeting, gets no answer or loses QEMU to a signal. A transcript that is wrong fails thrice.
TEST_P(ConformanceTest, Qemu) {
  constexpr int kAttempts = 3;
  Result<Transcript> transcript = Load(GetParam());
  ASSERT_TRUE(transcript) << transcript.error();
  if (access(kQemu, X_OK) != 0) GTEST_SKIP() << kQemu << " is not installed";
  if (const std::string why = WhyNoKvm(); NeedsKvm(transcript->qemu_args) && !why.empty()) {
    GTEST_SKIP() << why;
  }
  Status played = PlayTo(Server::kQemu, *transcript);
  for (int attempt = 2; !played && attempt <= kAttempts; ++attempt) {
    std::cerr << "attempt " << attempt << " after: " << played.error() << "\n";
    RecordProperty("again", attempt);
    played = PlayTo(Server::kQemu, *transcript);
  }
  EXPECT_TRUE(played) << played.error();
}

INSTANTIATE_TEST_SUITE_P(Transcripts, ConformanceTest, ::testing::ValuesIn(TranscriptNames()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace davit::testing
