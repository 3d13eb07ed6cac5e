// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Refuses, before anything is emitted, a good schema whose names would collide in the generated
// C++, so that the schema's author reads about the schema and not about generated code.
#pragma once

#include "schema/compiler/ir.h"
#include "vmm/base/error.h"

namespace davit::schema {

// The Error's message is ready to print, as LoadSchema's.
Status CheckCppNames(const Schema& schema);

}  // namespace davit::schema
