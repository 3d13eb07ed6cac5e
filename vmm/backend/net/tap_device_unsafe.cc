// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See tap_device.h.
#include "vmm/backend/net/tap_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cstring>
#include <utility>

namespace davit::backend {
namespace {

constexpr char kTunDevice[] = "/dev/net/tun";

Status SetHeaderSize(int fd) {
  const int size = kVnetHeaderSize;
  if (ioctl(fd, TUNSETVNETHDRSZ, &size) != 0) return FailErrno("TUNSETVNETHDRSZ ioctl() failed");
  return {};
}

Status SetNonblocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return FailErrno("fcntl");
  return {};
}

}  // namespace

Result<TapDevice> OpenTap(const std::string& name, unsigned queues, bool vnet_header) {
  if (name.size() >= IFNAMSIZ) {
    return Fail(fmt::format("network interface name '{}' is longer than {} characters", name,
                            IFNAMSIZ - 1));
  }
  TapDevice device;
  device.name = name.empty() ? "tap%d" : name;
  device.vnet_header = vnet_header;
  for (unsigned i = 0; i < queues; ++i) {
    UniqueFd fd(open(kTunDevice, O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return FailErrno(fmt::format("could not open {}", kTunDevice));
    ifreq request{};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (vnet_header) request.ifr_flags |= IFF_VNET_HDR;
    if (queues > 1) request.ifr_flags |= IFF_MULTI_QUEUE;
    std::memcpy(request.ifr_name, device.name.c_str(), device.name.size() + 1);
    if (ioctl(fd.get(), TUNSETIFF, &request) != 0) {
      return FailErrno(fmt::format("could not configure {} ({})", kTunDevice, device.name));
    }
    device.name.assign(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
    if (vnet_header) DAVIT_TRY(SetHeaderSize(fd.get()));
    device.queues.push_back(std::move(fd));
  }
  return device;
}

Status CheckTap(int fd) {
  ifreq request{};
  if (ioctl(fd, TUNGETIFF, &request) == 0) return {};
  return FailErrno(fmt::format("Unable to query TUNGETIFF on FD {}", fd));
}

Status SetTapSendBuffer(int fd, int bytes) {
  if (ioctl(fd, TUNSETSNDBUF, &bytes) == 0) return {};
  return FailErrno("TUNSETSNDBUF ioctl failed");
}

Result<TapDevice> AdoptTap(std::vector<UniqueFd> fds, bool vnet_header) {
  TapDevice device;
  for (size_t i = 0; i < fds.size(); ++i) {
    ifreq request{};
    if (ioctl(fds[i].get(), TUNGETIFF, &request) != 0) {
      return FailErrno(fmt::format("Unable to query TUNGETIFF on FD {}", fds[i].get()));
    }
    const bool has = (request.ifr_flags & IFF_VNET_HDR) != 0;
    if (i != 0 && has != device.vnet_header) {
      return Fail("vnet_hdr not consistent across given tap fds");
    }
    device.vnet_header = has;
    if (vnet_header && !has) return Fail("vnet_hdr=1 requested, but no kernel support for it");
    device.name.assign(request.ifr_name, strnlen(request.ifr_name, IFNAMSIZ));
    if (has) DAVIT_TRY(SetHeaderSize(fds[i].get()));
    DAVIT_TRY(SetNonblocking(fds[i].get()));
  }
  device.queues = std::move(fds);
  return device;
}

Status SetTapOffloads(int fd, const ReceiveOffloads& offloads) {
  unsigned flags = 0;
  if (offloads.checksum) {
    flags |= TUN_F_CSUM;
    if (offloads.tso4) flags |= TUN_F_TSO4;
    if (offloads.tso6) flags |= TUN_F_TSO6;
    if ((offloads.tso4 || offloads.tso6) && offloads.ecn) flags |= TUN_F_TSO_ECN;
    if (offloads.ufo) flags |= TUN_F_UFO;
  }
  if (ioctl(fd, TUNSETOFFLOAD, flags) == 0) return {};
  // Kernels from 4.14 to 6.1 know no UFO.
  if ((flags & TUN_F_UFO) != 0 && ioctl(fd, TUNSETOFFLOAD, flags & ~TUN_F_UFO) == 0) return {};
  return FailErrno("TUNSETOFFLOAD ioctl() failed");
}

Status EnableTapQueue(int fd, bool on) {
  ifreq request{};
  request.ifr_flags = static_cast<short>(on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE);
  // Attached already, or detached: EINVAL either way, and no harm.
  if (ioctl(fd, TUNSETQUEUE, &request) == 0 || errno == EINVAL) return {};
  return FailErrno("TUNSETQUEUE ioctl() failed");
}

}  // namespace davit::backend
