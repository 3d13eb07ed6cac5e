// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/control.json and qapi/introspect.json: the monitor itself and what it can do.
#include "qmp/handlers/parts.h"
#include "schema/qapi/introspect.h"
#include "schema/runtime/json/json.h"

namespace davit::qmp {

Status ControlHandlers::QmpCapabilities(Context&, const qapi::QmpCapabilitiesArgs&) {
  return Fail(ErrorCode::kCommandNotFound,
              "Capabilities negotiation is already complete, command ignored");
}

Result<qapi::VersionInfo> ControlHandlers::QueryVersion(Context&) { return version_; }

Result<std::vector<qapi::CommandInfo>> ControlHandlers::QueryCommands(Context&) {
  std::vector<qapi::CommandInfo> commands;
  for (const auto& entry : qapi::Commands()) commands.push_back({std::string(entry.name)});
  return commands;
}

Status ControlHandlers::Quit(Context&) {
  vm_.Quit(control::ShutdownCause::kHostQmpQuit);
  return {};
}

Result<json::Value> IntrospectHandlers::QueryQmpSchema(Context&, json::Object args) {
  DAVIT_TRY(qapi::DecodeNothing(args));
  // Each client asks once; a copy costs a fraction of reading the text.
  if (!schema_) {
    DAVIT_ASSIGN(schema_, json::Parse(qapi::IntrospectionJson()));
  }
  return *schema_;
}

}  // namespace davit::qmp
