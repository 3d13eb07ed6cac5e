// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Waits without a limit that a signal which ends the process (SIGTERM, SIGINT, SIGHUP) ends,
// although the process blocks it: as long as nothing else looks at signals, which is so while it
// starts. The signal stays pending, for who takes it in the end. Any thread.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <span>

#include "vmm/base/unique_fd.h"

namespace davit {

// SIGTERM, SIGINT and SIGHUP.
sigset_t TerminationSet();

// As poll(2) without a time limit. False: the error is in errno; EINTR is such a signal.
bool WaitUntilReady(std::span<pollfd> polled);
bool WaitUntilReadable(int fd);

// socket(2) and connect(2) of a stream; the socket blocks. The peer's backlog may be full. None:
// the error is in *error; EINTR is such a signal.
UniqueFd ConnectStream(const sockaddr* address, socklen_t length, int* error);

}  // namespace davit
