// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/qom.json.
#include "qmp/handlers/object_spec.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {

Status QomHandlers::ObjectAdd(Context&, const qapi::ObjectOptions& args) {
  return vm_.ObjectAdd(ToObjectSpec(args));
}

Status QomHandlers::ObjectDel(Context&, const qapi::ObjectDelArgs& args) {
  return vm_.ObjectDel(args.id);
}

}  // namespace davit::qmp
