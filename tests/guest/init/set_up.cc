// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See set_up.h.
#include "tests/guest/init/set_up.h"

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <termios.h>

namespace davit::guest_init {

void SetUpConsole() {
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir("/dev", 0755);
  mount("proc", "/proc", "proc", 0, nullptr);
  mount("sysfs", "/sys", "sysfs", 0, nullptr);
  mount("devtmpfs", "/dev", "devtmpfs", 0, nullptr);
  termios mode{};
  if (tcgetattr(0, &mode) == 0) {
    cfmakeraw(&mode);
    mode.c_oflag |= OPOST | ONLCR;
    tcsetattr(0, TCSANOW, &mode);
  }
  setvbuf(stdout, nullptr, _IOLBF, 1024);
}

}  // namespace davit::guest_init
