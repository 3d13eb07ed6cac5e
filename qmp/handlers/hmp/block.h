// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The human monitor's commands of disks. Inner header of this package.
#pragma once

#include "qmp/handlers/hmp/commands.h"

namespace davit::qmp::hmp {

Status InfoBlock(Call& call);
Status InfoBlockStats(Call& call);
Status AddDrive(Call& call);
Status DeleteDrive(Call& call);
Status EjectMedium(Call& call);
Status ChangeMedium(Call& call);

}  // namespace davit::qmp::hmp
