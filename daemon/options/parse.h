// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Command line -> Options. Errors are "-option argument: reason", to be printed after "davitd: ".
#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/options/options.h"
#include "vmm/base/error.h"

namespace davit::daemon {

// `arguments` without argv[0]. One or two dashes before a name. Stops at -help and -version.
// `warnings` gets what the user should know, also when there is an error; may be null (they are in
// Options::warnings too).
Result<Options> ParseCommandLine(std::span<const char* const> arguments,
                                 std::vector<std::string>* warnings = nullptr);

// -device's text, for device_add of the human monitor.
Result<qmp::DeviceLine> ParseDeviceLine(const std::string& text);

}  // namespace davit::daemon
