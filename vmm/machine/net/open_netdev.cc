// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See open_netdev.h. Here: the kinds, descriptors, and the user-mode stack.
#include "vmm/machine/net/open_netdev.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <charconv>

#include "vmm/backend/char/registry.h"
#include "vmm/backend/net/user.h"
#include "vmm/machine/net/openers.h"

namespace davit::machine {

namespace {

OpenedBackend OpenBackend(const NetdevContext& context, const control::NetdevSpec& spec,
                          const control::NamedFdSource& named_fds) {
  if (spec.type == "user") return OpenUserNetdev(context, spec);
  if (spec.type == "socket") return OpenSocketNetdev(context, spec, named_fds);
  if (spec.type == "stream") return OpenStreamNetdev(context, spec, named_fds);
  if (spec.type == "dgram") return OpenDgramNetdev(context, spec, named_fds);
  return Fail(fmt::format("network backend '{}' is not compiled into this binary", spec.type));
}

}  // namespace

Result<OpenedNetdev> OpenNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                                const control::NamedFdSource& named_fds) {
  if (spec.type == "tap") return OpenTapNetdev(spec, named_fds);
  DAVIT_ASSIGN(auto backend, OpenBackend(context, spec, named_fds));
  return OpenedNetdev{std::move(backend)};
}

Status CheckSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0) return {};
  return Fail("can't get socket option SO_TYPE");
}

Result<UniqueFd> TakeDescriptor(const std::string& netdev, const std::string& text,
                                const control::NamedFdSource& named_fds,
                                const std::function<Status(int fd)>& check) {
  UniqueFd fd;
  int number = -1;
  if (named_fds && (text.empty() || text[0] < '0' || text[0] > '9')) {
    DAVIT_ASSIGN(fd, named_fds(text));
    number = fd.get();
  } else {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || rest != end || number < 0) {
      return Fail(fmt::format("Invalid file descriptor number '{}'", text));
    }
    if (fcntl(number, F_GETFD) < 0) {
      return FailErrno(fmt::format("{}: Can't use file descriptor {}", netdev, number));
    }
  }
  if (check) DAVIT_TRY(check(number));
  if (!fd) fd = UniqueFd(number);
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  return fd;
}

OpenedBackend OpenUserNetdev(const NetdevContext& context, const control::NetdevSpec& spec) {
  const NetdevSpecReader reader(spec);
  backend::UserNetOptions options;
  options.hostname = reader.Text("hostname");
  options.restricted = reader.Bool("restrict").value_or(false);
  options.ipv4 = reader.Bool("ipv4");
  options.ipv6 = reader.Bool("ipv6");
  options.net = reader.Text("net");
  options.host = reader.Text("host");
  options.tftp = reader.Text("tftp");
  options.bootfile = reader.Text("bootfile");
  options.dhcpstart = reader.Text("dhcpstart");
  options.dns = reader.Text("dns");
  options.dnssearch = reader.List("dnssearch");
  options.domainname = reader.Text("domainname");
  options.ipv6_prefix = reader.Text("ipv6-prefix");
  options.ipv6_prefixlen = reader.Uint("ipv6-prefixlen");
  options.ipv6_host = reader.Text("ipv6-host");
  options.ipv6_dns = reader.Text("ipv6-dns");
  options.tftp_server_name = reader.Text("tftp-server-name");
  options.hostfwd = reader.List("hostfwd");
  options.guestfwd = reader.List("guestfwd");
  DAVIT_ASSIGN(const backend::UserNet net, backend::CheckUserNet(options));
  std::vector<backend::Chardev*> chardevs;
  for (const backend::GuestForward& forward : net.guest_forwards) {
    constexpr std::string_view kPrefix = "chardev:";
    backend::Chardev* chardev = nullptr;
    if (forward.command.empty()) {
      if (!forward.chardev.starts_with(kPrefix)) {
        return Fail(
            fmt::format("guest forwarding to '{}': only chardev:ID and cmd:COMMAND are "
                        "available",
                        forward.chardev));
      }
      const std::string id = forward.chardev.substr(kPrefix.size());
      if (context.chardevs != nullptr) chardev = context.chardevs->Find(id);
      if (chardev == nullptr) return Fail(fmt::format("chardev \"{}\" not found", id));
    }
    chardevs.push_back(chardev);
  }
  return backend::User::Create(spec.id, net, chardevs, context.loop);
}

}  // namespace davit::machine
