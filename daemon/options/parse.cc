// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See parse.h.
#include "daemon/options/parse.h"

#include <fmt/format.h>

#include "daemon/options/table.h"

namespace davit::daemon {
namespace {

std::string_view WithoutDashes(std::string_view argument) {
  argument.remove_prefix(1);
  if (argument.starts_with('-')) argument.remove_prefix(1);
  return argument;
}

tl::unexpected<Error> Prefixed(const std::string& where, Error error) {
  error.message = fmt::format("{}: {}", where, error.message);
  return Fail(std::move(error));
}

// Adds the warnings that one option gave, with the option before each.
void KeepWarnings(ParseContext& context, std::vector<std::string> warnings) {
  for (std::string& warning : warnings) {
    context.options.warnings.push_back(fmt::format("{}: {}", context.where, warning));
  }
}

Status ParseOne(ParseContext& context, const OptionRow& row, const std::string& text) {
  if (row.parse_text != nullptr) return row.parse_text(context, text);
  std::vector<std::string> warnings;
  DAVIT_ASSIGN(ParamList list, SplitParams(text, *row.schema, &warnings));
  KeepWarnings(context, std::move(warnings));
  return ApplyRow(context, row, list);
}

Status Finish(ParseContext& context) {
  const machine::MachineConfig& machine = context.options.machine;
  const bool has_kernel = !std::holds_alternative<std::monostate>(machine.kernel);
  if (!has_kernel && !machine.append.empty()) {
    return Fail("-append only allowed with -kernel option");
  }
  if (!has_kernel && !std::holds_alternative<std::monostate>(machine.initrd)) {
    return Fail("-initrd only allowed with -kernel option");
  }
  if (context.accel_given && context.machine_accel_given) {
    return Fail("The -accel and \"-machine accel=\" options are incompatible");
  }
  // -nographic puts on stdio what has no place of its own.
  const bool uses_stdio = context.options.nographic && !context.options.nodefaults &&
                          (context.serials_given == 0 || !context.monitor_given);
  if (uses_stdio && context.options.daemonize) {
    return Fail("-nographic cannot be used with -daemonize");
  }
  FinishMemory(context);
  FinishDrives(context);
  DAVIT_TRY(FinishNics(context));
  DAVIT_TRY(FinishDevices(context));
  return FinishCharacterDevices(context);
}

Result<Options> ParseAll(ParseContext& context, std::span<const char* const> arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view typed = arguments[i];
    context.where = typed;
    if (!typed.starts_with('-')) {
      return Fail(fmt::format("{}: disk images are not supported, options begin with '-'", typed));
    }
    const OptionRow* row = FindOption(WithoutDashes(typed));
    if (row == nullptr) return Fail(fmt::format("{}: unknown option", typed));
    std::string text;
    if (!row->argument.empty()) {
      if (++i == arguments.size()) return Fail(fmt::format("{}: requires an argument", typed));
      text = arguments[i];
      context.where = fmt::format("{} {}", typed, text);
    }
    Status status = ParseOne(context, *row, text);
    if (!status) return Prefixed(context.where, std::move(status).error());
    const auto& show = context.options.show;
    if (show == Show::kHelp || show == Show::kVersion) return std::move(context.options);
  }
  if (context.options.show) return std::move(context.options);
  DAVIT_TRY(Finish(context));
  return std::move(context.options);
}

}  // namespace

Status ApplyRow(ParseContext& context, const OptionRow& row, ParamList& list) {
  if (list.help && !row.own_help) {
    // Its keys depend on a type, or are those of a command.
    if (row.schema->params.empty()) return Fail("Help is not available for this option");
    context.options.show = Show::kOptionKeys;
    context.options.show_option = row.name;
    return {};
  }
  if (!list.help) DAVIT_TRY(CheckParams(list, *row.schema));
  return row.apply(context, list);
}

Result<Options> ParseCommandLine(std::span<const char* const> arguments,
                                 std::vector<std::string>* warnings) {
  ParseContext context;
  Result<Options> options = ParseAll(context, arguments);
  if (warnings != nullptr) {
    *warnings = options ? options->warnings : std::move(context.options.warnings);
  }
  return options;
}

}  // namespace davit::daemon
