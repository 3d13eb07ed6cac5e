// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The shell without its terminal: one line in, text out. QMP lines are "command key=value ...", a
// whole JSON message, or one of the shell's own words; with Options::hmp a line is a human monitor
// command. Owner: the thread of its Client.
#pragma once

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clients/lib/client.h"
#include "clients/qmp-shell/completer.h"
#include "clients/qmp-shell/schema_model.h"
#include "clients/qmp-shell/words.h"
#include "vmm/base/error.h"

namespace davit::client {

struct ShellOptions {
  bool hmp = false;      // -H
  bool verbose = false;  // -v: show what is sent
  bool pretty = false;   // -p: replies over several lines
  // What "help COMMAND" says beside the arguments; lines of text, or nothing.
  std::function<std::string_view(std::string_view)> documentation;
};

class Shell {
 public:
  // out: replies and events; the stream must outlive the shell.
  Shell(std::unique_ptr<Client> client, ShellOptions options, std::ostream& out);

  // Reads the schema (QMP) or the help text (HMP) for completion. Failure is no error: a server
  // without it still takes commands.
  void LearnCommands();

  enum class Outcome {
    kOk,
    kFailed,  // an error was printed
    kExit,    // the user wants to leave
    kLost,    // done, and the connection is gone
  };
  Outcome Execute(std::string_view line);

  // Prints events until this one has come, or has come since the last command. kFailed: the
  // connection is gone, or the time is over (null: it never is).
  Outcome WaitFor(const std::string& event, std::optional<std::chrono::seconds> limit = {});

  // Events that came, printed. kLost when the connection is gone.
  Outcome PrintEvents();

  Completion Complete(std::string_view line) const;
  int fd() const { return client_->fd(); }
  std::string prompt() const {
    if (actions_) return "transaction> ";
    return options_.hmp ? "(hmp) " : "(davit) ";
  }
  // The script has ended: kFailed, with the reason printed, where it may not end.
  Outcome EndOfScript();

 private:
  Outcome ExecuteQmp(std::string_view line);
  Outcome ExecuteHmp(std::string_view line);
  Outcome SendMessage(std::string_view line);
  Outcome Help(const std::vector<Word>& words);
  Outcome WaitEvent(const std::vector<Word>& words);
  // A line of "transaction( ... )", which may begin and end on it.
  Outcome Transaction(std::span<const Word> words);
  Outcome Send(const Command& command);
  void ShowSent(std::string_view command, const json::Object& arguments);
  Outcome Report(const Error& error);
  void Print(const json::Value& value);
  void PrintEvent(const Event& event);
  void PrintQueuedEvents();

  std::unique_ptr<Client> client_;
  ShellOptions options_;
  std::ostream& out_;
  SchemaModel schema_;
  std::vector<std::string> hmp_phrases_;
  int64_t cpu_index_ = 0;               // HMP "cpu N"
  std::optional<json::Array> actions_;  // of the transaction that is open
  // Printed since the last command was sent and not yet taken by wait-event.
  std::vector<std::string> recent_events_;
};

}  // namespace davit::client
