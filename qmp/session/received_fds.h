// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Descriptors that a client has passed (SCM_RIGHTS) and no command has consumed. They stay queued
// until consumed. A command gets the first of those that came with its own bytes, else the
// oldest that came before its end: so a descriptor sent ahead on a lone space is found, and one
// that an earlier, failed command left behind is not mistaken for one's own. Owner: control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::qmp {

// Numbers of the chunks of input that a message's first and last byte came in.
struct FdSpan {
  uint64_t first = 0;
  uint64_t last = 0;
};

class ReceivedFds {
 public:
  static constexpr size_t kMaxQueued = 253;  // as many as one message can carry; the oldest go

  // The next chunk of input, and what came with it.
  void Add(std::vector<UniqueFd> fds);
  uint64_t chunk() const { return chunk_; }

  Result<UniqueFd> Take(FdSpan message);
  void Clear() { queue_.clear(); }
  size_t size() const { return queue_.size(); }

 private:
  struct Received {
    uint64_t chunk;
    UniqueFd fd;
  };
  std::deque<Received> queue_;
  uint64_t chunk_ = 0;
};

}  // namespace davit::qmp
