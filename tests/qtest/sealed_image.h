// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A disk image whose writes fail from a moment of the test's choice on: a file in memory that is
// sealed after the VMM has opened it (EPERM). Reads go on. Owner: the thread of the test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "vmm/base/unique_fd.h"

namespace davit::qtest {

class SealedImage {
 public:
  explicit SealedImage(uint64_t bytes)
      : fd_(memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    EXPECT_EQ(ftruncate(fd_.get(), static_cast<off_t>(bytes)), 0);
  }
  // While this lives.
  std::string path() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get());
  }
  void Seal() { EXPECT_EQ(fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_WRITE), 0); }

 private:
  UniqueFd fd_;
};

}  // namespace davit::qtest
