// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernel's tap device (Linux Documentation/networking/tuntap.rst): one descriptor a queue,
// whole frames by read and write, each behind a virtio_net_hdr_v1. The calls here are ioctls, on
// any thread.
#pragma once

#include <string>
#include <vector>

#include "vmm/backend/net/net_backend.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

struct TapDevice {
  std::string name;  // of the interface
  std::vector<UniqueFd> queues;
  bool vnet_header = false;
};

// Makes the interface, or opens the one of this name (empty: the kernel chooses "tapN").
// Error: no permission, no such device, it is not multi-queue, or in use.
Result<TapDevice> OpenTap(const std::string& name, unsigned queues, bool vnet_header);

// Error: the descriptor is not that of a tap interface.
Status CheckTap(int fd);
// Descriptors that somebody else opened (fd=, fds=). Takes them over. vnet_header: wanted.
// Error: not a tap, or the queues differ in their headers.
Result<TapDevice> AdoptTap(std::vector<UniqueFd> fds, bool vnet_header);

// The limit of bytes that are on their way (sndbuf=). Error: the kernel refuses it.
Status SetTapSendBuffer(int fd, int bytes);

// What the kernel may hand out.
Status SetTapOffloads(int fd, const ReceiveOffloads& offloads);
Status EnableTapQueue(int fd, bool on);

}  // namespace davit::backend
