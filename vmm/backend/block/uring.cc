// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See uring.h.
#include "vmm/backend/block/uring.h"

#include <liburing.h>

#include "vmm/base/check.h"

namespace davit::backend {

struct Uring::Ring {
  io_uring ring;
};

Uring::Uring(std::unique_ptr<Ring> ring) : ring_(std::move(ring)) {}
Uring::~Uring() { io_uring_queue_exit(&ring_->ring); }

Result<std::unique_ptr<Uring>> Uring::Create() {
  auto ring = std::make_unique<Ring>();
  const int result = io_uring_queue_init(kEntries, &ring->ring, 0);
  if (result < 0) return FailErrno("failed to init linux io_uring ring", -result);
  io_uring_ring_dontfork(&ring->ring);
  return std::unique_ptr<Uring>(new Uring(std::move(ring)));
}

Status Uring::Available() {
  static const Status status = []() -> Status {
    auto ring = Create();
    if (!ring) return Fail(ring.error());
    return {};
  }();
  return status;
}

int Uring::fd() const { return ring_->ring.ring_fd; }

bool Uring::ready() const { return io_uring_cq_ready(&ring_->ring) != 0; }

namespace {

// The submission queue is as long as the ring, so there is room whenever the ring is not full.
io_uring_sqe* Entry(io_uring& ring, unsigned& under_way, unsigned& queued) {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring);
  DAVIT_CHECK(sqe != nullptr);
  ++under_way;
  ++queued;
  return sqe;
}

}  // namespace

void Uring::Read(int fd, const iovec* iov, unsigned count, uint64_t offset, void* user) {
  io_uring_sqe* sqe = Entry(ring_->ring, under_way_, queued_);
  // One buffer needs no import of an iovec array.
  if (count == 1) {
    io_uring_prep_read(sqe, fd, iov->iov_base, static_cast<unsigned>(iov->iov_len), offset);
  } else {
    io_uring_prep_readv(sqe, fd, iov, count, offset);
  }
  io_uring_sqe_set_data(sqe, user);
}

void Uring::Write(int fd, const iovec* iov, unsigned count, uint64_t offset, bool fua, void* user) {
  io_uring_sqe* sqe = Entry(ring_->ring, under_way_, queued_);
  if (count == 1) {
    io_uring_prep_write(sqe, fd, iov->iov_base, static_cast<unsigned>(iov->iov_len), offset);
  } else {
    io_uring_prep_writev(sqe, fd, iov, count, offset);
  }
  if (fua) sqe->rw_flags = RWF_DSYNC;
  io_uring_sqe_set_data(sqe, user);
}

void Uring::Flush(int fd, void* user) {
  io_uring_sqe* sqe = Entry(ring_->ring, under_way_, queued_);
  io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
  io_uring_sqe_set_data(sqe, user);
}

void Uring::Submit() {
  while (queued_ != 0) {
    const int result = io_uring_submit(&ring_->ring);
    if (result == -EINTR) continue;
    // Out of memory or of completion slots: what is under way makes room, then Reap() submits;
    // when nothing is, the caller does (stuck()).
    if (result <= 0) return;
    queued_ -= static_cast<unsigned>(result);
  }
}

void Uring::Reap(const std::function<void(void* user, int result)>& ended) {
  io_uring_cqe* cqe;
  while (io_uring_peek_cqe(&ring_->ring, &cqe) == 0 && cqe != nullptr) {
    void* const user = io_uring_cqe_get_data(cqe);
    const int result = cqe->res;
    io_uring_cqe_seen(&ring_->ring, cqe);
    --under_way_;
    ended(user, result);
  }
  if (queued_ != 0) Submit();
}

}  // namespace davit::backend
