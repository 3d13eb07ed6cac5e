// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/numa.json.
#include "qmp/handlers/numa_spec.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {

Status NumaHandlers::SetNumaNode(Context&, const qapi::NumaOptions& args) {
  return vm_.SetNumaNode(ToNumaOption(args));
}

}  // namespace davit::qmp
