// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See chardev_params.h.
#include "daemon/options/chardev_params.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "daemon/options/table.h"
#include "daemon/options/values.h"

namespace davit::daemon {
namespace {

// One back end: its keys beside id and backend, and what they become.
struct BackendRow {
  std::string_view name;
  std::initializer_list<std::string_view> keys;
  Status (*fill)(const ParamList& list, backend::ChardevSpec& spec);
};

constexpr std::string_view kOfAll[] = {"id", "backend", "mux", "logfile", "logappend"};

std::optional<bool> OptionalBool(const ParamList& list, std::string_view key) {
  if (!list.Has(key)) return std::nullopt;
  return list.GetBool(key, false);
}

Result<decltype(backend::SocketSpec::address)> ParseAddress(const ParamList& list) {
  const std::string* path = list.Find("path");
  const std::string* host = list.Find("host");
  const std::string* fd = list.Find("fd");
  if ((path != nullptr) + (host != nullptr) + (fd != nullptr) > 1) {
    return Fail("None or one of 'path', 'fd' or 'host' option required.");
  }
  for (const char* key : {"port", "ipv4", "ipv6", "allow-remote", "delay", "nodelay"}) {
    if (host == nullptr && list.Has(key)) {
      return Fail(fmt::format("'{}' option is incompatible with a socket without 'host'", key));
    }
  }
  for (const char* key : {"abstract", "tight"}) {
    if (path == nullptr && list.Has(key)) {
      return Fail(fmt::format("'{}' option is incompatible with a socket without 'path'", key));
    }
  }
  if (path != nullptr) {
    if (path->empty()) return Fail("chardev: socket: no path given");
    return backend::UnixAddress{*path, list.GetBool("abstract", false),
                                list.GetBool("tight", true)};
  }
  if (host != nullptr) {
    if (list.Get("port").empty()) return Fail("chardev: socket: no port given");
    return backend::InetAddress{*host, list.Get("port"), OptionalBool(list, "ipv4"),
                                OptionalBool(list, "ipv6")};
  }
  if (fd == nullptr) return Fail("chardev: socket: no path, host or fd given");
  const Number number = ParseNumber(*fd);
  if (number.fault != NumberFault::kNone || number.value > INT32_MAX) {
    return Fail(fmt::format("Unable to parse FD number {}", *fd));
  }
  return backend::FdAddress{static_cast<int>(number.value)};
}

Status FillReconnect(const ParamList& list, backend::SocketSpec& socket) {
  if (!list.Has("reconnect")) return {};
  if (std::holds_alternative<backend::FdAddress>(socket.address)) {
    return Fail("'reconnect' option is incompatible with 'fd' address type");
  }
  if (socket.server) {
    return Fail("'reconnect' option is incompatible with socket in server listen mode");
  }
  const auto seconds = static_cast<int64_t>(list.GetNumber("reconnect").value_or(0));
  socket.reconnect = static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, INT32_MAX));
  return {};
}

Status FillSocket(const ParamList& list, backend::ChardevSpec& spec) {
  backend::SocketSpec socket;
  DAVIT_ASSIGN(socket.address, ParseAddress(list));
  socket.server = list.GetBool("server", false);
  if (!socket.server && list.Has("wait")) {
    return Fail("'wait' option is incompatible with socket in client connect mode");
  }
  socket.wait = list.GetBool("wait", true);
  DAVIT_TRY(FillReconnect(list, socket));
  if (list.Has("delay") && list.Has("nodelay")) {
    return Fail("'delay' and 'nodelay' are mutually exclusive");
  }
  socket.nodelay = list.GetBool("nodelay", !list.GetBool("delay", true));
  socket.allow_remote = list.GetBool("allow-remote", false);
  spec.backend = std::move(socket);
  return {};
}

Status FillFile(const ParamList& list, backend::ChardevSpec& spec) {
  const std::string path = list.Get("path");
  if (path.empty()) return Fail("chardev: file: no filename given");
  backend::FileSpec file{path, std::nullopt, list.GetBool("append", false)};
  if (const std::string* in = list.Find("in"); in != nullptr) file.in = *in;
  spec.backend = std::move(file);
  return {};
}

Status FillPipe(const ParamList& list, backend::ChardevSpec& spec) {
  const std::string path = list.Get("path");
  if (path.empty()) return Fail("chardev: pipe: no device path given");
  spec.backend = backend::PipeSpec{path};
  return {};
}

Status FillNull(const ParamList&, backend::ChardevSpec& spec) {
  spec.backend = backend::NullSpec{};
  return {};
}

Status FillPty(const ParamList&, backend::ChardevSpec& spec) {
  spec.backend = backend::PtySpec{};
  return {};
}

Status FillStdio(const ParamList& list, backend::ChardevSpec& spec) {
  spec.backend = backend::StdioSpec{list.GetBool("signal", true)};
  return {};
}

Status FillUdp(const ParamList& list, backend::ChardevSpec& spec) {
  backend::UdpSpec udp;
  udp.remote = {list.Get("host"), list.Get("port"), OptionalBool(list, "ipv4"),
                OptionalBool(list, "ipv6")};
  if (udp.remote.host.empty()) udp.remote.host = "localhost";
  if (udp.remote.port.empty()) return Fail("chardev: udp: remote port not specified");
  if (list.Has("localaddr") || list.Has("localport")) {
    udp.local = backend::InetAddress{list.Get("localaddr"), list.Get("localport"), {}, {}};
  }
  spec.backend = std::move(udp);
  return {};
}

Status FillRingbuf(const ParamList& list, backend::ChardevSpec& spec) {
  spec.backend = backend::RingbufSpec{list.GetSize("size").value_or(0)};
  return {};
}

