// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The naming rules (QEMU docs/devel/qapi-code-gen, "Naming rules and reserved names"). A `source`
// is how a message names the thing: "command", "'data' member 'foo'".
#pragma once

#include <string>
#include <string_view>

namespace davit::schema {

// The identifier form in which names must differ: every byte that is no letter or digit is '_'.
std::string IdentifierOf(std::string_view name);

// [__RFQDN_][x-]letter{letter|digit|-|_}, and not "q_...". *stem gets what follows the prefixes.
bool IsValidName(std::string_view name, std::string_view* stem);

// Each returns the complaint, or "" when the name is good.
std::string CheckUpperName(std::string_view name, std::string_view source);
std::string CheckLowerName(std::string_view name, std::string_view source, bool permit_upper,
                           bool permit_underscore);
std::string CheckCamelName(std::string_view name, std::string_view source);

// An identifier of the `if` language: [A-Z][A-Z0-9_]*.
bool IsConditionName(std::string_view name);

}  // namespace davit::schema
