// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What -d can switch on.
#pragma once

#include <string_view>

namespace davit::daemon {

struct LogItem {
  std::string_view name;
  std::string_view help;
};

inline constexpr LogItem kLogItems[] = {
    {"guest_errors", "what the guest does that no correct guest would"},
    {"info", "what the process does: start, stop, connections"},
    {"debug", "details for whoever works on davit"},
};

}  // namespace davit::daemon
