// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// "qom-list", "qom-get" and "qom-set". Inner header of this package.
#pragma once

#include "qmp/handlers/hmp/commands.h"

namespace davit::qmp::hmp {

Status ListQom(Call& call);
Status GetQom(Call& call);
Status SetQom(Call& call);

}  // namespace davit::qmp::hmp
