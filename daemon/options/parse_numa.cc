// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -numa: text or JSON -> control::NumaOption, by the schema's NumaOptions. What it means for the
// machine is vmm/machine's to say.
#include "daemon/options/option_object.h"
#include "daemon/options/table.h"
#include "qmp/handlers/numa_spec.h"

namespace davit::daemon {

Status ApplyNuma(ParseContext& context, ParamList& list) {
  DAVIT_ASSIGN(const qapi::NumaOptions options, DecodeOptions<qapi::NumaOptions>(list));
  context.options.machine.numa.push_back({context.where, qmp::ToNumaOption(options)});
  return {};
}

}  // namespace davit::daemon
