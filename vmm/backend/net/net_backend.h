// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The host end of a network card (-netdev): a tap device, a user-mode stack, a socket. Frames are
// whole Ethernet frames; where the back end takes offload headers, each is preceded by a
// virtio_net_hdr_v1 (virtio 1.2, 5.1.6), which the kernel's tap speaks too.
//
// Owner: the loop given to Attach() (the device's), for every call but the constructor, name() and
// queues(). Nothing blocks. A NIC is the one client.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>

#include "vmm/base/error.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

inline constexpr size_t kVnetHeaderSize = 12;  // virtio_net_hdr_v1
// The largest frame: 64 KiB of segmented TCP, Ethernet header with a VLAN tag.
inline constexpr size_t kMaxFrame = 65536 + 18;

// What the NIC's driver can take in a received frame; a back end without headers has none of it.
struct ReceiveOffloads {
  bool checksum = false;  // a partial checksum
  bool tso4 = false, tso6 = false, ecn = false, ufo = false;
  friend bool operator==(const ReceiveOffloads&, const ReceiveOffloads&) = default;
};

// A frame that is in memory into the pieces of Receive(), as far as they go. The bytes copied.
inline size_t Scatter(std::span<const std::byte> frame, std::span<const iovec> out) {
  size_t done = 0;
  for (const iovec& piece : out) {
    const size_t n = std::min(piece.iov_len, frame.size() - done);
    if (n != 0) std::memcpy(piece.iov_base, frame.data() + done, n);
    done += n;
  }
  return done;
}

// The NIC, as the back end sees it. Loop thread.
class NetClient {
 public:
  virtual ~NetClient() = default;
  // Frames can be received from this queue. Called again whenever there are some, until the client
  // has called StopReceiving().
  virtual void OnReceivable(unsigned queue) = 0;
  // There is room again after Send() answered kFull.
  virtual void OnSendable(unsigned queue) = 0;
  // The peer went or came (socket back ends).
  virtual void OnLink(bool up) = 0;
};

enum class SendResult : uint8_t {
  kSent,  // or lost: as on a wire
  kFull,  // nothing was taken; OnSendable() follows
};

class NetBackend {
 public:
  virtual ~NetBackend() = default;
  virtual const std::string& id() const = 0;
  virtual const char* type() const = 0;  // "tap", "user", ...: QAPI NetClientDriver
  // As "info network" prints it behind the type.
  virtual std::string info() const = 0;
  virtual unsigned queues() const { return 1; }

  // The descriptor of a queue that the host's kernel can serve by itself (vhost-net); -1: none.
  virtual int kernel_queue(unsigned queue) const {
    (void)queue;
    return -1;
  }
  // A peer is there. As it is when a client attaches; OnLink() tells of changes.
  virtual bool connected() const { return true; }

  // One client; nullptr detaches, after which nothing is called. Error: in use, no descriptors.
  virtual Status Attach(NetClient* client, io::EventLoop& loop) = 0;

  // Frames carry headers in both directions.
  virtual bool has_vnet_header() const { return false; }
  virtual Status SetReceiveOffloads(const ReceiveOffloads& offloads) {
    (void)offloads;
    return {};
  }
  // Queues 0..n-1 are in use.
  virtual Status SetActiveQueues(unsigned n) {
    (void)n;
    return {};
  }

  // One frame (header first, where has_vnet_header()).
  virtual SendResult Send(unsigned queue, std::span<const iovec> frame) = 0;
  // One frame into `out`, at most IOV_MAX pieces of at least kVnetHeaderSize + kMaxFrame bytes
  // together. Its size; 0: there is none now. The pieces may be guest memory.
  virtual size_t Receive(unsigned queue, std::span<const iovec> out) = 0;
  // The client has no room: OnReceivable() is not called for this queue before StartReceiving().
  // At first, receiving is stopped.
  virtual void StopReceiving(unsigned queue) = 0;
  virtual void StartReceiving(unsigned queue) = 0;
};

}  // namespace davit::backend
