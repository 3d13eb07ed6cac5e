// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes the pattern of tests/guest/pattern.h to a disk or file and sums up what is there, past the
// page cache, with a thread on each of several processors: a disk with a queue for each processor
// then has all of them at work.

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "tests/guest/init/commands.h"
#include "tests/guest/pattern.h"

namespace init {
namespace {

constexpr uint64_t kChunk = 1 << 20;  // bytes a request of ours

struct Part {
  uint64_t from = 0, end = 0;  // bytes, multiples of kChunk
  uint64_t sum = 0;
  int error = 0;  // errno
};

bool MoveChunk(int fd, bool write, std::span<uint64_t> words, uint64_t at) {
  char* data = reinterpret_cast<char*>(words.data());
  for (size_t done = 0; done < words.size_bytes();) {
    const size_t left = words.size_bytes() - done;
    const off_t offset = static_cast<off_t>(at + done);
    const ssize_t n =
        write ? pwrite(fd, data + done, left, offset) : pread(fd, data + done, left, offset);
    if (n == 0) errno = ENODATA;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

void RunPart(const std::string& path, bool write, int cpu, Part* part) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);
  const std::unique_ptr<void, decltype(&free)> memory(aligned_alloc(4096, kChunk), free);
  const std::span<uint64_t> words(static_cast<uint64_t*>(memory.get()), kChunk / 8);
  const int how = write ? O_RDWR | O_CREAT : O_RDONLY;
  const int fd = open(path.c_str(), how | O_DIRECT | O_CLOEXEC, 0644);
  bool ok = fd >= 0;
  for (uint64_t at = part->from; ok && at < part->end; at += kChunk) {
    if (write) davit::testing::FillPattern(words, at / 8);
    ok = MoveChunk(fd, write, words, at);
    part->sum += davit::testing::ChecksumOf(words, at / 8);
  }
  if (ok && write) ok = fsync(fd) == 0;
  if (!ok) part->error = errno;
  if (fd >= 0) close(fd);
}

void Run(const char* word, const std::string& arguments, bool write) {
  char path[64];
  unsigned long mib = 0;
  int threads = 0;
  if (sscanf(arguments.c_str(), "%63s %lu %d", path, &mib, &threads) != 3 || threads < 1) {
    printf("init: %s: PATH MIB THREADS are missing\n", word);
    return;
  }
  std::vector<Part> parts(static_cast<size_t>(threads));
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    Part& part = parts[static_cast<size_t>(i)];
    part.from = mib * static_cast<uint64_t>(i) / static_cast<uint64_t>(threads) * kChunk;
    part.end = mib * static_cast<uint64_t>(i + 1) / static_cast<uint64_t>(threads) * kChunk;
    workers.emplace_back(RunPart, path, write, i, &part);
  }
  for (std::thread& worker : workers) worker.join();
  uint64_t sum = 0;
  int error = 0;
  for (const Part& part : parts) {
    sum += part.sum;
    if (part.error != 0) error = part.error;
  }
  if (error != 0) {
    printf("init: %s %s: %s\n", word, path, strerror(error));
  } else {
    printf("init: %s %lu MiB, checksum %016lx\n", word, mib, sum);
  }
}

}  // namespace

void FillDisk(const std::string& arguments) { Run("fill", arguments, true); }
void SumDisk(const std::string& arguments) { Run("sum", arguments, false); }

}  // namespace init
