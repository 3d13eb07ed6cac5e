// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -object: text or JSON -> control::ObjectSpec, by the schema's ObjectOptions. The text form is
// decoded from strings, the JSON form is held to its types.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/options/option_object.h"
#include "daemon/options/table.h"
#include "daemon/options/values.h"
#include "qmp/handlers/object_spec.h"
#include "schema/qapi/codecs.h"

namespace davit::daemon {
Status ApplyObject(ParseContext& context, ParamList& list) {
  if (list.help) {
    context.options.show = Show::kObjects;
    return {};
  }
  DAVIT_ASSIGN(const qapi::ObjectOptions options, DecodeOptions<qapi::ObjectOptions>(list));
  if (!IsWellFormedId(options.id)) {
    return Fail(
        "Parameter 'id' expects an identifier\n"
        "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
  auto& objects = context.options.machine.objects;
  if (std::any_of(objects.begin(), objects.end(),
                  [&](const control::ObjectSpec& other) { return other.id == options.id; })) {
    return Fail(fmt::format("Duplicate ID '{}' for object", options.id));
  }
  objects.push_back(qmp::ToObjectSpec(options));
  return {};
}

}  // namespace davit::daemon
