// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -chardev -serial -debugcon -mon -qmp -qtest -monitor: character devices and who uses them.
// -serial, -debugcon, -qmp and -qtest are short for a -chardev named serialN, debugcon,
// compat_monitorN or qtest, as in QEMU.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

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
  if (path != nullptr) {
    if (path->empty()) return Fail("chardev: socket: no path given");
    return backend::UnixAddress{*path};
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

Status FillSocket(const ParamList& list, backend::ChardevSpec& spec) {
  backend::SocketSpec socket;
  DAVIT_ASSIGN(socket.address, ParseAddress(list));
  socket.server = list.GetBool("server", false);
  if (!socket.server && list.Has("wait")) {
    return Fail("'wait' option is incompatible with socket in client connect mode");
  }
  socket.wait = list.GetBool("wait", true);
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
  spec.backend = backend::FileSpec{path, std::nullopt, list.GetBool("append", false)};
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

const BackendRow* FindBackend(std::string_view name) {
  static const BackendRow kRows[] = {
      {"file", {"path", "append"}, FillFile},
      {"null", {}, FillNull},
      {"pipe", {"path"}, FillPipe},
      {"pty", {}, FillPty},
      {"socket",
       {"path", "host", "port", "fd", "ipv4", "ipv6", "server", "wait", "delay", "nodelay",
        "allow-remote"},
       FillSocket},
      {"stdio", {"signal"}, FillStdio},
  };
  const auto it = std::find_if(std::begin(kRows), std::end(kRows),
                               [&](const BackendRow& row) { return row.name == name; });
  return it == std::end(kRows) ? nullptr : &*it;
}

Status AddChardev(ParseContext& context, const std::string& id, const ParamList& list) {
  const std::string name = list.Get("backend");
  if (name.empty()) return Fail(fmt::format("chardev: \"{}\" missing backend", id));
  const BackendRow* row = FindBackend(name);
  if (row == nullptr) return Fail(fmt::format("'{}' is not a valid char driver name", name));
  for (const auto& [key, value] : list.entries()) {
    if (key != "id" && key != "backend" &&
        std::find(row->keys.begin(), row->keys.end(), key) == row->keys.end()) {
      return Fail(fmt::format("Invalid parameter '{}'", key));
    }
  }
  auto& chardevs = context.options.chardevs;
  if (std::any_of(chardevs.begin(), chardevs.end(),
                  [&](const ChardevOption& other) { return other.spec.id == id; })) {
    return Fail(fmt::format("Duplicate ID '{}' for chardev", id));
  }
  ChardevOption chardev{context.where, {id, {}}};
  DAVIT_TRY(row->fill(list, chardev.spec));
  chardevs.push_back(std::move(chardev));
  return {};
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

// The old short form of -serial, -debugcon, -qmp and -qtest: "stdio", "file:PATH",
// "unix:PATH,server=on",
// ...
Result<ParamList> FromCompat(ParseContext& context, const std::string& text) {
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
  const bool is_unix = text.starts_with("unix:");
  if (!is_unix && !text.starts_with("tcp:")) {
    return Fail(fmt::format("'{}' is not a valid char driver", text));
  }
  ParamSchema schema = kChardevSchema;
  schema.implied = "address";
  std::vector<std::string> warnings;
  DAVIT_ASSIGN(list, SplitParams(text.substr(is_unix ? 5 : 4), schema, &warnings));
  for (const std::string& warning : warnings) {
    context.options.warnings.push_back(fmt::format("{}: {}", context.where, warning));
  }
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

Status AddQmp(ParseContext& context, const std::string& text, bool pretty) {
  const std::string id = fmt::format("compat_monitor{}", context.compat_monitors);
  context.monitor_given = true;
  std::string chardev = id;
  if (text.starts_with("chardev:")) {
    chardev = text.substr(8);
  } else {
    DAVIT_ASSIGN(const ParamList list, FromCompat(context, text));
    DAVIT_TRY(AddChardev(context, id, list));
    ++context.compat_monitors;
  }
  context.options.monitors.push_back({context.where, id, chardev, pretty});
  return {};
}

const ChardevOption* FindChardev(const Options& options, std::string_view id) {
  const auto it = std::find_if(options.chardevs.begin(), options.chardevs.end(),
                               [&](const ChardevOption& chardev) { return chardev.spec.id == id; });
  return it == options.chardevs.end() ? nullptr : &*it;
}

template <typename Spec>
bool Is(const ChardevOption& chardev) {
  return std::holds_alternative<Spec>(chardev.spec.backend);
}

Status CheckStdio(const Options& options) {
  const ChardevOption* first = nullptr;
  for (const ChardevOption& chardev : options.chardevs) {
    if (!Is<backend::StdioSpec>(chardev)) continue;
    if (options.daemonize) {
      return Fail(fmt::format("{}: cannot use stdio with -daemonize", chardev.where));
    }
    if (first != nullptr) {
      return Fail(fmt::format("{}: cannot use stdio by multiple character devices", chardev.where));
    }
    first = &chardev;
  }
  return {};
}

Status CheckMonitors(const Options& options) {
  const auto& serials = options.machine.serials;
  std::vector<std::string_view> used(serials.begin(), serials.end());
  for (const MonitorOption& monitor : options.monitors) {
    const ChardevOption* chardev = FindChardev(options, monitor.chardev);
    if (chardev == nullptr) {
      return Fail(fmt::format("{}: chardev \"{}\" not found", monitor.where, monitor.chardev));
    }
    if (!Is<backend::SocketSpec>(*chardev) && !Is<backend::StdioSpec>(*chardev)) {
      return Fail(fmt::format("{}: chardev \"{}\" cannot carry a monitor, only a socket or stdio",
                              monitor.where, monitor.chardev));
    }
    if (std::find(used.begin(), used.end(), monitor.chardev) != used.end()) {
      return Fail(fmt::format("{}: Device '{}' is in use", monitor.where, monitor.chardev));
    }
    used.push_back(monitor.chardev);
  }
  return {};
}

bool InUse(const Options& options, const std::string& id) {
  const auto& serials = options.machine.serials;
  return options.machine.debugcon == id ||
         std::find(serials.begin(), serials.end(), id) != serials.end() ||
         std::any_of(options.monitors.begin(), options.monitors.end(),
                     [&](const MonitorOption& monitor) { return monitor.chardev == id; });
}

// After the monitors: as in QEMU they and the serial ports come first, and the port finds taken
// what they use.
Status AddDebugcon(ParseContext& context, const std::string& text) {
  Options& options = context.options;
  std::string id = "debugcon";
  if (text.starts_with("chardev:")) {
    id = text.substr(8);
    if (FindChardev(options, id) == nullptr) {
      return Fail(fmt::format("invalid character backend '{}'", text));
    }
  } else {
    DAVIT_ASSIGN(const ParamList list, FromCompat(context, text));
    DAVIT_TRY(AddChardev(context, id, list));
  }
  if (InUse(options, id)) {
    return Fail(fmt::format(
        "Property 'isa-debugcon.chardev' can't take value '{0}': Device '{0}' is in use", id));
  }
  options.machine.debugcon = id;
  return {};
}

Status AddQtest(ParseContext& context, const std::string& text) {
  std::string id = "qtest";
  if (text.starts_with("chardev:")) {
    id = text.substr(8);
    if (FindChardev(context.options, id) == nullptr) {
      return Fail(fmt::format("Failed to initialize device for qtest: \"{}\"", text));
    }
  } else {
    DAVIT_ASSIGN(const ParamList list, FromCompat(context, text));
    DAVIT_TRY(AddChardev(context, id, list));
  }
  if (InUse(context.options, id)) return Fail(fmt::format("Device '{}' is in use", id));
  context.options.machine.qtest = machine::QtestConfig{id, context.qtest_log};
  return {};
}

}  // namespace

Status ApplyChardev(ParseContext& context, ParamList& list) {
  if (list.help || list.Get("backend") == "help") {
    context.options.show = Show::kChardevs;
    return {};
  }
  const std::string* id = list.Find("id");
  if (id == nullptr) return Fail("chardev: no id specified");
  if (!IsWellFormedId(*id)) {
    return Fail(
        "Parameter 'id' expects an identifier\n"
        "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
  return AddChardev(context, *id, list);
}

Status ApplyMon(ParseContext& context, ParamList& list) {
  const std::string mode = list.Get("mode", "readline");
  if (mode != "readline" && mode != "control") {
    return Fail(fmt::format("Parameter 'mode' does not accept value '{}'", mode));
  }
  if (!list.Has("chardev")) return Fail("Parameter 'chardev' is missing");
  if (mode == "readline") {
    return Fail("mode 'readline' is not available, only 'control' (QMP)");
  }
  context.monitor_given = true;
  context.options.monitors.push_back(
      {context.where, list.Get("id"), list.Get("chardev"), list.GetBool("pretty", false)});
  return {};
}

Status ParseSerial(ParseContext& context, const std::string& text) {
  auto& serials = context.options.machine.serials;
  const std::string id = fmt::format("serial{}", context.serials_given++);
  if (text == "none") {
    serials.emplace_back();
    return {};
  }
  if (text.starts_with("chardev:")) {
    serials.push_back(text.substr(8));
    return {};
  }
  DAVIT_ASSIGN(const ParamList list, FromCompat(context, text));
  DAVIT_TRY(AddChardev(context, id, list));
  serials.push_back(id);
  return {};
}

Status ParseDebugcon(ParseContext& context, const std::string& text) {
  if (context.debugcon) return Fail("already have a debugcon device");
  context.debugcon.emplace(context.where, text);
  return {};
}

Status ParseQtest(ParseContext& context, const std::string& text) {
  context.qtest.emplace(context.where, text);
  return {};
}

Status ParseQtestLog(ParseContext& context, const std::string& text) {
  if (text.empty()) return Fail("a file name or none is needed");
  context.qtest_log = text;
  return {};
}

Status ParseQmp(ParseContext& context, const std::string& text) {
  return AddQmp(context, text, false);
}

Status ParseQmpPretty(ParseContext& context, const std::string& text) {
  return AddQmp(context, text, true);
}

Status ParseMonitor(ParseContext& context, const std::string& text) {
  context.monitor_given = true;
  if (text == "none") return {};
  return Fail("no human monitor is available, only 'none' (QMP has human-monitor-command)");
}

Status FinishCharacterDevices(ParseContext& context) {
  Options& options = context.options;
  if (context.serials_given == 0 && !options.nodefaults) {
    context.where = options.nographic ? "-nographic" : "default serial port";
    DAVIT_TRY(ParseSerial(context, options.nographic ? "stdio" : "null"));
  }
  for (const std::string& id : options.machine.serials) {
    if (!id.empty() && FindChardev(options, id) == nullptr) {
      return Fail(
          fmt::format("-serial chardev:{0}: could not connect serial device to "
                      "character backend 'chardev:{0}'",
                      id));
    }
  }
  DAVIT_TRY(CheckMonitors(options));
  if (context.debugcon) {
    context.where = context.debugcon->first;
    Status status = AddDebugcon(context, context.debugcon->second);
    if (!status) return Fail(fmt::format("{}: {}", context.where, status.error().message));
  }
  if (context.qtest) {
    context.where = context.qtest->first;
    Status status = AddQtest(context, context.qtest->second);
    if (!status) return Fail(fmt::format("{}: {}", context.where, status.error().message));
  }
  return CheckStdio(options);
}

}  // namespace davit::daemon
