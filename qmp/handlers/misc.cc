// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/misc.json.
#include <fmt/format.h>

#include <algorithm>

#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

// "7.2.0davit 0.1", as QEMU runs the two together.
std::string VersionText(const qapi::VersionInfo& version) {
  return fmt::format("{}.{}.{}{}", version.qemu.major, version.qemu.minor, version.qemu.micro,
                     version.package);
}

}  // namespace

MiscHandlers::MiscHandlers(const HandlerDeps& deps)
    : vm_(deps.vm),
      fd_sets_(deps.fd_sets),
      hmp_(deps.vm, deps.chardevs, deps.blocks, deps.net, VersionText(deps.version),
           {deps.parse_device_line, deps.device_globals}),
      options_(deps.command_line_options) {}

Result<qapi::NameInfo> MiscHandlers::QueryName(Context&) {
  qapi::NameInfo info;
  if (!vm_.name().empty()) info.name = vm_.name();
  return info;
}

Result<std::vector<qapi::IOThreadInfo>> MiscHandlers::QueryIothreads(Context&) {
  std::vector<qapi::IOThreadInfo> rows;
  for (const control::IoThreadInfo& thread : vm_.IoThreads()) {
    rows.push_back({.id = thread.id,
                    .thread_id = thread.thread_id,
                    .poll_max_ns = thread.poll_max_ns,
                    .poll_grow = thread.poll_grow,
                    .poll_shrink = thread.poll_shrink,
                    .aio_max_batch = thread.aio_max_batch});
  }
  return rows;
}

Status MiscHandlers::Stop(Context&) { return vm_.Stop(); }
Status MiscHandlers::Cont(Context&) { return vm_.Cont(); }
Status MiscHandlers::XExitPreconfig(Context&) { return vm_.ExitPreconfig(); }

Result<std::string> MiscHandlers::HumanMonitorCommand(Context&,
                                                      const qapi::HumanMonitorCommandArgs& args) {
  return hmp_.Execute(args.command_line, args.cpu_index);
}

Status MiscHandlers::Getfd(Context& context, const qapi::GetfdArgs& args) {
  DAVIT_ASSIGN(UniqueFd fd, context.TakeFd());
  return context.named_fds().Set(args.fdname, std::move(fd));
}

Status MiscHandlers::Closefd(Context& context, const qapi::ClosefdArgs& args) {
  return context.named_fds().Close(args.fdname);
}

Result<qapi::AddfdInfo> MiscHandlers::AddFd(Context& context, const qapi::AddFdArgs& args) {
  DAVIT_ASSIGN(UniqueFd fd, context.TakeFd());
  DAVIT_ASSIGN(const FdSets::Added added, fd_sets_.Add(std::move(fd), args.fdset_id, args.opaque));
  return qapi::AddfdInfo{added.fdset_id, added.fd};
}

Status MiscHandlers::RemoveFd(Context&, const qapi::RemoveFdArgs& args) {
  return fd_sets_.Remove(args.fdset_id, args.fd);
}

Result<std::vector<qapi::FdsetInfo>> MiscHandlers::QueryFdsets(Context&) {
  std::vector<qapi::FdsetInfo> rows;
  for (const FdSets::SetInfo& set : fd_sets_.List()) {
    qapi::FdsetInfo row{.fdset_id = set.fdset_id};
    for (const FdSets::FdInfo& fd : set.fds) row.fds.push_back({fd.fd, fd.opaque});
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<qapi::CommandLineOptionInfo>> MiscHandlers::QueryCommandLineOptions(
    Context&, const qapi::QueryCommandLineOptionsArgs& args) {
  if (!args.option) return options_;
  const auto it = std::find_if(options_.begin(), options_.end(),
                               [&](const auto& row) { return row.option == *args.option; });
  if (it == options_.end()) return Fail(fmt::format("invalid option name: {}", *args.option));
  return std::vector<qapi::CommandLineOptionInfo>{*it};
}

}  // namespace davit::qmp
