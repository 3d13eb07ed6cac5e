// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Huge pages that nobody reserved (reserve=off), or that a balloon gave back, may not be there when
// the guest's memory is touched. The kernel answers the touch with SIGBUS, which ends a process.
// While one of these watches a mapping, a page that is missing in it is replaced by zeroed small
// pages, private to this process, and event_fd() tells: the VM must be stopped, since its memory is
// no longer what it was told. A SIGBUS elsewhere ends the process as before.
//
// Threads must not block SIGBUS. Any thread; the handler is installed with the first watch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::memory {

class MissingPages {
 public:
  static constexpr size_t kMaxWatches = 512;  // the RAM and what can be plugged

  // [address, address + size): multiples of page_size. The mapping outlives the watch. Error: out
  // of descriptors, too many watches.
  static Result<std::unique_ptr<MissingPages>> Watch(uint64_t address, uint64_t size,
                                                     uint64_t page_size);
  ~MissingPages();
  MissingPages(const MissingPages&) = delete;
  MissingPages& operator=(const MissingPages&) = delete;

  // Readable when a page was missing since the last Take().
  int event_fd() const { return event_.get(); }
  bool Take();

 private:
  MissingPages(UniqueFd event, size_t slot) : event_(std::move(event)), slot_(slot) {}
  const UniqueFd event_;
  const size_t slot_;
};

}  // namespace davit::memory
