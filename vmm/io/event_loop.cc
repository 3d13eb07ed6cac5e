// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See event_loop.h.
#include "vmm/io/event_loop.h"

#include <sys/eventfd.h>

#include <utility>

namespace davit::io {

Result<std::unique_ptr<Registration>> EventLoop::WatchSignals(int event_fd,
                                                              std::function<void()> fn) {
  return WatchReadable(event_fd, [event_fd, fn = std::move(fn)] {
    eventfd_t count;
    if (eventfd_read(event_fd, &count) == 0) fn();
  });
}

}  // namespace davit::io
