// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See kernel.h.
#include "vmm/virtio/vhost/kernel.h"

#define VIRTIO_RING_NO_LEGACY  // what linux/virtio_ring.h then has more is no C++
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/vhost.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

namespace davit::virtio::vhost {
namespace {

class RealKernel final : public Kernel {
 public:
  explicit RealKernel(UniqueFd fd) : fd_(std::move(fd)) {}

  Status SetOwner() override { return Call(VHOST_SET_OWNER, nullptr, "vhost_set_owner"); }

  Result<uint64_t> Features() override {
    uint64_t features = 0;
    DAVIT_TRY(Call(VHOST_GET_FEATURES, &features, "vhost_get_features"));
    return features;
  }

  Status SetFeatures(uint64_t features) override {
    return Call(VHOST_SET_FEATURES, &features, "vhost_set_features");
  }

  Status SetMemory(std::span<const MemoryRange> ranges) override {
    // The header, then one region after the other.
    std::vector<std::byte> table(sizeof(vhost_memory) +
                                 ranges.size() * sizeof(vhost_memory_region));
    const auto count = static_cast<uint32_t>(ranges.size());
    std::memcpy(table.data() + offsetof(vhost_memory, nregions), &count, sizeof(count));
    for (size_t i = 0; i < ranges.size(); ++i) {
      vhost_memory_region region{};
      region.guest_phys_addr = ranges[i].guest;
      region.memory_size = ranges[i].size;
      region.userspace_addr = ranges[i].host;
      std::memcpy(table.data() + sizeof(vhost_memory) + i * sizeof(region), &region,
                  sizeof(region));
    }
    Status set = Call(VHOST_SET_MEM_TABLE, table.data(), "vhost_set_mem_table");
    // More ranges than its parameter max_mem_regions.
    if (!set && errno == E2BIG) return Fail("a used vhost backend has no free memory slots left");
    return set;
  }

  Status SetRing(uint32_t ring, const RingSetup& setup) override {
    vhost_vring_state state{ring, setup.size};
    DAVIT_TRY(Call(VHOST_SET_VRING_NUM, &state, "vhost_set_vring_num"));
    state.num = setup.base;
    DAVIT_TRY(Call(VHOST_SET_VRING_BASE, &state, "vhost_set_vring_base"));
    vhost_vring_addr addresses{};
    addresses.index = ring;
    addresses.desc_user_addr = setup.descriptors;
    addresses.avail_user_addr = setup.available;
    addresses.used_user_addr = setup.used;
    DAVIT_TRY(Call(VHOST_SET_VRING_ADDR, &addresses, "vhost_set_vring_addr"));
    return SetEventfds(ring, setup.kick, setup.call);
  }

  Result<uint16_t> StopRing(uint32_t ring) override {
    DAVIT_TRY(SetEventfds(ring, VHOST_FILE_UNBIND, VHOST_FILE_UNBIND));
    vhost_vring_state state{ring, 0};
    DAVIT_TRY(Call(VHOST_GET_VRING_BASE, &state, "vhost_get_vring_base"));
    return static_cast<uint16_t>(state.num);
  }

  Status SetGuestCid(uint64_t cid) override {
    return Call(VHOST_VSOCK_SET_GUEST_CID, &cid, "vhost_vsock_set_guest_cid");
  }

  Status SetVsockRunning(bool running) override {
    int on = running ? 1 : 0;
    return Call(VHOST_VSOCK_SET_RUNNING, &on, "vhost_vsock_set_running");
  }

  Status SetNetBackend(uint32_t ring, int fd) override {
    vhost_vring_file file{ring, fd};
    return Call(VHOST_NET_SET_BACKEND, &file, "vhost_net_set_backend");
  }

 private:
  Status Call(unsigned long request, void* argument, const char* name) const {
    if (ioctl(fd_.get(), request, argument) < 0) return FailErrno(fmt::format("{} failed", name));
    return {};
  }
  Status SetEventfds(uint32_t ring, int kick, int call) const {
    vhost_vring_file file{ring, call};
    DAVIT_TRY(Call(VHOST_SET_VRING_CALL, &file, "vhost_set_vring_call"));
    file.fd = kick;
    return Call(VHOST_SET_VRING_KICK, &file, "vhost_set_vring_kick");
  }

  const UniqueFd fd_;
};

}  // namespace

Status CheckDevice(int fd) {
  uint64_t features = 0;
  if (ioctl(fd, VHOST_GET_FEATURES, &features) == 0) return {};
  return FailErrno(fmt::format("file descriptor {} is not a vhost device", fd));
}

std::unique_ptr<Kernel> MakeKernel(UniqueFd fd) {
  return std::make_unique<RealKernel>(std::move(fd));
}

Result<UniqueFd> OpenDevice(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return Fail(std::strerror(errno));
  return fd;
}

}  // namespace davit::virtio::vhost
