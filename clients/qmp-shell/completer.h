// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tab completion from the live schema: command names, argument keys (also dotted, and those of the
// union branch chosen so far), values of enums and booleans. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "clients/qmp-shell/live_names.h"
#include "clients/qmp-shell/schema_model.h"

namespace davit::client {

struct Completion {
  size_t begin = 0;  // offset in the line where the candidates start
  // Whole replacements of line[begin..cursor): "query-status ", "enable=", "id=".
  std::vector<std::string> candidates;
};

// line: what stands before the cursor. extra_commands: the shell's own.
Completion CompleteQmp(const SchemaModel& schema, const LiveNames& live,
                       const std::vector<std::string>& extra_commands, std::string_view line);

// HMP: the first word out of the names; "info" and "help" take the second from theirs.
Completion CompleteWords(const std::vector<std::string>& phrases, std::string_view line);

}  // namespace davit::client
