// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a QMP server listens, as users write it: "unix:PATH", "tcp:HOST:PORT", "HOST:PORT",
// "[V6]:PORT", or a bare path. A bare name with a colon and a number behind it is TCP, as in
// QEMU's qmp-shell; "unix:" settles it for a path that looks so.
#pragma once

#include <string>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::client {

struct Address {
  bool is_unix = true;
  std::string path;  // UNIX
  std::string host;  // TCP
  std::string port;  // TCP: a number or a service name

  std::string ToString() const;
};

Result<Address> ParseAddress(std::string_view text);

// A connected, non-blocking, close-on-exec stream socket. The Error names the address and the
// cause.
Result<UniqueFd> Connect(const Address& address);

}  // namespace davit::client
