// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Command line -> Options. Errors are "-option argument: reason", to be printed after "davitd: ".
#pragma once

#include <span>
#include <string>

#include "daemon/options/options.h"
#include "vmm/base/error.h"

namespace davit::daemon {

// `arguments` without argv[0]. One or two dashes before a name. Stops at -help and -version.
Result<Options> ParseCommandLine(std::span<const char* const> arguments);

}  // namespace davit::daemon
