// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The arguments of a human monitor line, taken one after another as QEMU's monitor reads them.
// Blanks before each are skipped. Errors are its messages; an empty message is an error of which it
// tells the usage alone. Inner header of this package.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vmm/base/error.h"

namespace davit::qmp::hmp {

class Arguments {
 public:
  // `line` outlives it; what follows the name of the command.
  explicit Arguments(std::string_view line) : rest_(line) {}

  bool AtEnd();
  // Up to the next blank, as it is; empty at the end.
  std::string_view Word();
  // A word; or text between double quotes, where \n, \r, \\, \' and \" stand for one character
  // each, and which ends the argument whatever follows. Error: the end, a quote without its
  // partner, another escape; all worded "NAME: WANTED expected", or not at all where `wanted` is
  // empty.
  Result<std::string> Text(std::string_view name, std::string_view wanted);
  // Whether -FLAG comes next; it is one character, and is taken if so. One of `later` stays.
  // Error: another option.
  Result<bool> Flag(std::string_view name, char flag, std::string_view later = {});
  // An expression (expression.h).
  Result<int64_t> Number();
  // All that is left, without the blanks at its ends.
  std::string_view Rest();
  // Error: there is more.
  Status End(std::string_view name);

 private:
  Result<std::string> Quoted();

  std::string_view rest_;
};

}  // namespace davit::qmp::hmp
