// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One request of a device on its disk. The device owns it; from Submit() until done() the back end
// uses it and the memory that iov names. Owner: the thread of the queue it is submitted to.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "vmm/io/event_loop.h"

namespace davit::backend {

class FileNode;
class NullNode;

enum class BlockOp : uint8_t { kRead, kWrite, kFlush, kDiscard, kWriteZeroes };

struct BlockRequest {
  BlockOp op = BlockOp::kRead;
  uint64_t offset = 0;         // bytes; multiple of 512
  uint64_t bytes = 0;          // multiple of 512; 0 for kFlush
  std::span<const iovec> iov;  // kRead, kWrite: `bytes` in sum
  bool fua = false;            // kWrite, kWriteZeroes: on stable storage before done()
  bool unmap = false;          // kWriteZeroes: storage may be given back
  // 0 or an errno. Called by Reap(), on its thread, once a Submit(), which takes it. May destroy
  // the request.
  std::function<void(int error)> done;

  io::Clock::time_point started{};  // set by the back end

  // --- the back end's, from Submit() to done() ---
  struct State {
    FileNode* file = nullptr;  // the leaf below the node
    NullNode* null = nullptr;
    uint64_t offset = 0;    // in the leaf
    uint64_t progress = 0;  // bytes transferred
    int error = 0;
    BlockOp op = BlockOp::kRead;  // what is done: a write of zeros may become kWriteZeroes
    bool fua = false;
    bool unmap = false;
    bool partial_block = false;  // a write that must read around itself (O_DIRECT)
    std::vector<iovec> rest;     // what is left of iov
  } state;
};

}  // namespace davit::backend
