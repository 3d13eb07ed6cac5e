// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pidfile.h. The lock is an open-file-description lock, as QEMU's, so the two see each other's.
#include "daemon/process/pidfile.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

namespace davit::daemon {
namespace {

std::string Absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  char buffer[PATH_MAX];
  const char* directory = getcwd(buffer, sizeof buffer);
  return directory == nullptr ? path : fmt::format("{}/{}", directory, path);
}

// The open file is still what the path names (a dying owner may have just removed it).
bool IsStill(int fd, const std::string& path) {
  struct stat open_file {
  }, named{};
  return fstat(fd, &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

}  // namespace

Result<PidFile> PidFile::Create(const std::string& path) {
  UniqueFd fd;
  do {
    fd.reset(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    if (!fd) return FailErrno(fmt::format("cannot create PID file: Could not create '{}'", path));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) {
      return FailErrno("cannot create PID file: Cannot lock pid file");
    }
  } while (!IsStill(fd.get(), path));
  const std::string text = fmt::format("{}\n", getpid());
  if (ftruncate(fd.get(), 0) != 0 ||
      write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    auto failed = FailErrno("cannot create PID file: Failed to write pid file");
    // A manager would take an empty file for a PID file; a device stays.
    struct stat info {};
    if (fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode)) unlink(path.c_str());
    return failed;
  }
  PidFile file;
  file.path_ = Absolute(path);
  file.fd_ = std::move(fd);
  return file;
}

PidFile::~PidFile() {
  if (fd_) unlink(path_.c_str());
}

}  // namespace davit::daemon
