// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See shell.h.
#include "clients/qmp-shell/shell.h"

#include <algorithm>
#include <charconv>
#include <ostream>
#include <sstream>

#include "clients/qmp-shell/arguments.h"
#include "clients/qmp-shell/words.h"
#include "schema/runtime/json/json.h"

namespace davit::client {
namespace {

// How long Tab waits for a server that is busy.
constexpr milliseconds kCompletionTime{2000};
constexpr int64_t kLongestWait = INT32_MAX;  // seconds

// The shell's own words, beside the server's commands.
const std::vector<std::string>& OwnWords() {
  static const std::vector<std::string> kWords = {"exit", "help", "transaction(", "wait-event"};
  return kWords;
}

constexpr std::string_view kHelp =
    "COMMAND [KEY=VALUE | {JSON}]...   run a QMP command; KEY may be dotted (a.b=1, list.0=x)\n"
    "{\"execute\": ...}                 send a JSON message as it is\n"
    "wait-event NAME [SECONDS]         wait until an event comes (default 30 s)\n"
    "transaction( ... )                the commands between become one transaction command\n"
    "help [COMMAND]                    this text, or what a command does and takes\n"
    "exit                              leave (as does Ctrl-D); the VM goes on\n"
    "Ctrl-C drops the line; while a command runs it ends the shell.\n"
    "Tab completes commands, arguments and values. Lines that begin with # are comments.\n";

// The first words (1 or 2) of each line of a help text: "info status -- ..." -> "info status",
// "cont|c -- ..." -> "cont".
void AddPhrases(const std::string& help, int words, std::vector<std::string>& phrases) {
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    std::string phrase;
    std::string word;
    for (int i = 0; i < words && in >> word; ++i) {
      phrase += (i == 0 ? "" : " ") + word.substr(0, word.find('|'));
    }
    if (!phrase.empty()) phrases.push_back(std::move(phrase));
  }
}

}  // namespace

Shell::Shell(std::unique_ptr<Client> client, ShellOptions options, std::ostream& out)
    : client_(std::move(client)), options_(options), out_(out) {}

void Shell::LearnCommands() {
  if (!options_.hmp) {
    if (Result<json::Value> schema = client_->Execute("query-qmp-schema")) {
      schema_ = SchemaModel(*schema);
    }
    return;
  }
  for (const auto& [topic, words] : {std::pair("help", 1), std::pair("help info", 2)}) {
    const Result<json::Value> text =
        client_->Execute("human-monitor-command", {{"command-line", topic}});
    if (text && text->is_string()) AddPhrases(*text->AsString(), words, hmp_phrases_);
  }
}

Shell::Outcome Shell::Execute(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || line[begin] == '#') return Outcome::kOk;
  line.remove_prefix(begin);
  return options_.hmp ? ExecuteHmp(line) : ExecuteQmp(line);
}

Shell::Outcome Shell::ExecuteQmp(std::string_view line) {
  if (line.starts_with('{') && !actions_) return SendMessage(line);
  const Words split = SplitWords(line);
  if (split.open) return Report(Error{ErrorCode::kGeneric, "a quote or bracket is not closed", {}});
  const std::string& name = split.words.front().text;
  if (actions_ || name == "transaction(") return Transaction(split.words);
  if (name == "exit") return Outcome::kExit;
  if (name == "wait-event") return WaitEvent(split.words);
  if (name == "help") return Help(split.words);
  Result<json::Object> arguments = ParseArguments(schema_, name, std::span(split.words).subspan(1));
  if (!arguments) return Report(arguments.error());
  return Send(Command{name, std::move(*arguments), {}, false});
}

// An action is typed as a command is, and travels as {"type": COMMAND, "data": ARGUMENTS}.
Shell::Outcome Shell::Transaction(std::span<const Word> words) {
  if (!actions_) {
    actions_.emplace();
    words = words.subspan(1);
  }
  const bool ends = !words.empty() && words.back().text == ")";
  if (ends) words = words.first(words.size() - 1);
  if (!words.empty()) {
    // As the path of a member of the transaction's own arguments, by which the schema knows it.
    std::vector<Word> paths = {{"actions.0.type=" + words.front().text}};
    for (const Word& word : words.subspan(1)) {
      paths.push_back(
          {(word.text.starts_with('{') ? "actions.0.data=" : "actions.0.data.") + word.text});
    }
    Result<json::Object> arguments = ParseArguments(schema_, "transaction", paths);
    if (!arguments) {
      actions_.reset();
      return Report(arguments.error());
    }
    json::Value& action = arguments->Find("actions")->AsArray()->front();
    if (!action.AsObject()->Has("data")) action.AsObject()->Set("data", json::Object());
    actions_->push_back(std::move(action));
  }
  if (!ends) return Outcome::kOk;
  Command command{"transaction", {{"actions", std::move(*actions_)}}, {}, false};
  actions_.reset();
  return Send(command);
}

Shell::Outcome Shell::EndOfScript() {
  if (!actions_) return Outcome::kOk;
  actions_.reset();
  return Report(Error{ErrorCode::kGeneric, "a transaction is not closed", {}});
}

Shell::Outcome Shell::SendMessage(std::string_view line) {
  recent_events_.clear();
  if (Status sent = client_->SendRaw(std::string(line) + "\n"); !sent) return Report(sent.error());
  for (;;) {
    Result<json::Value> reply = client_->ReadMessage();
    if (!reply) return Report(reply.error());
    Print(*reply);
    const json::Object* object = reply->AsObject();
    if (object == nullptr || !object->Has("event")) {
      return object != nullptr && object->Has("error") ? Outcome::kFailed : Outcome::kOk;
    }
  }
}

