// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See chardev_params.h.
#include "qmp/handlers/chardev_params.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include "schema/qapi/codecs.h"

namespace davit::qmp {
namespace {

class Builder {
 public:
  Builder(control::ChardevParams& params, qapi::NamedFds& fds) : params_(params), fds_(fds) {}

  Status Build(const qapi::ChardevBackend& backend) {
    return std::visit([this](const auto& u) { return BuildOne(u); }, backend.u);
  }

 private:
  Status BuildOne(const std::monostate&) { return {}; }
  template <typename Wrapper>
  Status BuildOne(const Wrapper& wrapper) {
    Add("logfile", wrapper.data.logfile);
    Add("logappend", wrapper.data.logappend);
    return (*this)(wrapper);
  }

  Status operator()(const qapi::ChardevCommonWrapper&) { return {}; }
  Status operator()(const qapi::ChardevFileWrapper& file) {
    Add("path", file.data.out);
    Add("in", file.data.in);
    Add("append", file.data.append);
    return {};
  }
  Status operator()(const qapi::ChardevHostdevWrapper& pipe) {
    Add("path", pipe.data.device);
    return {};
  }
  Status operator()(const qapi::ChardevMuxWrapper& mux) {
    Add("chardev", mux.data.chardev);
    return {};
  }
  Status operator()(const qapi::ChardevStdioWrapper& stdio) {
    Add("signal", stdio.data.signal);
    return {};
  }
  Status operator()(const qapi::ChardevRingbufWrapper& ring) {
    if (!ring.data.size) return {};
    if (*ring.data.size < 0) return Fail("size of ringbuf chardev must be power of two");
    Add("size", std::to_string(*ring.data.size));
    return {};
  }
  Status operator()(const qapi::ChardevSocketWrapper& socket) {
    const qapi::ChardevSocket& data = socket.data;
    const bool server = data.server.value_or(true);
    Add("server", server);
    // Not the default of -chardev.
    if (server) {
      Add("wait", data.wait.value_or(false));
    } else {
      Add("wait", data.wait);
    }
    Add("nodelay", data.nodelay);
    if (data.reconnect.value_or(0) > 0) Add("reconnect", std::to_string(*data.reconnect));
    return AddAddress(data.addr);
  }
  Status operator()(const qapi::ChardevUdpWrapper& udp) {
    DAVIT_ASSIGN(const qapi::InetSocketAddress* remote, Datagram(udp.data.remote));
    AddInet(*remote);
    if (!udp.data.local) return {};
    DAVIT_ASSIGN(const qapi::InetSocketAddress* local, Datagram(*udp.data.local));
    Add("localaddr", local->host);
    Add("localport", local->port);
    return {};
  }

  void Add(const char* key, const std::string& value) { params_.values.emplace_back(key, value); }
  void Add(const char* key, const std::optional<std::string>& value) {
    if (value) Add(key, *value);
  }
  void Add(const char* key, std::optional<bool> value) {
    if (value) Add(key, std::string(*value ? "on" : "off"));
  }

  void AddInet(const qapi::InetSocketAddress& inet) {
    Add("host", inet.host);
    Add("port", inet.port);
    Add("ipv4", inet.ipv4);
    Add("ipv6", inet.ipv6);
  }

  Status AddAddress(const qapi::SocketAddressLegacy& address) {
    if (const auto* inet = std::get_if<qapi::InetSocketAddressWrapper>(&address.u)) {
      AddInet(inet->data);
    } else if (const auto* unix = std::get_if<qapi::UnixSocketAddressWrapper>(&address.u)) {
      Add("path", unix->data.path);
      Add("abstract", unix->data.abstract);
      Add("tight", unix->data.tight);
    } else {
      const std::string& name = std::get<qapi::StringWrapper>(address.u).data.str;
      int number = -1;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
      if (error != std::errc() || end != name.data() + name.size()) {
        DAVIT_ASSIGN(params_.fd, fds_.Take(name));
        number = params_.fd.get();
      }
      Add("fd", std::to_string(number));
    }
    return {};
  }

  Result<const qapi::InetSocketAddress*> Datagram(const qapi::SocketAddressLegacy& address) {
    const auto* inet = std::get_if<qapi::InetSocketAddressWrapper>(&address.u);
    if (inet == nullptr) return Fail("socket type unsupported for datagram");
    return &inet->data;
  }

  control::ChardevParams& params_;
  qapi::NamedFds& fds_;
};

}  // namespace

Result<control::ChardevParams> ToChardevParams(const qapi::ChardevBackend& backend,
                                               qapi::NamedFds& fds) {
  control::ChardevParams params;
  params.backend = qapi::ToString(backend.type);
  DAVIT_TRY(Builder(params, fds).Build(backend));
  return params;
}

}  // namespace davit::qmp
