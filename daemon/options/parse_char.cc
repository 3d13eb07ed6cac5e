// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -chardev -serial -debugcon -mon -qmp -qtest -monitor: character devices and who uses them.
// -serial, -debugcon, -qmp and -qtest are short for a -chardev named serialN, debugcon,
// compat_monitorN or qtest, as in QEMU.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/options/chardev_params.h"
#include "daemon/options/table.h"

namespace davit::daemon {
namespace {

Status AddChardev(ParseContext& context, const std::string& id, const ParamList& list) {
  DAVIT_ASSIGN(const std::vector<backend::ChardevSpec> specs, ToChardevSpecs(id, list));
  auto& chardevs = context.options.chardevs;
  for (const backend::ChardevSpec& spec : specs) {
    if (std::any_of(chardevs.begin(), chardevs.end(),
                    [&](const ChardevOption& other) { return other.spec.id == spec.id; })) {
      return Fail(fmt::format("Duplicate ID '{}' for chardev", spec.id));
    }
  }
  for (const backend::ChardevSpec& spec : specs) chardevs.push_back({context.where, spec});
  return {};
}

Result<ParamList> FromCompat(ParseContext& context, const std::string& text) {
  std::vector<std::string> warnings;
  Result<ParamList> list = ParseShortChardev(text, &warnings);
  for (const std::string& warning : warnings) {
    context.options.warnings.push_back(fmt::format("{}: {}", context.where, warning));
  }
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
    if (!chardev->spec.logfile.empty()) {
      return Fail(
          fmt::format("{}: 'logfile' option is not available under a monitor", monitor.where));
    }
    const auto* socket = std::get_if<backend::SocketSpec>(&chardev->spec.backend);
    if (socket != nullptr && socket->reconnect != 0) {
      return Fail(
          fmt::format("{}: 'reconnect' option is not available under a monitor", monitor.where));
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
  DAVIT_TRY(CheckChardevId(*id));
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
  // A port made by name is in the place of the one that is there by default.
  const auto& devices = options.machine.devices;
  const bool by_name = std::any_of(devices.begin(), devices.end(), [](const auto& device) {
    return device.spec.driver == "isa-serial";
  });
  if (context.serials_given == 0 && !options.nodefaults && !by_name) {
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
