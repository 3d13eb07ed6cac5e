// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Received frames on their way to the driver of one receive queue (virtio 1.2, 5.1.6.3, 5.1.6.4).
// A frame goes from the back end straight into the driver's buffers, as many as the last frames
// needed. Only its first bytes, which the device looks at, and what is longer than those buffers
// come into memory of our own; a frame of which there is such a rest is copied, and held until
// there are buffers for all of it.
//
// One frame: Prepare(), NetBackend::Receive(), Arrived(), then Deliver() or Drop(). After the last
// one of a burst EndBurst(), before the lock is let go. Owner: the device's lock.
//
// What a frame costs is the driver's choice: buffers may have 1024 descriptors each. The list of
// those that a frame goes straight into is of one system call's length, and is made anew only when
// a frame has filled some of them.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/virtio/core/queue.h"
#include "vmm/virtio/net/wire.h"

namespace davit::virtio::net {

class Receiver {
 public:
  // merge: the driver takes a frame in several buffers. headers: the back end's frames have them,
  // else each gets an empty one. Forgets what was held.
  void Configure(bool merge, bool headers);

  // A frame waits for buffers: Deliver() it before the next Prepare().
  bool holds() const { return held_ != 0; }

  // Where the next frame goes, for NetBackend::Receive(); good until the next call. use_buffers:
  // take some off the queue, else the frame comes into our memory only (it will be dropped).
  // Error: the driver broke the rules (the device goes NEEDS_RESET).
  Result<std::span<const iovec>> Prepare(VirtQueue& queue, const memory::GuestMemory& memory,
                                         bool use_buffers);
  // So many bytes came, more than none. The start of the Ethernet frame, long enough for RxFilter;
  // empty: there is no more than a header, it is nothing.
  std::span<const std::byte> Arrived(size_t bytes);
  void Drop() { held_ = 0; }

  enum class Delivery : uint8_t {
    kDone,       // the driver has it, or it is lost: too long for a buffer or for kMaxBuffers
    kNoBuffers,  // not enough of them; it is held, and the queue asks for a kick
  };
  // Error: as Prepare().
  Result<Delivery> Deliver(VirtQueue& queue);
  // Descriptors that this burst went through, to end it by.
  size_t work() const { return work_; }
  // Gives back the buffers that no frame went into.
  void EndBurst(VirtQueue& queue);

 private:
  static constexpr size_t kHead = sizeof(Header) + 18;  // with a VLAN tag
  // The most buffers that a frame is spread over: it fits in as many of the smallest sensible size.
  static constexpr size_t kMaxBuffers = 64;

  Status TakeBuffers(VirtQueue& queue);
  Status Borrow(const memory::GuestMemory& memory, bool use_buffers);
  void PutBack(VirtQueue& queue);
  bool InPlace() const { return held_ <= room_ && held_ <= kHead + direct_; }
  Status Finish(VirtQueue& queue);  // what is in place
  void Gather();                    // the whole frame into frame_
  // From frame_. Fill() leaves in `used` what the driver does not get.
  Result<Delivery> Copy(VirtQueue& queue);
  Result<Delivery> Fill(VirtQueue& queue, std::vector<VirtQueue::Completed>& used);

  bool merge_ = false, headers_ = false;
  size_t expected_ = 0;  // bytes of a frame for the driver: what room is made for
  size_t work_ = 0;
  std::vector<VirtQueue::Completed> stock_;  // buffers taken off the queue, in order
  uint64_t room_ = 0;                        // bytes of those that a frame may fill
  size_t crumbs_ = 0;                        // descriptors of those
  uint64_t direct_ = 0;                      // bytes of theirs in io_
  std::optional<memory::BorrowedIo> io_;     // from Prepare() to the end of the burst
  bool listed_ = false;                      // io_ is of stock_ as it is
  std::vector<iovec> pieces_;                // room for the next io_
  // A frame as it would be in one piece, but for what went into buffers.
  std::vector<std::byte> frame_;
  size_t held_ = 0;  // bytes of the frame that arrived, with its header
};

}  // namespace davit::virtio::net
