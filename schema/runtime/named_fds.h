// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The file descriptors that a QMP session has named by getfd. They live as long as the session or
// until a command consumes them. Owner: the session's thread (control thread).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::qapi {

class NamedFds {
 public:
  // Stores under `name`; a descriptor that had the name is closed (getfd). Error: bad name.
  Status Set(std::string name, UniqueFd fd);
  // Error: "File descriptor named 'X' has not been found".
  Result<UniqueFd> Take(std::string_view name);
  // closefd. Error: "File descriptor named 'X' not found".
  Status Close(std::string_view name);
  size_t size() const { return fds_.size(); }

 private:
  std::map<std::string, UniqueFd, std::less<>> fds_;
};

}  // namespace davit::qapi
