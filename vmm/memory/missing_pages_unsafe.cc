// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See missing_pages.h. The handler reads the table of watches without a lock: an entry is filled
// before its `begin` is set, and emptied in the opposite order.
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <utility>

#include "vmm/memory/missing_pages.h"

namespace davit::memory {
namespace {

struct Watched {
  std::atomic<uint64_t> begin{0};  // 0: not in use
  std::atomic<uint64_t> end{0}, page_size{0};
  std::atomic<int> event{-1};
};
std::array<Watched, MissingPages::kMaxWatches> watched;
std::mutex table_mutex;  // of those who change it
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// Async-signal-safe. False: not ours, or nothing to put there.
bool Replace(uint64_t address) {
  for (const Watched& range : watched) {
    const uint64_t begin = range.begin.load(std::memory_order_acquire);
    if (begin == 0 || address < begin || address >= range.end) continue;
    const uint64_t size = range.page_size;
    const uint64_t page = begin + (address - begin) / size * size;
    if (mmap(reinterpret_cast<void*>(page), size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
      return false;
    }
    const uint64_t one = 1;
    (void)!write(range.event, &one, sizeof(one));
    return true;
  }
  return false;
}

void OnSigbus(int, siginfo_t* info, void*) {
  const int saved = errno;
  // Else the touch happens again, and ends the process.
  if (!Replace(reinterpret_cast<uint64_t>(info->si_addr))) signal(SIGBUS, SIG_DFL);
  errno = saved;
}

void InstallHandler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = OnSigbus;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, nullptr);
  });
}

}  // namespace

Result<std::unique_ptr<MissingPages>> MissingPages::Watch(uint64_t address, uint64_t size,
                                                          uint64_t page_size) {
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return FailErrno("eventfd of guest memory");
  InstallHandler();
  const std::lock_guard lock(table_mutex);
  for (size_t slot = 0; slot < watched.size(); ++slot) {
    Watched& range = watched[slot];
    if (range.begin != 0) continue;
    range.end = address + size;
    range.page_size = page_size;
    range.event = event.get();
    range.begin.store(address, std::memory_order_release);
    return std::unique_ptr<MissingPages>(new MissingPages(std::move(event), slot));
  }
  return Fail("too much guest memory in huge pages of its own kind");
}

bool MissingPages::Take() {
  uint64_t count = 0;
  return read(event_.get(), &count, sizeof(count)) == sizeof(count);
}

MissingPages::~MissingPages() {
  const std::lock_guard lock(table_mutex);
  watched[slot_].begin = 0;
}

}  // namespace davit::memory