Status FillMux(const ParamList& list, backend::ChardevSpec& spec) {
  const std::string base = list.Get("chardev");
  if (base.empty()) return Fail("chardev: mux: no chardev given");
  spec.backend = backend::MuxSpec{base};
  return {};
}

const BackendRow* FindBackend(std::string_view name) {
  static const BackendRow kRows[] = {
      {"file", {"path", "in", "append"}, FillFile},  // "in" is QMP's alone
      {"mux", {"chardev"}, FillMux},
      {"null", {}, FillNull},
      {"pipe", {"path"}, FillPipe},
      {"pty", {}, FillPty},
      {"ringbuf", {"size"}, FillRingbuf},
      {"socket",
       {"path", "abstract", "tight", "host", "port", "fd", "ipv4", "ipv6", "server", "wait",
        "delay", "nodelay", "reconnect", "allow-remote"},
       FillSocket},
      {"stdio", {"signal"}, FillStdio},
      {"udp", {"host", "port", "localaddr", "localport", "ipv4", "ipv6"}, FillUdp},
  };
  const auto it = std::find_if(std::begin(kRows), std::end(kRows),
                               [&](const BackendRow& row) { return row.name == name; });
  return it == std::end(kRows) ? nullptr : &*it;
}

// HOST:PORT of "tcp:" with an optional IPv6 address in brackets.
Status SplitHostPort(std::string_view text, const std::string& whole, ParamList& list) {
  const bool bracket = text.starts_with('[');
  const size_t colon = bracket ? text.find("]:") : text.rfind(':');
  if (colon == std::string_view::npos) return Fail(fmt::format("parse error: {}", whole));
  list.Add("host", std::string(bracket ? text.substr(1, colon - 1) : text.substr(0, colon)));
  list.Add("port", std::string(text.substr(colon + (bracket ? 2 : 1))));
  return {};
}

// "udp:[HOST]:PORT[@[LOCALADDR]:LOCALPORT]".
Status SplitUdp(std::string_view text, const std::string& whole, ParamList& list) {
  list.Add("backend", "udp");
  const size_t at = text.find('@');
  const std::string_view ends[] = {text.substr(0, at),
                                   at == std::string_view::npos ? "" : text.substr(at + 1)};
  const char* keys[][2] = {{"host", "port"}, {"localaddr", "localport"}};
  for (int i = 0; i < (at == std::string_view::npos ? 1 : 2); ++i) {
    const size_t colon = ends[i].rfind(':');
    if (colon == std::string_view::npos || colon + 1 == ends[i].size()) {
      return Fail(fmt::format("parse error: {}", whole));
    }
    list.Add(keys[i][0], std::string(ends[i].substr(0, colon)));
    list.Add(keys[i][1], std::string(ends[i].substr(colon + 1)));
  }
  return {};
}

}  // namespace

Result<ParamList> ParseShortChardev(const std::string& text, std::vector<std::string>* warnings) {
  ParamList list;
  for (const char* plain : {"null", "pty", "stdio"}) {
    if (text == plain) {
      list.Add("backend", text);
      return list;
    }
  }
  for (const char* kind : {"file", "pipe"}) {
    const std::string prefix = fmt::format("{}:", kind);
    if (!text.starts_with(prefix)) continue;
    list.Add("backend", kind);
    list.Add("path", text.substr(prefix.size()));
    return list;
  }
  if (text.starts_with("udp:")) {
    DAVIT_TRY(SplitUdp(text.substr(4), text, list));
    return list;
  }
  const bool is_unix = text.starts_with("unix:");
  if (!is_unix && !text.starts_with("tcp:")) {
    return Fail(fmt::format("'{}' is not a valid char driver", text));
  }
  ParamSchema schema = kChardevSchema;
  schema.implied = "address";
  DAVIT_ASSIGN(list, SplitParams(text.substr(is_unix ? 5 : 4), schema, warnings));
  const std::optional<std::string> address = list.Take("address");
  list.Add("backend", "socket");
  if (!is_unix) {
    DAVIT_TRY(SplitHostPort(address.value_or(""), text, list));
  } else if (address) {
    list.Add("path", *address);
  }  // else "unix:fd=N"
  DAVIT_TRY(CheckParams(list, kChardevSchema));
  return list;
}

Status CheckChardevId(const std::string& id) {
  if (IsWellFormedId(id)) return {};
  return Fail(
      "Parameter 'id' expects an identifier\n"
      "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
}

Result<std::vector<backend::ChardevSpec>> ToChardevSpecs(const std::string& id,
                                                         const ParamList& list) {
  const std::string name = list.Get("backend");
  if (name.empty()) return Fail(fmt::format("chardev: \"{}\" missing backend", id));
  const BackendRow* row = FindBackend(name);
  if (row == nullptr) return Fail(fmt::format("'{}' is not a valid char driver name", name));
  for (const ParamList::Entry& entry : list.entries()) {
    const auto has = [&entry](const auto& keys) {
      return std::find(std::begin(keys), std::end(keys), entry.first) != std::end(keys);
    };
    if (!has(kOfAll) && !has(row->keys)) {
      return Fail(fmt::format("Invalid parameter '{}'", entry.first));
    }
  }
  std::vector<backend::ChardevSpec> specs(1);
  DAVIT_TRY(row->fill(list, specs[0]));
  specs[0].id = id;
  specs[0].logfile = list.Get("logfile");
  specs[0].logappend = list.GetBool("logappend", false);
  if (specs[0].logfile.empty() && (list.Has("logfile") || list.Has("logappend"))) {
    return Fail(fmt::format("chardev: {}: no logfile given", id));
  }
  if (list.GetBool("mux", false)) {
    specs[0].id = id + "-base";
    specs.push_back({id, backend::MuxSpec{specs[0].id}});
  }
  return specs;
}

}  // namespace davit::daemon
