// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a member of a struct must be to be a property of a device: optional, a scalar, with a
// default and a format that its type can have. Pure.
#pragma once

#include <string>

#include "schema/compiler/model.h"

namespace davit::schema {

// "" when it is good, else the end of a sentence that begins with the property. Its type is
// resolved.
std::string PropertyFault(const ModelMember& member);

}  // namespace davit::schema
