// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The front end as one call: schema text to IR. The edge at which CompileError becomes an Error.
#pragma once

#include <string>

#include "schema/compiler/ir.h"
#include "schema/compiler/model.h"
#include "schema/compiler/source.h"
#include "vmm/base/error.h"

namespace davit::schema {

// Parses, checks and lowers the schema whose root file is `path`. The Error's message is ready to
// print: "FILE:LINE: In command 'x': reason", perhaps several lines.
Result<Schema> LoadSchema(const std::string& path, const FileReader& reader,
                          const Defines& defines);

}  // namespace davit::schema
