// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See socket_connector.h.
#include "vmm/backend/char/socket_connector.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace davit::backend {

int SocketConnector::Start() { return TryFrom(0, EADDRNOTAVAIL); }

int SocketConnector::TryFrom(size_t index, int error) {
  for (; index < endpoints_.size(); ++index) {
    fd_ = StartConnect(endpoints_[index], error);
    if (!fd_) continue;
    auto watch = loop_.WatchWritable(fd_.get(), [this, index] { OnWritable(index); });
    if (watch) {
      watch_ = std::move(*watch);
      return 0;
    }
    fd_.reset();
  }
  return error;
}

void SocketConnector::OnWritable(size_t index) {
  const auto watch = std::move(watch_);  // this runs in it
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  UniqueFd fd = std::move(fd_);
  if (error == 0) return done_(std::move(fd), 0);
  error = TryFrom(index + 1, error);
  if (error != 0) done_({}, error);
}

}  // namespace davit::backend
