// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See disk.h.
#include "tests/bench/guest/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <sstream>
#include <vector>

namespace davit::bench_guest {
namespace {

struct Load {
  std::string path;
  bool write = false;
  bool random = false;
  uint64_t bytes = 0;  // of a request
  unsigned depth = 0;
  int64_t ns = 0;  // how long
};

int64_t Now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

std::string Failed(const char* what) {
  return std::string("disk ") + what + ": " + strerror(errno);
}

// Where the next request goes.
class Offsets {
 public:
  Offsets(const Load& load, uint64_t device_bytes)
      : random_(load.random), bytes_(load.bytes), blocks_(device_bytes / load.bytes) {}
  int64_t Next() {
    uint64_t block = next_++;
    if (random_) {  // xorshift64
      state_ ^= state_ << 13;
      state_ ^= state_ >> 7;
      state_ ^= state_ << 17;
      block = state_;
    }
    return static_cast<int64_t>(block % blocks_ * bytes_);
  }

 private:
  const bool random_;
  const uint64_t bytes_, blocks_;
  uint64_t next_ = 0, state_ = 0x9e3779b97f4a7c15;
};

std::string Report(uint64_t ops, int64_t ns) {
  return "disk ops " + std::to_string(ops) + " ns " + std::to_string(ns);
}

std::string OneAtATime(const Load& load, int fd, Offsets& offsets, char* buffer) {
  uint64_t ops = 0;
  const int64_t start = Now();
  int64_t now = start;
  for (; now - start < load.ns; now = Now(), ++ops) {
    const ssize_t n = load.write ? pwrite(fd, buffer, load.bytes, offsets.Next())
                                 : pread(fd, buffer, load.bytes, offsets.Next());
    if (n != static_cast<ssize_t>(load.bytes)) return Failed("transfer");
  }
  return Report(ops, now - start);
}

std::string ManyAtATime(const Load& load, int fd, Offsets& offsets, char* buffer) {
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, load.depth, &context) != 0) return Failed("io_setup");
  std::vector<iocb> blocks(load.depth);
  std::vector<iocb*> ready;
  for (unsigned i = 0; i < load.depth; ++i) {
    blocks[i].aio_lio_opcode = load.write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    blocks[i].aio_fildes = static_cast<uint32_t>(fd);
    blocks[i].aio_buf = reinterpret_cast<uint64_t>(buffer + i * load.bytes);
    blocks[i].aio_nbytes = load.bytes;
    ready.push_back(&blocks[i]);
  }
  std::vector<io_event> events(load.depth);
  uint64_t ops = 0;
  std::string failed;
  const int64_t start = Now();
  int64_t now = start;
  for (; now - start < load.ns && failed.empty(); now = Now()) {
    for (iocb* block : ready) block->aio_offset = offsets.Next();
    size_t done = 0;
    while (done < ready.size()) {
      const long n = syscall(SYS_io_submit, context, ready.size() - done, ready.data() + done);
      if (n <= 0) return Failed("io_submit");
      done += static_cast<size_t>(n);
    }
    ready.clear();
    const long n = syscall(SYS_io_getevents, context, 1, load.depth, events.data(), nullptr);
    for (long i = 0; i < n; ++i) {
      if (events[i].res != static_cast<int64_t>(load.bytes)) failed = "disk transfer failed";
      ready.push_back(reinterpret_cast<iocb*>(events[i].obj));
      ++ops;
    }
  }
  syscall(SYS_io_destroy, context);  // waits for what is under way
  return failed.empty() ? Report(ops, now - start) : failed;
}

}  // namespace

std::string RunDisk(const std::string& arguments) {
  Load load;
  std::string direction, order;
  int64_t ms = 0;
  std::istringstream words(arguments);
  words >> load.path >> direction >> order >> load.bytes >> load.depth >> ms;
  if (!words || load.bytes == 0 || load.depth == 0) return "disk: what?";
  load.write = direction == "write";
  load.random = order == "rand";
  load.ns = ms * 1000000;
  const int fd = open(load.path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (fd < 0) return Failed("open");
  uint64_t device_bytes = 0;
  std::string answer;
  const size_t room = load.bytes * load.depth;
  void* const buffer = mmap(nullptr, room, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (ioctl(fd, BLKGETSIZE64, &device_bytes) != 0) {
    answer = Failed("BLKGETSIZE64");
  } else if (buffer == MAP_FAILED) {
    answer = Failed("mmap");
  } else {
    memset(buffer, 0x5a, room);
    Offsets offsets(load, device_bytes);
    char* const bytes = static_cast<char*>(buffer);
    answer = load.depth == 1 ? OneAtATime(load, fd, offsets, bytes)
                             : ManyAtATime(load, fd, offsets, bytes);
    munmap(buffer, room);
  }
  close(fd);
  return answer;
}

}  // namespace davit::bench_guest
