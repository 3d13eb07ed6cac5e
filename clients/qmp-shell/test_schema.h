// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A small query-qmp-schema answer for the tests: a command with every kind of argument.
#pragma once

#include "clients/qmp-shell/schema_model.h"
#include "schema/runtime/json/json.h"

namespace davit::client {

inline SchemaModel TestSchema() {
  constexpr const char* kText = R"([
    {"name": "query-status", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
    {"name": "query-stats", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
    {"name": "object-add", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
    {"name": "set-action", "meta-type": "command", "arg-type": "2", "ret-type": "0"},
    {"name": "STOP", "meta-type": "event", "arg-type": "0"},
    {"name": "0", "meta-type": "object", "members": []},
    {"name": "1", "meta-type": "object", "tag": "qom-type",
     "members": [{"name": "qom-type", "type": "3"}, {"name": "id", "type": "str"}],
     "variants": [{"case": "memory-backend-ram", "type": "4"}, {"case": "iothread", "type": "0"}]},
    {"name": "2", "meta-type": "object",
     "members": [{"name": "reboot", "type": "5", "default": null},
                 {"name": "nested", "type": "6", "default": null},
                 {"name": "list", "type": "[int]", "default": null}]},
    {"name": "3", "meta-type": "enum",
     "members": [{"name": "memory-backend-ram"}, {"name": "iothread"}]},
    {"name": "4", "meta-type": "object",
     "members": [{"name": "size", "type": "int"},
                 {"name": "share", "type": "bool", "default": null}]},
    {"name": "5", "meta-type": "enum", "members": [{"name": "reset"}, {"name": "shutdown"}]},
    {"name": "6", "meta-type": "object", "members": [{"name": "name", "type": "str"}]},
    {"name": "[int]", "meta-type": "array", "element-type": "int"},
    {"name": "str", "meta-type": "builtin", "json-type": "string"},
    {"name": "int", "meta-type": "builtin", "json-type": "int"},
    {"name": "bool", "meta-type": "builtin", "json-type": "boolean"}])";
  return SchemaModel(json::Parse(kText).value());
}

}  // namespace davit::client
