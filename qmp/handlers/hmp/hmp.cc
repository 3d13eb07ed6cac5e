// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See hmp.h. A line is a command and its arguments.
#include "qmp/handlers/hmp/hmp.h"

#include <fmt/format.h>

#include <optional>

#include "qmp/handlers/hmp/arguments.h"
#include "qmp/handlers/hmp/commands.h"

namespace davit::qmp {
namespace {

using hmp::Arguments;
using hmp::Call;
using hmp::Command;

Status ParseNumber(const Command& command, Arguments& arguments, Call& call) {
  DAVIT_ASSIGN(call.number, arguments.Number());
  if (call.number >= 0 && call.number <= UINT32_MAX) return {};
  return Fail(fmt::format("'{}' has failed: integer is for 32-bit values", command.name));
}

Status ParseCpu(const Command& command, Arguments& arguments, Call& call) {
  DAVIT_ASSIGN(call.all, arguments.Flag(command.name, 'a'));
  if (arguments.AtEnd()) return {};
  call.has_number = true;
  return ParseNumber(command, arguments, call);
}

Status ParseText(const Command& command, Arguments& arguments, std::string& text) {
  DAVIT_ASSIGN(text, arguments.Text(command.name, command.wanted));
  return {};
}

// A text that may be missing.
Status ParseMoreText(const Command& command, Arguments& arguments,
                     std::optional<std::string>& text) {
  if (arguments.AtEnd()) return {};
  DAVIT_ASSIGN(text, arguments.Text(command.name, command.wanted));
  return {};
}

Status ParseFlag(const Command& command, Arguments& arguments, Call& call) {
  DAVIT_ASSIGN(call.flag, arguments.Flag(command.name, command.flags[0]));
  return {};
}

Status ParseTwoFlags(const Command& command, Arguments& arguments, Call& call) {
  DAVIT_ASSIGN(call.flag, arguments.Flag(command.name, command.flags[0], command.flags));
  DAVIT_ASSIGN(call.second_flag, arguments.Flag(command.name, command.flags[1]));
  return ParseMoreText(command, arguments, call.maybe);
}

// A flag, two texts and the rest of the line.
Status ParseTextsRest(const Command& command, Arguments& arguments, Call& call) {
  DAVIT_TRY(ParseFlag(command, arguments, call));
  DAVIT_TRY(ParseText(command, arguments, call.text));
  DAVIT_TRY(ParseText(command, arguments, call.more));
  call.rest = arguments.Rest();
  if (call.rest.empty()) return Fail(fmt::format("{}: {} expected", command.name, command.wanted));
  return {};
}

// A device, a flag, a file name, a format and a mode; the last two may be missing.
Status ParseMedium(const Command& command, Arguments& arguments, Call& call) {
  DAVIT_TRY(ParseText(command, arguments, call.text));
  DAVIT_TRY(ParseFlag(command, arguments, call));
  DAVIT_ASSIGN(call.more, arguments.Text(command.name, "filename"));
  DAVIT_TRY(ParseMoreText(command, arguments, call.maybe));
  return ParseMoreText(command, arguments, call.maybe_more);
}

Status ParseSwitch(Arguments& arguments, Call& call) {
  const std::string_view word = arguments.Word();
  if (word != "on" && word != "off") return Fail("Expected 'on' or 'off'");
  call.on = word == "on";
  return {};
}

Status ParseArguments(const Command& command, Arguments& arguments, Call& call) {
  using hmp::Form;
  switch (command.form) {
    case Form::kNone:
      return {};
    case Form::kText:
      return ParseText(command, arguments, call.text);
    case Form::kTwoTexts:
      DAVIT_TRY(ParseText(command, arguments, call.text));
      return ParseText(command, arguments, call.more);
    case Form::kTextNumber:
      DAVIT_TRY(ParseText(command, arguments, call.text));
      return ParseNumber(command, arguments, call);
    case Form::kTextSwitch:
      DAVIT_TRY(ParseText(command, arguments, call.text));
      return ParseSwitch(arguments, call);
    case Form::kRest:
      call.rest = arguments.Rest();
      return {};
    case Form::kOptionalText:
      return ParseMoreText(command, arguments, call.maybe);
    case Form::kUpToTwoTexts:
      DAVIT_TRY(ParseMoreText(command, arguments, call.maybe));
      return ParseMoreText(command, arguments, call.maybe_more);
    case Form::kFlagTextsRest:
      return ParseTextsRest(command, arguments, call);
    case Form::kFlagText:
      DAVIT_TRY(ParseFlag(command, arguments, call));
      return ParseText(command, arguments, call.text);
    case Form::kTwoFlagsOptionalText:
      return ParseTwoFlags(command, arguments, call);
    case Form::kMedium:
      return ParseMedium(command, arguments, call);
    case Form::kNumber:
      return ParseNumber(command, arguments, call);
    case Form::kMebibytes: {
      DAVIT_ASSIGN(const int64_t mebibytes, arguments.Number());
      if (mebibytes < 0) return Fail("enter a positive value");
      // Wraps as in QEMU: what comes out is no size then.
      call.number = static_cast<int64_t>(static_cast<uint64_t>(mebibytes) << 20);
      return {};
    }
    case Form::kCpu:
      return ParseCpu(command, arguments, call);
  }
  return {};
}

std::string WithCarriageReturns(const std::string& text) {
  std::string out;
  out.reserve(text.size() + 64);
  for (char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

void Run(std::string_view line, Call& call) {
  Arguments arguments(line);
  std::string shown(arguments.Word());
  if (shown.empty()) return;
  const Command* command = hmp::Find(hmp::Commands(), shown);
  std::string_view prefix;
  if (command != nullptr && shown == "info" && !arguments.AtEnd()) {
    const std::string_view word = arguments.Word();
    command = hmp::Find(hmp::InfoCommands(), word);
    shown = fmt::format("info {}", word);
    prefix = "info ";
  }
  if (command == nullptr) {
    call.out = fmt::format("unknown command: '{}'\n", shown);
    return;
  }
  Status parsed = ParseArguments(*command, arguments, call);
  if (parsed) parsed = arguments.End(command->name);
  if (!parsed) {
    const std::string& message = parsed.error().message;
    call.out = fmt::format("{}{}Try \"help {}{}\" for more information\n", message,
                           message.empty() ? "" : "\n", prefix, shown.substr(prefix.size()));
    return;
  }
  if (Status status = command->run(call); !status) {
    call.out += fmt::format("Error: {}\n", status.error().message);
  }
}

}  // namespace

Result<std::string> Hmp::Execute(const std::string& line, std::optional<int64_t> cpu_index) const {
  Call call{vm_, chardevs_, blocks_, net_, version_, devices_};
  if (cpu_index) {
    call.current_cpu = *cpu_index;
    if (!hmp::HasCpu(vm_, *cpu_index)) {
      return Fail("Parameter 'cpu-index' expects a CPU number");
    }
  }
  Run(line, call);
  return WithCarriageReturns(call.out);
}

}  // namespace davit::qmp
