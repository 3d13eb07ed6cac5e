// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See monitor_spec.h.
#include "daemon/monitor_spec.h"

#include <algorithm>

#include "daemon/options/table.h"
#include "daemon/process/sandbox.h"

namespace davit::daemon {
namespace {

struct FillAddress {
  qmp::MonitorSpec& spec;

  void operator()(const backend::UnixAddress& address) const {
    spec.kind = qmp::MonitorSpec::Kind::kUnix;
    spec.path = address.path;
    spec.abstract = address.abstract;
    spec.tight = address.tight;
  }
  void operator()(const backend::InetAddress& address) const {
    spec.kind = qmp::MonitorSpec::Kind::kTcp;
    spec.host = address.host;
    spec.port = address.port;
    // One family asked for leaves the other out.
    spec.ipv4 = address.ipv4.value_or(!address.ipv6.value_or(false));
    spec.ipv6 = address.ipv6.value_or(!address.ipv4.value_or(false));
  }
  void operator()(const backend::FdAddress& address) const {
    spec.kind = qmp::MonitorSpec::Kind::kFd;
    spec.fd = address.fd;
  }
};

}  // namespace

qmp::MonitorSpec ToMonitorSpec(const MonitorOption& monitor, const backend::ChardevSpec& chardev) {
  qmp::MonitorSpec spec;
  spec.label = chardev.id;
  spec.pretty = monitor.pretty;
  if (const auto* socket = std::get_if<backend::SocketSpec>(&chardev.backend)) {
    std::visit(FillAddress{spec}, socket->address);
    spec.server = socket->server;
    spec.wait = socket->server && socket->wait;
    spec.allow_remote = socket->allow_remote;
  } else {
    spec.kind = qmp::MonitorSpec::Kind::kStdio;
  }
  return spec;
}

std::vector<qapi::CommandLineOptionInfo> CommandLineOptions() {
  std::vector<qapi::CommandLineOptionInfo> rows;
  const auto listed = [&](std::string_view name) {
    return std::any_of(rows.begin(), rows.end(),
                       [&](const auto& row) { return row.option == name; });
  };
  for (const OptionRow& option : OptionTable()) {
    // As in QEMU, an option is known by its group where it has one.
    const bool grouped = option.schema != nullptr && !option.schema->group.empty();
    const std::string_view name = grouped ? option.schema->group : option.name;
    if (!option.listed || listed(name)) continue;
    if (name == "sandbox" && !SandboxAvailable()) continue;  // who reads this would ask for it
    qapi::CommandLineOptionInfo row{std::string(name), {}};
    if (option.schema != nullptr) {
      for (const ParamSpec& spec : option.schema->params) {
        row.parameters.push_back({.name = std::string(spec.name),
                                  .type = static_cast<qapi::CommandLineParameterType>(spec.type),
                                  .help = std::string(spec.help),
                                  .default_ = std::nullopt});
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace davit::daemon
