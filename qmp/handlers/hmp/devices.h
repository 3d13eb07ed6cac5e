// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// device_add and device_del of the human monitor. Inner header of this package.
#pragma once

#include "qmp/handlers/hmp/commands.h"

namespace davit::qmp::hmp {

Status AddDevice(Call& call);
Status DeleteDevice(Call& call);

}  // namespace davit::qmp::hmp
