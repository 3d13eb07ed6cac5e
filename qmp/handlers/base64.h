// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Base64 (RFC 4648) of commands that carry bytes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "vmm/base/error.h"

namespace davit::qmp {

std::string EncodeBase64(std::string_view bytes);
// Ends of lines are skipped, an incomplete last group is dropped, as QEMU does. Error: a character
// that base64 does not have.
Result<std::string> DecodeBase64(std::string_view text);

}  // namespace davit::qmp
