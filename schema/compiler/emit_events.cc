// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Builders live in a namespace of their own: event names may be those of types or commands.
#include "schema/compiler/emit_events.h"

#include <fmt/format.h>

#include "schema/compiler/cpp_names.h"

namespace davit::schema {

void EmitEvents(const Schema& schema, const EmitOptions& options, OutputFiles& out) {
  const CppNames names(schema, options.cpp_namespace);
  const std::string space = options.cpp_namespace + "::events";
  std::string header = FileHead(true) +
                       fmt::format("#include \"{}\"\n", options.IncludePath("types.h")) +
                       "#include \"schema/runtime/event.h\"\n\n" + OpenNamespace(space);
  if (options.cpp_namespace != "davit::qapi") header += "using ::davit::qapi::Event;\n\n";
  std::string source =
      FileHead(false) +
      fmt::format("#include \"{}\"\n\n#include \"{}\"\n\n", options.IncludePath("events.h"),
                  options.IncludePath("codecs.h")) +
      OpenNamespace(space);
  for (const auto& module : schema.modules) {
    for (const Event* event : module->events) {
      const std::string arguments = names.Arguments(*event);
      const std::string name = CamelCase(event->name);
      if (arguments.empty()) {
        header += fmt::format("Event {}();\n", name);
        source +=
            fmt::format("Event {}() {{ return {{\"{}\", {{}}, false}}; }}\n\n", name, event->name);
      } else {
        header += fmt::format("Event {}(const {}& args);\n", name, arguments);
        source +=
            fmt::format("Event {}(const {}& args) {{ return {{\"{}\", Encode(args), true}}; }}\n\n",
                        name, arguments, event->name);
      }
    }
  }
  header += "\n";
  out["events.h"] = header + CloseNamespace(space);
  out["events.cc"] = source + CloseNamespace(space);
}

}  // namespace davit::schema
