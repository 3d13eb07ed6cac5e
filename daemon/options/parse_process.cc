// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -name -msg -add-fd -sandbox -display -audiodev -d: what concerns the process and its messages.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "daemon/options/log_items.h"
#include "daemon/options/table.h"

namespace davit::daemon {

Status ApplyName(ParseContext& context, ParamList& list) {
  Options& options = context.options;
  if (const std::string* guest = list.Find("guest")) options.machine.name = *guest;
  if (const std::string* process = list.Find("process")) options.process_name = *process;
  options.machine.debug_threads = list.GetBool("debug-threads", options.machine.debug_threads);
  return {};
}

Status ApplyMsg(ParseContext& context, ParamList& list) {
  LogOptions& log = context.options.log;
  log.timestamps = list.GetBool("timestamp", log.timestamps);
  log.guest_name = list.GetBool("guest-name", log.guest_name);
  return {};
}

Status ApplyAddFd(ParseContext& context, ParamList& list) {
  AddFdOption option{context.where, -1, 0, std::nullopt};
  const std::optional<uint64_t> fd = list.GetNumber("fd");
  const std::optional<uint64_t> set = list.GetNumber("set");
  if (!fd || *fd > INT64_MAX) return Fail("fd option is required and must be non-negative");
  if (*fd <= STDERR_FILENO) return Fail("fd cannot be a standard I/O stream");
  if (*fd > INT_MAX) return Fail("fd is not valid or already in use");
  if (!set || *set > INT64_MAX) return Fail("set option is required and must be non-negative");
  option.fd = static_cast<int>(*fd);
  option.set = static_cast<int64_t>(*set);
  if (const std::string* opaque = list.Find("opaque")) option.opaque = *opaque;
  context.options.add_fds.push_back(std::move(option));
  return {};
}

// Several add up, as in QEMU: what one denies, no other allows.
Status ApplySandbox(ParseContext& context, ParamList& list) {
  using Elevate = SandboxPolicy::Elevate;
  if (!list.GetBool("enable", false)) return {};
  SandboxPolicy policy;
  const std::pair<const char*, bool*> switches[] = {{"obsolete", &policy.obsolete},
                                                    {"spawn", &policy.spawn},
                                                    {"resourcecontrol", &policy.resource_control}};
  const std::string elevate = list.Get("elevateprivileges", "allow");
  if (elevate == "deny") {
    policy.elevate_privileges = Elevate::kDeny;
  } else if (elevate == "children") {
    policy.elevate_privileges = Elevate::kChildren;
  } else if (elevate != "allow") {
    return Fail("invalid argument for elevateprivileges");
  }
  for (const auto& [key, allowed] : switches) {
    const std::string value = list.Get(key, *allowed ? "allow" : "deny");
    if (value != "allow" && value != "deny") {
      return Fail(fmt::format("invalid argument for {}", key));
    }
    *allowed = value == "allow";
  }
  if (const auto& before = context.options.sandbox) {
    policy.obsolete &= before->obsolete;
    policy.spawn &= before->spawn;
    policy.resource_control &= before->resource_control;
    policy.elevate_privileges = std::max(policy.elevate_privileges, before->elevate_privileges);
  }
  context.options.sandbox = policy;
  return {};
}

Status ApplyDisplay(ParseContext& context, ParamList& list) {
  constexpr std::string_view kOfQemu[] = {"gtk",   "sdl",       "egl-headless", "curses",
                                          "cocoa", "spice-app", "dbus",         "default"};
  const std::string* type = list.Find("type");
  if (type == nullptr) return Fail("Parameter 'type' is missing");
  if (std::find(std::begin(kOfQemu), std::end(kOfQemu), *type) != std::end(kOfQemu)) {
    return Fail(fmt::format("Display '{}' is not available.", *type));
  }
  if (*type != "none") {
    return Fail(fmt::format("Parameter 'type' does not accept value '{}'", *type));
  }
  context.display_given = true;
  return {};
}

// Nothing makes a sound: the one back end that needs no device to be right is the silent one.
Status ApplyAudiodev(ParseContext& context, ParamList& list) {
  constexpr std::string_view kOfQemu[] = {"alsa", "coreaudio", "dbus",  "dsound", "jack", "oss",
                                          "pa",   "sdl",       "sndio", "spice",  "wav"};
  if (list.help || list.Get("driver") == "help") {
    context.options.show = Show::kAudiodevs;
    return {};
  }
  for (const char* key : {"id", "driver"}) {
    if (!list.Has(key)) return Fail(fmt::format("Parameter '{}' is missing", key));
  }
  const std::string driver = list.Get("driver");
  if (std::find(std::begin(kOfQemu), std::end(kOfQemu), driver) != std::end(kOfQemu)) {
    return Fail(fmt::format("audio driver '{}' is not available, only 'none'", driver));
  }
  if (driver != "none") {
    return Fail(fmt::format("Parameter 'driver' does not accept value '{}'", driver));
  }
  return {};
}

Status ParseLogItems(ParseContext& context, const std::string& text) {
  if (text == "help" || text == "?") {
    context.options.show = Show::kLogItems;
    return {};
  }
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    std::string item = text.substr(at, comma - at);
    const bool known = std::any_of(std::begin(kLogItems), std::end(kLogItems),
                                   [&](const LogItem& row) { return row.name == item; });
    if (!known) {
      return Fail(fmt::format("unknown log item '{}' (-d help lists them)", item));
    }
    context.options.log.items.push_back(std::move(item));
    at = comma + 1;
  }
  return {};
}

}  // namespace davit::daemon
