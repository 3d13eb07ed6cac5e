// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the C++ client library offers as typed calls. Commands without a generated marshaller take
// and give plain JSON here too.
#include "schema/compiler/emit_client.h"

#include <fmt/format.h>

#include "schema/compiler/cpp_names.h"

namespace davit::schema {
namespace {

void EmitCall(const Command& command, const CppNames& names, std::string& header,
              std::string& source) {
  const std::string arguments = names.Arguments(command);
  const std::string returns = names.Returns(command);
  std::string parameters = "Caller& caller";
  std::string setup;
  std::string pass = "{}";
  if (!command.gen && command.arguments != nullptr) {
    parameters += ", json::Object args";
    pass = "std::move(args)";
  } else if (command.gen && !arguments.empty()) {
    parameters += fmt::format(", const {}& args", arguments);
    setup = "  json::Object object;\n  EncodeMembers(args, object);\n";
    pass = "std::move(object)";
  }
  const std::string signature =
      fmt::format("{} {}({})", returns == "void" ? "Status" : fmt::format("Result<{}>", returns),
                  CamelCase(command.name), parameters);
  header += signature + ";\n";
  source += fmt::format("{} {{\n{}  return CallAndDecode<{}>(caller, \"{}\", {});\n}}\n\n",
                        signature, setup, returns, command.name, pass);
}

}  // namespace

void EmitClient(const Schema& schema, const EmitOptions& options, OutputFiles& out) {
  const CppNames names(schema, options.cpp_namespace);
  const std::string space = options.cpp_namespace + "::client";
  std::string header = FileHead(true) +
                       fmt::format("#include \"{}\"\n", options.IncludePath("types.h")) +
                       "#include \"schema/runtime/caller.h\"\n"
                       "#include \"vmm/base/error.h\"\n\n" +
                       OpenNamespace(space);
  if (options.cpp_namespace != "davit::qapi") {
    header += "using ::davit::qapi::CallAndDecode;\nusing ::davit::qapi::Caller;\n\n";
  }
  std::string source =
      FileHead(false) +
      fmt::format("#include \"{}\"\n\n#include <utility>\n\n#include \"{}\"\n\n",
                  options.IncludePath("client.h"), options.IncludePath("codecs.h")) +
      OpenNamespace(space);
  for (const auto& module : schema.modules) {
    for (const Command* command : module->commands) EmitCall(*command, names, header, source);
  }
  header += "\n";
  out["client.h"] = header + CloseNamespace(space);
  out["client.cc"] = source + CloseNamespace(space);
}

}  // namespace davit::schema
