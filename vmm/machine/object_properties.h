// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The properties of each object type, from the typed list of object-add to the options of what it
// makes. Pure. Errors: QEMU's wording.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {

// QAPI HostMemPolicy.
const char* PolicyName(memory::NumaPolicy policy);

// spec.qom_type is one of memory-backend-ram, -memfd, -file. base: the defaults.
Result<memory::RamBlockOptions> ParseMemoryBackend(const control::ObjectSpec& spec,
                                                   const memory::RamBlockOptions& base);
Result<control::IoThreadInfo> ParseIoThread(const control::ObjectSpec& spec);

struct RngOptions {
  std::string filename = "/dev/urandom";  // rng-random
  std::string chardev;                    // rng-egd
};
Result<RngOptions> ParseRng(const control::ObjectSpec& spec);

// The value that a property has, given or not. nullopt: there is none of this name.
std::optional<control::PropertyValue> ReadMemoryBackend(const memory::RamBlockOptions& options,
                                                        std::string_view name);
std::optional<control::PropertyValue> ReadIoThread(const control::ObjectSpec& spec,
                                                   const control::IoThreadInfo& info,
                                                   std::string_view name);
std::optional<control::PropertyValue> ReadRng(std::string_view type, const RngOptions& options,
                                              std::string_view name);
// Polling alone can change; the members of `info` follow. nullopt: as above. Error: any other, or
// not this value.
std::optional<Status> WriteIoThread(control::IoThreadInfo& info, std::string_view name,
                                    const control::PropertyValue& value);

}  // namespace davit::machine
