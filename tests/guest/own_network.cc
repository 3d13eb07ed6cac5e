// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/guest/own_network.h"

#include <sched.h>
#include <unistd.h>

#include "tests/support/process.h"

namespace davit::testing {

bool OwnNetwork() {
  static const bool own = unshare(CLONE_NEWNET) == 0 &&
                          RunCommand({"/bin/busybox", "ip", "link", "set", "lo", "up"}).status == 0;
  return own;
}

bool HasTap() { return OwnNetwork() && access("/dev/net/tun", R_OK | W_OK) == 0; }
bool HasVhost() { return HasTap() && access("/dev/vhost-net", R_OK | W_OK) == 0; }

}  // namespace davit::testing
