// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table is sorted by name at compile time of the schema; FindCommand() searches it by halves.
#include "schema/compiler/emit_commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/compiler/cpp_names.h"

namespace davit::schema {
namespace {

bool IsReference(const Command& command) { return command.gen; }

std::string Method(const Command& command, const CppNames& names) {
  const std::string arguments = names.Arguments(command);
  std::string parameters = "CommandContext& context";
  if (!arguments.empty()) {
    parameters += IsReference(command) ? fmt::format(", const {}& args", arguments)
                                       : fmt::format(", {} args", arguments);
  }
  const std::string returns = names.Returns(command);
  if (command.coroutine) {
    return fmt::format("virtual void {}({}, Completion<{}> done) = 0;", CamelCase(command.name),
                       parameters, returns);
  }
  const std::string result = returns == "void" ? "Status" : fmt::format("Result<{}>", returns);
  return fmt::format("virtual {} {}({}) = 0;", result, CamelCase(command.name), parameters);
}

void EmitClass(const Module& module, const CppNames& names, std::string& header) {
  const std::string name = CppNames::CommandClass(module);
  header += fmt::format("// {}\nclass {} {{\n public:\n  virtual ~{}() = default;\n", module.name,
                        name, name);
  for (const Command* command : module.commands) {
    header += fmt::format("  {}\n", Method(*command, names));
  }
  header += "};\n\n";
}

void EmitInvoke(const Command& command, const CppNames& names, std::string& source) {
  const std::string member = CppNames::HandlersMember(*command.module);
  const std::string arguments = names.Arguments(command);
  source += fmt::format(
      "void Invoke{}(const Handlers& handlers, CommandContext& context,\n"
      "    json::Object arguments, Completion<json::Value> done) {{\n"
      "  if (handlers.{} == nullptr) return done(NoHandler(\"{}\"));\n",
      CamelCase(command.name), member, command.name);
  std::string pass = "context";
  if (!command.gen) {
    pass += ", std::move(arguments)";
  } else if (arguments.empty()) {
    source +=
        "  if (Status status = DecodeNothing(arguments); !status) {\n"
        "    return done(Fail(std::move(status).error()));\n  }\n";
  } else {
    source += fmt::format(
        "  {} args{{}};\n"
        "  if (Status status = DecodeObject(arguments, args); !status) {{\n"
        "    return done(Fail(std::move(status).error()));\n  }}\n",
        arguments);
    pass += ", args";
  }
  const std::string call = fmt::format("handlers.{}->{}", member, CamelCase(command.name));
  if (command.coroutine) {
    source += fmt::format("  {}({}, EncodeThen<{}>(std::move(done)));\n", call, pass,
                          names.Returns(command));
  } else {
    source += fmt::format("  done(EncodeResult({}({})));\n", call, pass);
  }
  source += "}\n\n";
}

uint32_t RunStateMask(const Schema& schema, const Command& command) {
  if (command.run_states.empty()) return 0;
  const std::vector<EnumValue>& values = schema.FindType("RunState")->values;
  uint32_t mask = 0;
  for (const std::string& state : command.run_states) {
    const auto it = std::find_if(values.begin(), values.end(),
                                 [&](const EnumValue& value) { return value.name == state; });
    mask |= uint32_t{1} << (it - values.begin());
  }
  return mask;
}

void EmitTable(const Schema& schema, const std::vector<const Command*>& sorted,
               std::string& source) {
  source += fmt::format("constexpr std::array<CommandEntry, {}> kCommands = {{{{\n", sorted.size());
  for (const Command* command : sorted) {
    source +=
        fmt::format("    {{\"{}\", {}, {}, {}, {}, {:#x}, Invoke{}}},\n", command->name,
                    command->allow_oob, command->allow_preconfig, command->success_response,
                    command->coroutine, RunStateMask(schema, *command), CamelCase(command->name));
  }
  source += "}};\n\n";
}

constexpr std::string_view kTail = R"(std::span<const CommandEntry> Commands() { return kCommands; }

const CommandEntry* FindCommand(std::string_view name) {
  const auto it = std::lower_bound(
      kCommands.begin(), kCommands.end(), name,
      [](const CommandEntry& entry, std::string_view key) { return entry.name < key; });
  return it != kCommands.end() && it->name == name ? &*it : nullptr;
}

)";

std::string Header(const Schema& schema, const EmitOptions& options, const CppNames& names) {
  std::string header = FileHead(true) + "#include <span>\n#include <string_view>\n\n" +
                       fmt::format("#include \"{}\"\n", options.IncludePath("codecs.h")) +
                       "#include \"schema/runtime/command_entry.h\"\n"
                       "#include \"vmm/base/error.h\"\n\n" +
                       OpenNamespace(options.cpp_namespace);
  if (options.cpp_namespace != "davit::qapi") {
    for (const char* name : {"BasicCommandEntry", "CommandContext", "Completion", "EncodeResult",
                             "EncodeThen", "NoHandler"}) {
      header += fmt::format("using ::davit::qapi::{};\n", name);
    }
    header += "\n";
  }
  std::string handlers =
      "// Who carries the commands out; a null one: its commands are not found.\n"
      "struct Handlers {\n";
  for (const auto& module : schema.modules) {
    if (module->commands.empty()) continue;
    EmitClass(*module, names, header);
    handlers += fmt::format("  {}* {} = nullptr;\n", CppNames::CommandClass(*module),
                            CppNames::HandlersMember(*module));
  }
  return header + handlers +
         "};\n\n"
         "using CommandEntry = BasicCommandEntry<Handlers>;\n\n"
         "// All commands, sorted by name.\n"
         "std::span<const CommandEntry> Commands();\n"
         "// Null: there is no such command.\n"
         "const CommandEntry* FindCommand(std::string_view name);\n\n" +
         CloseNamespace(options.cpp_namespace);
}

}  // namespace

void EmitCommands(const Schema& schema, const EmitOptions& options, OutputFiles& out) {
  const CppNames names(schema, options.cpp_namespace);
  std::vector<const Command*> sorted;
  for (const auto& module : schema.modules) {
    sorted.insert(sorted.end(), module->commands.begin(), module->commands.end());
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Command* a, const Command* b) { return a->name < b->name; });
  std::string source = FileHead(false) +
                       fmt::format("#include \"{}\"\n\n", options.IncludePath("commands.h")) +
                       "#include <algorithm>\n#include <array>\n#include <utility>\n\n" +
                       OpenNamespace(options.cpp_namespace) + "namespace {\n\n";
  for (const Command* command : sorted) EmitInvoke(*command, names, source);
  EmitTable(schema, sorted, source);
  source += "}  // namespace\n\n";
  source += kTail;
  out["commands.h"] = Header(schema, options, names);
  out["commands.cc"] = source + CloseNamespace(options.cpp_namespace);
}

}  // namespace davit::schema
