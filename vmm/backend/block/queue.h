// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The I/O of one user of a node on one event loop: requests go in by Submit(), a batch of them to
// the kernel by Kick(), and come back by Reap(). io_uring where the node's aio= and the kernel
// allow it, worker threads else and for what io_uring does not do (holes, zeros, odd alignment).
//
// Owner: the loop's thread, but for construction and destruction (control thread).
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "vmm/backend/block/node.h"
#include "vmm/backend/block/request.h"
#include "vmm/backend/block/stats.h"
#include "vmm/backend/block/uring.h"
#include "vmm/backend/block/worker_pool.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

class BlockQueue final : private io::Poller {
 public:
  // ready: called on the loop when there may be something to Reap(). No done() is ever called but
  // inside Reap(), so that the user can take its lock around it.
  // stats: may be null; outlives this.
  BlockQueue(io::EventLoop& loop, WorkerPool& workers, BlockStats* stats,
             std::function<void()> ready);
  // Nothing is in flight. The loop runs, or this is its thread.
  ~BlockQueue() override;
  BlockQueue(const BlockQueue&) = delete;
  BlockQueue& operator=(const BlockQueue&) = delete;

  // The request and the memory it names stay until done().
  void Submit(const BlockTarget& target, BlockRequest& request);
  // After a batch of Submit(). Follow with Reap(): some requests have ended already.
  void Kick();
  void Reap();
  // Requests whose done() was not called yet.
  size_t in_flight() const { return in_flight_; }
  // Requests that only wait for time (null-co with a latency) end now.
  void Hurry();
  // Blocks until there may be something to Reap() or to Hurry(); a moment where the kernel has no
  // room, since nobody tells when it has. On the loop, as everything here.
  void WaitSome();
  // Any thread: makes ready() be called on the loop, once for all that ask until then. Nothing
  // happens before the first Submit().
  void PostReady();

 private:
  bool Poll() override;  // of the loop
  void Start();          // on the loop's thread, at the first request
  void Issue(BlockRequest& request);
  void IssueToRing(BlockRequest& request);
  void RingEnded(BlockRequest& request, int result);
  void IssueToWorker(BlockRequest& request);
  void IssueToNull(BlockRequest& request);
  void WorkerEnded(BlockRequest& request, int error);  // worker's thread
  void End(BlockRequest& request, int error);
  // O_DIRECT writes that share a block with one that must read around itself take turns.
  bool MustWait(const BlockRequest& request) const;
  void IssueBlocked();

  io::EventLoop& loop_;
  WorkerPool& workers_;
  BlockStats* const stats_;
  const std::function<void()> ready_;
  std::thread::id thread_;  // of the loop, once started
  std::atomic<bool> started_ = false;
  std::atomic<bool> posted_ = false;  // ready_ is on its way to the loop
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  size_t in_flight_ = 0;
  std::vector<BlockRequest*> ended_;
  std::vector<BlockRequest*> spare_;   // room for the next ended_
  std::deque<BlockRequest*> waiting_;  // for room in the ring
  std::deque<BlockRequest*> blocked_;  // by writes_
  std::vector<BlockRequest*> writes_;  // O_DIRECT writes under way
  std::unordered_map<BlockRequest*, std::unique_ptr<io::Registration>> timers_;

  std::unique_ptr<Uring> ring_;
  bool ring_failed_ = false;
  std::unique_ptr<io::Registration> ring_watch_, ring_poller_;

  UniqueFd event_;
  std::unique_ptr<io::Registration> event_watch_;
  std::mutex mutex_;  // guards worker_ended_
  std::vector<BlockRequest*> worker_ended_;
};

}  // namespace davit::backend
