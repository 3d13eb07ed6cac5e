// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What -help, -version and `-machine help` and its like print to stdout. No system is touched.
#pragma once

#include <string>

#include "daemon/options/options.h"

namespace davit::daemon {

std::string HelpText(Show what, const Options& options);

}  // namespace davit::daemon
