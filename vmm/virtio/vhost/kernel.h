// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One descriptor of /dev/vhost-*, call by call (linux/vhost.h): the kernel serves the rings of a
// virtio device in place of this process. Who needs more than single calls uses Rings (rings.h).
// The fake for tests is fake.h. Calls from one thread at a time: the device's lock; none blocks for
// longer than the kernel takes to finish a request. Errors: "CALL failed: cause".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::virtio::vhost {

// Guest RAM as this process has it mapped. Bytes; multiples of the page size.
struct MemoryRange {
  uint64_t guest = 0;  // guest physical address
  uint64_t size = 0;
  uint64_t host = 0;  // address in this process
  friend bool operator==(const MemoryRange&, const MemoryRange&) = default;
};

struct RingSetup {
  uint16_t size = 0;  // descriptors
  uint16_t base = 0;  // available index to go on from
  // Addresses in this process.
  uint64_t descriptors = 0, available = 0, used = 0;
  int kick = -1;  // eventfd: there are requests. A signal from before counts.
  int call = -1;  // eventfd: requests have been given back
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // First: the memory in later calls is this process's.
  virtual Status SetOwner() = 0;
  virtual Result<uint64_t> Features() = 0;
  virtual Status SetFeatures(uint64_t features) = 0;
  // Also while rings are served. Error, with the old memory in place: more ranges than the kernel
  // takes ("a used vhost backend has no free memory slots left").
  virtual Status SetMemory(std::span<const MemoryRange> ranges) = 0;
  // All of a ring. Only while the device's back end is off.
  virtual Status SetRing(uint32_t ring, const RingSetup& setup) = 0;
  // Lets go of both eventfds; the available index that was reached.
  virtual Result<uint16_t> StopRing(uint32_t ring) = 0;

  // --- /dev/vhost-vsock: its back end ---
  virtual Status SetGuestCid(uint64_t cid) = 0;
  // Off: the kernel touches neither rings nor guest memory when this returns.
  virtual Status SetVsockRunning(bool running) = 0;

  // --- /dev/vhost-net: the back end of each ring ---
  // A tap queue's descriptor; -1: off, and the kernel touches neither ring nor guest memory when
  // this returns. On: the ring has been set up.
  virtual Status SetNetBackend(uint32_t ring, int fd) = 0;
};

// Error: not a vhost device; names the descriptor.
Status CheckDevice(int fd);
// On a descriptor of one.
std::unique_ptr<Kernel> MakeKernel(UniqueFd fd);
// path: "/dev/vhost-vsock". Error: the cause alone.
Result<UniqueFd> OpenDevice(const std::string& path);

}  // namespace davit::virtio::vhost
