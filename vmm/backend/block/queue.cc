// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See queue.h.
#include "vmm/backend/block/queue.h"

#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <utility>

#include "vmm/backend/block/file_node.h"
#include "vmm/backend/block/simple_nodes.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/base/units.h"

namespace davit::backend {
namespace {

// Of a file in memory, copied by the loop's own thread. io_uring gives each buffered write to
// another thread (all but a few file systems), which takes longer than such a copy.
constexpr uint64_t kCopiedBytes = 16 * kKiB;

bool AllZero(std::span<const iovec> iov) {
  for (const iovec& v : iov) {
    const char* const bytes = static_cast<const char*>(v.iov_base);
    if (v.iov_len == 0) continue;
    if (bytes[0] != 0 || memcmp(bytes, bytes + 1, v.iov_len - 1) != 0) return false;
  }
  return true;
}

// What remains of iov behind `skip` bytes.
std::vector<iovec> Rest(std::span<const iovec> iov, uint64_t skip) {
  std::vector<iovec> rest;
  for (const iovec& v : iov) {
    if (skip >= v.iov_len) {
      skip -= v.iov_len;
      continue;
    }
    rest.push_back({static_cast<char*>(v.iov_base) + skip, v.iov_len - skip});
    skip = 0;
  }
  return rest;
}

void Zero(std::span<const iovec> iov) {
  for (const iovec& v : iov) memset(v.iov_base, 0, v.iov_len);
}

bool IsWrite(const BlockRequest& request) {
  return request.state.op == BlockOp::kWrite || request.state.op == BlockOp::kWriteZeroes;
}

// Blocks.
int Execute(const BlockRequest& request) {
  const BlockRequest::State& state = request.state;
  FileNode& file = *state.file;
  switch (state.op) {
    case BlockOp::kRead:
      return file.Read(state.offset, request.bytes, request.iov);
    case BlockOp::kWrite:
      return file.Write(state.offset, request.bytes, request.iov, state.fua);
    case BlockOp::kFlush:
      return file.Flush();
    case BlockOp::kDiscard:
      return file.Discard(state.offset, request.bytes);
    default:
      return file.WriteZeroes(state.offset, request.bytes, state.unmap, state.fua);
  }
}

}  // namespace

BlockQueue::BlockQueue(io::EventLoop& loop, WorkerPool& workers, BlockStats* stats,
                       std::function<void()> ready)
    : loop_(loop), workers_(workers), stats_(stats), ready_(std::move(ready)) {}

BlockQueue::~BlockQueue() {
  DAVIT_CHECK(in_flight_ == 0);
  if (!started_) return;
  const auto stop = [this] {
    ring_watch_.reset();
    ring_poller_.reset();
    event_watch_.reset();
    timers_.clear();
  };
  if (std::this_thread::get_id() == thread_) {
    stop();
    return;
  }
  std::promise<void> stopped;
  loop_.Post([&] {
    stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

void BlockQueue::Start() {
  started_ = true;
  thread_ = std::this_thread::get_id();
  event_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_) return;
  auto watch = loop_.WatchSignals(event_.get(), [this] { ready_(); });
  if (watch) event_watch_ = std::move(*watch);
}

bool BlockQueue::Poll() {
  if (!ring_->ready()) return false;
  ready_();
  return true;
}

void BlockQueue::Submit(const BlockTarget& target, BlockRequest& request) {
  if (!started_) Start();
  BlockRequest::State& state = request.state;
  state = {};
  state.file = target.file;
  state.null = target.null;
  state.offset = request.offset + target.offset;
  state.op = request.op;
  state.fua = request.fua && !target.no_flush;
  state.unmap = request.unmap && target.discard;
  ++in_flight_;
  if (target.leaf == nullptr) return End(request, ENOMEDIUM);
  // The device has checked it; while a limit held it up the disk may have shrunk.
  const uint64_t length = target.leaf->length();
  if (request.bytes > length || state.offset > length - request.bytes) return End(request, EIO);
  if (IsWrite(request)) target.leaf->NoteWrite(state.offset + request.bytes);
  if (state.null != nullptr) return IssueToNull(request);
  if ((state.op == BlockOp::kFlush && target.no_flush) ||
      (state.op == BlockOp::kDiscard && !target.discard)) {
    return End(request, 0);
  }
  if (state.op == BlockOp::kWrite && target.detect_zeroes != DetectZeroes::kOff &&
      AllZero(request.iov)) {
    state.op = BlockOp::kWriteZeroes;
    state.unmap = target.detect_zeroes == DetectZeroes::kUnmap && target.discard;
  }
  const uint32_t align = state.file->request_alignment();
  state.partial_block = IsWrite(request) && (state.offset | request.bytes) % align != 0;
  if (align > 1 && IsWrite(request)) {
    if (MustWait(request)) {
      blocked_.push_back(&request);
      return;
    }
    writes_.push_back(&request);
  }
  Issue(request);
}

bool BlockQueue::MustWait(const BlockRequest& request) const {
  const uint64_t align = request.state.file->request_alignment();
  const uint64_t begin = AlignDown(request.state.offset, align);
  const uint64_t end = AlignUp(request.state.offset + request.bytes, align);
  const auto in_the_way = [&](const BlockRequest* other) {
    if (!request.state.partial_block && !other->state.partial_block) return false;
    return AlignDown(other->state.offset, align) < end &&
           begin < AlignUp(other->state.offset + other->bytes, align);
  };
  return std::any_of(writes_.begin(), writes_.end(), in_the_way) ||
         std::any_of(blocked_.begin(), blocked_.end(), in_the_way);
}

void BlockQueue::IssueBlocked() {
  std::deque<BlockRequest*> blocked = std::move(blocked_);
  blocked_.clear();
  for (BlockRequest* request : blocked) {
    if (MustWait(*request)) {
      blocked_.push_back(request);
      continue;
    }
    writes_.push_back(request);
    Issue(*request);
  }
}

void BlockQueue::Issue(BlockRequest& request) {
  FileNode& file = *request.state.file;
  if (request.state.op == BlockOp::kFlush && file.flush_error() != 0) {
    return End(request, file.flush_error());
  }
  if (request.state.op == BlockOp::kWrite && request.state.fua && file.flush_error() != 0) {
    return End(request, file.flush_error());
  }
  const bool transfer = request.state.op == BlockOp::kRead || request.state.op == BlockOp::kWrite;
  if (request.state.op == BlockOp::kWrite && file.in_memory() && request.bytes <= kCopiedBytes) {
    return End(request, Execute(request));
  }
  const bool can_ring =
      request.state.op == BlockOp::kFlush ||
      (transfer && file.Aligned(request.state.offset, request.bytes, request.iov));
  if (!can_ring || file.aio() == AioMode::kThreads) return IssueToWorker(request);
  if (!ring_ && !ring_failed_) {
    auto ring = Uring::Create();
    if (ring) {
      auto watch = loop_.WatchReadable((*ring)->fd(), [this] { ready_(); });
      if (watch) {
        ring_ = std::move(*ring);
        ring_watch_ = std::move(*watch);
        ring_poller_ = loop_.AddPoller(*this);
      }
    }
    ring_failed_ = !ring_;
    if (ring_failed_) DAVIT_LOG_INFO("block I/O without io_uring");
  }
  if (!ring_) return IssueToWorker(request);
  if (ring_->full()) {
    waiting_.push_back(&request);
    return;
  }
  IssueToRing(request);
  const int64_t most = loop_.max_batch();
  if (most != 0 && ring_->queued() >= most) ring_->Submit();
}

void BlockQueue::IssueToRing(BlockRequest& request) {
  BlockRequest::State& state = request.state;
  const int fd = state.file->fd();
  if (state.op == BlockOp::kFlush) return ring_->Flush(fd, &request);
  std::span<const iovec> iov = request.iov;
  if (state.progress != 0) {
    state.rest = Rest(request.iov, state.progress);
    iov = state.rest;
  }
  // More than the kernel takes at once is a short transfer that goes on.
  const unsigned count = static_cast<unsigned>(std::min<size_t>(iov.size(), IOV_MAX));
  const uint64_t offset = state.offset + state.progress;
  if (state.op == BlockOp::kRead) return ring_->Read(fd, iov.data(), count, offset, &request);
  ring_->Write(fd, iov.data(), count, offset, state.fua, &request);
}

void BlockQueue::RingEnded(BlockRequest& request, int result) {
  BlockRequest::State& state = request.state;
  FileNode& file = *state.file;
  if (result == -EINTR) return Issue(request);
  if (result == -EAGAIN || result == -EOPNOTSUPP) return IssueToWorker(request);
  if (state.op == BlockOp::kFlush) {
    file.NoteFlush(result < 0 ? -result : 0);
    return End(request, result < 0 ? -result : 0);
  }
  if (result < 0) return End(request, -result);
  state.progress += static_cast<uint64_t>(result);
  if (state.progress >= request.bytes) return End(request, 0);
  // A read that stops short with O_DIRECT, off the alignment, has met the end of the file.
  const bool at_end = result == 0 || state.progress % file.request_alignment() != 0;
  if (!at_end) return Issue(request);
  if (state.op == BlockOp::kWrite) {
    return result == 0 ? End(request, ENOSPC) : IssueToWorker(request);
  }
  Zero(Rest(request.iov, state.progress));
  End(request, 0);
}

void BlockQueue::IssueToWorker(BlockRequest& request) {
  // Without a way to be told (the process is out of descriptors), slow is better than stuck.
  if (!event_watch_) return End(request, Execute(request));
  workers_.Post([this, &request] { WorkerEnded(request, Execute(request)); });
}

void BlockQueue::WorkerEnded(BlockRequest& request, int error) {
  request.state.error = error;
  // The lock is held over the write, since the queue may go once the request is reaped.
  std::lock_guard lock(mutex_);
  worker_ended_.push_back(&request);
  if (worker_ended_.size() == 1) (void)eventfd_write(event_.get(), 1);
}

void BlockQueue::IssueToNull(BlockRequest& request) {
  NullNode& null = *request.state.null;
  if (request.op == BlockOp::kRead && null.read_zeroes()) Zero(request.iov);
  if (null.latency_ns() == 0) return End(request, 0);
  timers_[&request] =
      loop_.At(loop_.Now() + std::chrono::nanoseconds(null.latency_ns()), [this, &request] {
        const auto timer = timers_.extract(&request);  // kept until this has run
        End(request, 0);
        ready_();
      });
}

void BlockQueue::End(BlockRequest& request, int error) {
  request.state.error = error;
  ended_.push_back(&request);
}

// From another thread the destructor waits for what is posted; on the loop's thread it takes
// alive_.
void BlockQueue::PostReady() {
  if (!started_ || posted_.exchange(true)) return;
  loop_.Post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    posted_ = false;  // before it looks: what comes now is seen, or posts anew
    ready_();
  });
}

void BlockQueue::Kick() {
  if (!ring_) return;
  ring_->Submit();
  if (ring_->stuck()) PostReady();
}

void BlockQueue::Hurry() {
  for (const auto& [request, timer] : timers_) End(*request, 0);
  timers_.clear();
}

void BlockQueue::WaitSome() {
  // No descriptor tells of these: what has ended is Reap()'s, what waits for time is Hurry()'s.
  if (!ended_.empty() || !timers_.empty()) return;
  pollfd fds[] = {{.fd = event_.get(), .events = POLLIN, .revents = 0},
                  {.fd = ring_ ? ring_->fd() : -1, .events = POLLIN, .revents = 0}};
  const bool stuck = ring_ && ring_->stuck();  // Reap() tries again
  (void)poll(fds, 2, stuck ? 1 : -1);
  eventfd_t count;
  if (fds[0].revents & POLLIN) (void)eventfd_read(event_.get(), &count);
}

void BlockQueue::Reap() {
  if (ring_) {
    ring_->Reap(
        [this](void* user, int result) { RingEnded(*static_cast<BlockRequest*>(user), result); });
    while (!waiting_.empty() && !ring_->full()) {
      BlockRequest& request = *waiting_.front();
      waiting_.pop_front();
      IssueToRing(request);
    }
    Kick();
  }
  {
    std::lock_guard lock(mutex_);
    ended_.insert(ended_.end(), worker_ended_.begin(), worker_ended_.end());
    worker_ended_.clear();
  }
  // Only what has ended by now: done() may submit, and null requests end at once.
  std::vector<BlockRequest*> ended = std::exchange(ended_, std::move(spare_));
  const bool again = !ended.empty() && !blocked_.empty();
  for (BlockRequest* request : ended) {
    std::erase(writes_, request);
    --in_flight_;
    if (stats_ != nullptr && request->state.error == 0) {
      stats_->Done(request->op, request->bytes, request->started, loop_.Now());
    }
    const std::function<void(int)> done = std::move(request->done);
    done(request->state.error);
  }
  ended.clear();
  spare_ = std::move(ended);
  if (again) {
    IssueBlocked();
    Kick();
  }
  if (!ended_.empty()) PostReady();
}

}  // namespace davit::backend
