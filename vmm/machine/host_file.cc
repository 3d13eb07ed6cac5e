// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See host_file.h.
#include "vmm/machine/host_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "vmm/base/unique_fd.h"
#include "vmm/base/units.h"
#include "vmm/base/waiting.h"

namespace davit::machine {

ssize_t ReadWaiting(int fd, void* to, size_t size) {
  for (;;) {
    if (!WaitUntilReadable(fd)) return -1;
    const ssize_t n = read(fd, to, size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return n;
  }
}

Result<std::vector<std::byte>> ReadHostFile(const std::string& path, size_t max) {
  const auto failed = [](int err) { return Fail(std::strerror(err)); };
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return failed(errno);
  std::vector<std::byte> data;
  for (;;) {
    constexpr size_t kPiece = 64 * kKiB;
    const size_t at = data.size();
    if (at > max) return failed(EFBIG);
    data.resize(at + kPiece);
    const ssize_t n = ReadWaiting(fd.get(), &data[at], kPiece);
    if (n < 0) return failed(errno);
    data.resize(at + static_cast<size_t>(n));
    if (n == 0) return data;
  }
}

}  // namespace davit::machine
