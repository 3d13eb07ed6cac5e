// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The parameters of a character device, those of -chardev or of a short form as -serial has it,
// and what they stand for. Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/options/params.h"
#include "vmm/backend/char/spec.h"
#include "vmm/base/error.h"

namespace davit::daemon {

Status CheckChardevId(const std::string& id);

// The keys and types are those of kChardevSchema (CheckParams). With mux=on two devices: the back
// end "ID-base", and a multiplexer ID on it. Error: QEMU's, without the option's name.
Result<std::vector<backend::ChardevSpec>> ToChardevSpecs(const std::string& id,
                                                         const ParamList& list);

// The old short form of -serial, -debugcon, -qmp and -qtest: "stdio", "file:PATH",
// "unix:PATH,server=on", ... Warnings (deprecated short forms) are appended.
Result<ParamList> ParseShortChardev(const std::string& text, std::vector<std::string>* warnings);

}  // namespace davit::daemon
