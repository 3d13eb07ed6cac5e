// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing of a monitor's descriptors without waiting, and the descriptors that come
// along (SCM_RIGHTS). Control thread.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "vmm/base/unique_fd.h"

namespace davit::qmp {

struct IoResult {
  size_t bytes = 0;
  int error = 0;     // errno; EAGAIN: nothing can be moved now
  bool end = false;  // end of file (reading)
};

bool IsSocket(int fd);

// Received descriptors are close-on-exec and appended to `fds`.
IoResult ReadSome(int fd, bool socket, std::span<char> buffer, std::vector<UniqueFd>& fds);

// Never raises SIGPIPE on a socket.
IoResult WriteSome(int fd, bool socket, std::string_view bytes);

}  // namespace davit::qmp