Shell::Outcome Shell::Help(const std::vector<Word>& words) {
  if (words.size() == 1) {
    out_ << kHelp;
    return Outcome::kOk;
  }
  const std::string& topic = words[1].text;
  if (!schema_.HasCommand(topic)) {
    return Report(Error{ErrorCode::kGeneric, "no command '" + topic + "'", {}});
  }
  out_ << topic;
  const auto nothing_typed = [](const std::string&) { return std::string(); };
  for (const auto& field : schema_.FieldsOf(schema_.ArgumentType(topic), nothing_typed)) {
    out_ << (field.optional ? " [" : " ") << field.name << (field.optional ? "=]" : "=");
  }
  out_ << "\n";
  if (options_.documentation) {
    const std::string_view text = options_.documentation(topic);
    if (!text.empty()) out_ << "\n" << text;
  }
  return Outcome::kOk;
}

void Shell::ShowSent(std::string_view command, const json::Object& arguments) {
  if (!options_.verbose) return;
  json::Object message{{"execute", command}};
  if (!arguments.empty()) message.Set("arguments", arguments);
  Print(message);
}

Shell::Outcome Shell::Send(const Command& command) {
  ShowSent(command.name, command.arguments);
  recent_events_.clear();
  Result<json::Value> value = client_->Execute(command);
  PrintQueuedEvents();  // those that came before the reply
  if (!value) {
    // quit may close the connection before its reply is read.
    if (command.name == "quit" && !client_->Pump()) return Outcome::kLost;
    return Report(value.error());
  }
  Print(json::Object{{"return", std::move(*value)}});
  return PrintEvents();
}

Shell::Outcome Shell::ExecuteHmp(std::string_view line) {
  const Words split = SplitWords(line);
  if (split.words.front().text == "exit") return Outcome::kExit;
  if (split.words.front().text == "cpu" && split.words.size() == 2) {
    const std::string& text = split.words[1].text;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), cpu_index_);
    if (ec != std::errc() || end != text.data() + text.size()) {
      return Report(Error{ErrorCode::kGeneric, "cpu takes a number, got '" + text + "'", {}});
    }
    return Outcome::kOk;
  }
  json::Object arguments{{"command-line", std::string(line)}};
  if (cpu_index_ != 0) arguments.Set("cpu-index", cpu_index_);
  ShowSent("human-monitor-command", arguments);
  Result<json::Value> text = client_->Execute("human-monitor-command", std::move(arguments));
  if (!text) {
    if (line.starts_with("q") && !client_->Pump()) return Outcome::kLost;
    return Report(text.error());
  }
  if (const std::string* printed = text->AsString()) out_ << *printed;
  return PrintEvents();
}

Shell::Outcome Shell::WaitEvent(const std::vector<Word>& words) {
  int64_t seconds = 30;
  const auto usage = [this] {
    return Report(Error{ErrorCode::kGeneric, "usage: wait-event NAME [SECONDS]", {}});
  };
  if (words.size() < 2 || words.size() > 3) return usage();
  if (words.size() == 3) {
    const std::string& text = words[2].text;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (ec != std::errc() || end != text.data() + text.size() || seconds < 0 ||
        seconds > kLongestWait) {
      return usage();
    }
  }
  return WaitFor(words[1].text, std::chrono::seconds(seconds));
}

Shell::Outcome Shell::WaitFor(const std::string& name, std::optional<std::chrono::seconds> limit) {
  // One that came since the last command was sent has been printed already.
  const auto seen = std::find(recent_events_.begin(), recent_events_.end(), name);
  if (seen != recent_events_.end()) {
    recent_events_.erase(recent_events_.begin(), seen + 1);
    return Outcome::kOk;
  }
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    milliseconds left = std::chrono::hours(1);
    if (limit) {
      left = std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(
                                           begin + *limit - std::chrono::steady_clock::now()));
    }
    Result<std::optional<Event>> event = client_->NextEvent(left);
    if (!event) return Report(event.error());
    if (!*event) {
      if (!limit) continue;
      return Report(Error{ErrorCode::kGeneric,
                          "no event " + name + " within " + std::to_string(limit->count()) + " s",
                          {}});
    }
    PrintEvent(**event);
    if ((*event)->name == name) {
      recent_events_.clear();
      return Outcome::kOk;
    }
  }
}

Shell::Outcome Shell::Report(const Error& error) {
  json::Object body{{"class", ErrorClassName(error.code)}, {"desc", error.message}};
  Print(json::Object{{"error", std::move(body)}});
  return Outcome::kFailed;
}

Shell::Outcome Shell::PrintEvents() {
  const Status pumped = client_->Pump();
  PrintQueuedEvents();
  return pumped ? Outcome::kOk : Outcome::kLost;
}

void Shell::PrintQueuedEvents() {
  while (std::optional<Event> event = client_->TakeEvent()) PrintEvent(*event);
}

void Shell::PrintEvent(const Event& event) {
  Print(json::Value(event.message));
  recent_events_.push_back(event.name);
}

void Shell::Print(const json::Value& value) {
  out_ << (options_.pretty ? json::WritePretty(value) : json::Write(value)) << "\n" << std::flush;
}

Completion Shell::Complete(std::string_view line) const {
  if (options_.hmp) return CompleteWords(hmp_phrases_, line);
  // Events that come meanwhile are printed later.
  const LiveNames live([this](std::string_view command, json::Object arguments) {
    return client_->Execute(command, std::move(arguments), kCompletionTime);
  });
  return CompleteQmp(schema_, live, OwnWords(), line);
}

}  // namespace davit::client
