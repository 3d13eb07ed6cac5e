// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Option values -> what other layers take: the QMP server's monitors, the rows of
// query-command-line-options. Pure.
#pragma once

#include <vector>

#include "daemon/options/options.h"
#include "qmp/transport/listen_spec.h"
#include "schema/qapi/types.h"

namespace davit::daemon {

// `chardev` is a socket or stdio (the parser saw to that).
qmp::MonitorSpec ToMonitorSpec(const MonitorOption& monitor, const backend::ChardevSpec& chardev);

std::vector<qapi::CommandLineOptionInfo> CommandLineOptions();

}  // namespace davit::daemon
