// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Lines of a server, compared with what was recorded: the whole line, or its rows where davit's
// answer is a part of QEMU's. The rows are the elements of an array, or the lines of a text. They
// stand in davit's order and are all of davit's; QEMU has those of both and "- " ones among
// others, in any order (<<rows>>) or in this one (<<sequence>>).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace davit::testing {

struct Row {
  char whose;  // '=' of both, '+' of davit alone, '-' of QEMU alone
  std::string text;
  int line;
};

enum class Server { kDavit, kQemu };

bool LineMatches(std::string_view expected, std::string_view line);

// Whether an expected line has the mark of rows.
bool HasRows(std::string_view expected);

// Empty, or what is wrong with the line (without its end).
std::string CompareRows(std::string_view expected, const std::vector<Row>& rows,
                        std::string_view line, Server server);

}  // namespace davit::testing
