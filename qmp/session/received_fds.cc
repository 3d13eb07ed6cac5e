// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/session/received_fds.h"

#include <algorithm>
#include <utility>

namespace davit::qmp {

void ReceivedFds::Add(std::vector<UniqueFd> fds) {
  ++chunk_;
  for (UniqueFd& fd : fds) {
    if (queue_.size() == kMaxQueued) queue_.pop_front();
    queue_.push_back({chunk_, std::move(fd)});
  }
}

Result<UniqueFd> ReceivedFds::Take(FdSpan message) {
  auto it = std::find_if(queue_.begin(), queue_.end(), [&](const Received& received) {
    return received.chunk >= message.first && received.chunk <= message.last;
  });
  if (it != queue_.end()) {
    it = queue_.erase(queue_.begin(), it);
  } else {
    it = queue_.begin();
  }
  if (it == queue_.end() || it->chunk > message.last) {
    return Fail("No file descriptor supplied via SCM_RIGHTS");
  }
  UniqueFd fd = std::move(it->fd);
  queue_.erase(it);
  return fd;
}

}  // namespace davit::qmp
