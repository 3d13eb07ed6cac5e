// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// vhost-vsock.
#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include "vmm/base/unique_fd.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/virtio/vsock/vsock.h"

namespace davit::machine {
namespace {

constexpr char kDevice[] = "/dev/vhost-vsock";

// vhostfd=: a descriptor that this process inherited, which is the device's from now on.
Result<UniqueFd> Inherited(const std::string& text) {
  int number = -1;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < 0) {
    return Fail(fmt::format(
        "vhost-vsock: unable to parse vhostfd: Invalid file descriptor number '{}'", text));
  }
  const int flags = fcntl(number, F_GETFL);
  if (flags < 0 || fcntl(number, F_SETFL, flags | O_NONBLOCK) < 0) {
    return FailErrno("vhost-vsock: unable to set non-blocking mode");
  }
  return UniqueFd(number);
}

Result<UniqueFd> Descriptor(const std::string& vhostfd) {
  if (!vhostfd.empty()) return Inherited(vhostfd);
  auto opened = virtio::vhost::OpenDevice(kDevice);
  if (!opened) {
    return Fail(
        fmt::format("vhost-vsock: failed to open vhost device: {}", opened.error().message));
  }
  return opened;
}

}  // namespace

MadeVirtio MakeVsock(DeviceContext&, const DeviceProperties& props) {
  virtio::VsockConfig config{.guest_cid = props.Uint("guest-cid")};
  if (const std::string text = props.Text("seqpacket"); text != "auto") {
    config.seqpacket = text == "on" ? virtio::Seqpacket::kOn : virtio::Seqpacket::kOff;
  }
  // Before the descriptor, as in QEMU.
  DAVIT_TRY(virtio::Vsock::Check(config));
  DAVIT_ASSIGN(UniqueFd fd, Descriptor(props.Text("vhostfd")));
  DAVIT_ASSIGN(auto device,
               virtio::Vsock::Create(config, virtio::vhost::MakeKernel(std::move(fd))));
  return device;
}

}  // namespace davit::machine
