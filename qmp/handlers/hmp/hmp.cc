// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See hmp.h. Splits a line into command and arguments, with QEMU's words for what does not fit.
#include "qmp/handlers/hmp/hmp.h"

#include <fmt/format.h>

#include <charconv>

#include "qmp/handlers/hmp/commands.h"

namespace davit::qmp {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

// Removes and returns the first word.
std::string_view TakeWord(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  return word;
}

// A decimal or 0x number. Error: the text of QEMU's expression parser.
Result<int64_t> ParseExpression(std::string_view word) {
  if (word.empty()) return Fail("unexpected end of expression");
  const bool hex = word.starts_with("0x");
  const std::string_view digits = hex ? word.substr(2) : word;
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [ptr, ec] = std::from_chars(digits.data(), end, value, hex ? 16 : 10);
  if (value < 0) return Fail("number must not be negative");
  if (ec == std::errc::result_out_of_range) return Fail("number too large");
  if (ptr != end || ec != std::errc()) {
    return Fail(fmt::format("invalid char '{}' in expression", ptr == end ? '\0' : *ptr));
  }
  return value;
}

Status ParseFlag(std::string_view& rest, std::string_view name, char flag, bool& out) {
  if (!rest.starts_with('-')) return {};
  const std::string_view word = TakeWord(rest);
  if (word.size() < 2 || word[1] != flag) {
    return Fail(
        fmt::format("{}: unsupported option -{}", name, word.size() < 2 ? "" : word.substr(1, 1)));
  }
  out = true;
  return {};
}

Status ParseCpu(std::string_view& rest, std::string_view name, hmp::Call& call) {
  DAVIT_TRY(ParseFlag(rest, name, 'a', call.all));
  if (rest.empty()) return {};
  DAVIT_ASSIGN(call.number, ParseExpression(TakeWord(rest)));
  call.has_number = true;
  return {};
}

Status CheckEnd(std::string_view name, std::string_view rest) {
  if (rest.empty()) return {};
  return Fail(fmt::format("{}: extraneous characters at the end of line", name));
}

// The last argument.
Status ParseNumber(std::string_view name, std::string_view rest, hmp::Call& call) {
  DAVIT_ASSIGN(call.number, ParseExpression(TakeWord(rest)));
  if (call.number > INT32_MAX) {
    return Fail(fmt::format("'{}' has failed: integer is for 32-bit values", name));
  }
  return CheckEnd(name, rest);
}

// A flag, two words and the rest of the line.
Status ParseTextsRest(const hmp::Command& command, std::string_view rest, hmp::Call& call) {
  DAVIT_TRY(ParseFlag(rest, command.name, command.flag, call.flag));
  call.text = TakeWord(rest);
  call.more = TakeWord(rest);
  if (rest.empty()) return Fail(fmt::format("{}: {} expected", command.name, command.wanted));
  call.rest = rest.substr(0, rest.find_last_not_of(kBlank) + 1);
  return {};
}

// A device, a flag, a file name, a format and a mode; the last two may be missing.
Status ParseMedium(const hmp::Command& command, std::string_view rest, hmp::Call& call) {
  if (rest.empty()) return Fail(fmt::format("{}: {} expected", command.name, command.wanted));
  call.text = TakeWord(rest);
  DAVIT_TRY(ParseFlag(rest, command.name, command.flag, call.flag));
  if (rest.empty()) return Fail(fmt::format("{}: filename expected", command.name));
  call.more = TakeWord(rest);
  call.rest = TakeWord(rest);
  call.last = TakeWord(rest);
  return CheckEnd(command.name, rest);
}

Status ParseArguments(const hmp::Command& command, std::string_view name, std::string_view rest,
                      hmp::Call& call) {
  using hmp::Arguments;
  switch (command.arguments) {
    case Arguments::kNone:
      break;
    case Arguments::kText:
    case Arguments::kTwoTexts:
    case Arguments::kTextNumber:
      if (rest.empty()) return Fail(fmt::format("{}: {} expected", name, command.wanted));
      call.text = TakeWord(rest);
      if (command.arguments == Arguments::kText) break;
      if (command.arguments == Arguments::kTextNumber) return ParseNumber(name, rest, call);
      if (rest.empty()) return Fail(fmt::format("{}: {} expected", name, command.wanted));
      call.more = TakeWord(rest);
      break;
    case Arguments::kOptionalText:
      call.text = rest;
      rest = {};
      break;
    case Arguments::kOptionalWord:
      call.text = TakeWord(rest);
      break;
    case Arguments::kFlagTextsRest:
      return ParseTextsRest(command, rest, call);
    case Arguments::kFlagText:
      DAVIT_TRY(ParseFlag(rest, name, command.flag, call.flag));
      if (rest.empty()) return Fail(fmt::format("{}: {} expected", name, command.wanted));
      call.text = TakeWord(rest);
      break;
    case Arguments::kMedium:
      return ParseMedium(command, rest, call);
    case Arguments::kUpToTwoTexts:
      call.text = TakeWord(rest);
      call.more = TakeWord(rest);
      break;
    case Arguments::kNumber:
      return ParseNumber(name, rest, call);
    case Arguments::kMebibytes: {
      DAVIT_ASSIGN(const int64_t mebibytes, ParseExpression(TakeWord(rest)));
      // Wraps as in QEMU: what comes out is no size then.
      call.number = static_cast<int64_t>(static_cast<uint64_t>(mebibytes) << 20);
      break;
    }
    case Arguments::kTextSwitch: {
      if (rest.empty()) return Fail(fmt::format("{}: {} expected", name, command.wanted));
      call.text = TakeWord(rest);
      const std::string_view word = TakeWord(rest);
      if (word != "on" && word != "off") return Fail("Expected 'on' or 'off'");
      call.on = word == "on";
      break;
    }
    case Arguments::kCpu:
      DAVIT_TRY(ParseCpu(rest, name, call));
      break;
  }
  return CheckEnd(name, rest);
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

void Run(std::string_view line, hmp::Call& call) {
  std::string_view rest = line;
  std::string shown(TakeWord(rest));
  if (shown.empty()) return;
  const hmp::Command* command = hmp::Find(hmp::Commands(), shown);
  std::string_view prefix;
  if (command != nullptr && shown == "info" && !rest.empty()) {
    const std::string_view word = TakeWord(rest);
    command = hmp::Find(hmp::InfoCommands(), word);
    shown = fmt::format("info {}", word);
    prefix = "info ";
  }
  if (command == nullptr) {
    call.out = fmt::format("unknown command: '{}'\n", shown);
    return;
  }
  if (Status parsed = ParseArguments(*command, command->name, rest, call); !parsed) {
    call.out = fmt::format("{}\nTry \"help {}{}\" for more information\n", parsed.error().message,
                           prefix, shown.substr(prefix.size()));
    return;
  }
  if (Status status = command->run(call); !status) {
    call.out += fmt::format("Error: {}\n", status.error().message);
  }
}

}  // namespace

Result<std::string> Hmp::Execute(const std::string& line, std::optional<int64_t> cpu_index) const {
  hmp::Call call{vm_, chardevs_, blocks_, net_, version_, devices_, 0, {}, {}, {}, {}};
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
