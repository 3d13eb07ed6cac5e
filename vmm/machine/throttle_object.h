// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The properties of the object `throttle-group` (QAPI ThrottleGroupProperties): `limits`, as one
// value that can change, and each limit by itself, "x-iops-total", which the object is made with.
// Control thread.
#pragma once

#include <optional>
#include <string_view>

#include "vmm/backend/block/throttle.h"
#include "vmm/base/error.h"
#include "vmm/control/types.h"

namespace davit::machine {

// The limits are not checked with one another. Error: a value that is none.
Result<backend::ThrottleConfig> ParseThrottleGroup(const control::ObjectSpec& spec);
// The value of a property. nullopt: there is none of this name.
std::optional<control::PropertyValue> ReadThrottleGroup(const backend::ThrottleConfig& config,
                                                        std::string_view name);
// `limits` alone can change, and in it what is given: the members of `config` follow. nullopt: as
// above. Error: any other, or not this value.
std::optional<Status> WriteThrottleGroup(backend::ThrottleConfig& config, std::string_view name,
                                         const control::PropertyValue& value);

}  // namespace davit::machine
