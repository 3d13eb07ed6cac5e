// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See app.h. Order of the set-up: the qtest client, which waits for us; monitors, so that a manager
// can connect while the rest is made; then character devices and the VM; at last the parent of
// -daemonize may end.
#include "daemon/app.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "daemon/fd_set_opener.h"
#include "daemon/monitor_spec.h"
#include "daemon/options/chardev_params.h"
#include "daemon/options/parse.h"
#include "daemon/options/table.h"
#include "daemon/process/daemonize.h"
#include "daemon/process/pidfile.h"
#include "daemon/process/sandbox.h"
#include "daemon/process/service_manager.h"
#include "daemon/process/signals.h"
#include "daemon/version.h"
#include "qmp/handlers/event_bridge.h"
#include "qmp/handlers/handlers.h"
#include "qmp/transport/server.h"
#include "tests/guest/probe/image.h"
#include "vmm/backend/block/graph.h"
#include "vmm/backend/char/registry.h"
#include "vmm/base/log.h"
#include "vmm/io/asio_event_loop.h"
#include "vmm/machine/block/block_control.h"
#include "vmm/machine/net/netdevs.h"
#include "vmm/machine/vm.h"

namespace davit::daemon {
namespace {

tl::unexpected<Error> At(const std::string& where, Error error) {
  error.message = fmt::format("{}: {}", where, error.message);
  return Fail(std::move(error));
}

// Of what the VM does not depend on: the variable may be another daemon's, handed down.
void WarnIfNot(const Status& told) {
  if (!told) std::fprintf(stderr, "davitd: warning: %s\n", told.error().message.c_str());
}

// QMP's and the handlers' view of the parts. Before the VM exists no command can come: the loop
// does not run yet.
class App final : public control::EventSink, public control::ChardevControl, public qmp::VmView {
 public:
  explicit App(Options options)
      : options_(std::move(options)),
        loop_(io_),
        commands_(qapi::Commands(), handlers_),
        server_(io_, {kQmpMajor, kQmpMinor, kQmpMicro, kPackage}, commands_, *this),
        files_(server_.fd_sets()),
        chardevs_(
            loop_,
            {.notify = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); },
             .quit = [this] { vm_->Quit(control::ShutdownCause::kHostQmpQuit); },
             .files = &files_}),
        netdevs_({loop_, &chardevs_,
                  [this](const control::Event& event) {
                    Emit(event, std::chrono::system_clock::now());
                  }}),
        blocks_(files_),
        block_control_(blocks_, ParseDriveText) {}

  ~App() override {
    server_.Shutdown();
    vm_.reset();
  }

  Status SetUp();
  int Run() {
    DAVIT_LOG_INFO("{} is set up, run state {}, pid {}", kPackage, run_state_name(), getpid());
    loop_.Run();
    DAVIT_LOG_INFO("ends with status {}", exit_code_);
    WarnIfNot(manager_.Stopping());
    return exit_code_;
  }

  // control::EventSink
  void Emit(const control::Event& event, std::chrono::system_clock::time_point when) override {
    server_.events().Emit(qmp::ToQapiEvent(event), when);
  }

  // control::ChardevControl
  std::vector<control::ChardevInfo> Chardevs() const override;
  std::vector<std::string> Backends() const override;
  Result<std::string> Add(const std::string& id, control::ChardevParams params) override;
  Result<std::string> Change(const std::string& id, control::ChardevParams params) override;
  Status CheckChange(const std::string& id) const override;
  Status AddText(const std::string& text) override;
  Status ChangeText(const std::string& id, const std::string& text) override;
  Status Remove(const std::string& id) override;
  Status SendBreak(const std::string& id) override;
  Result<std::string> RingbufRead(const std::string& id, uint64_t size) override {
    return chardevs_.RingbufRead(id, size);
  }
  Status RingbufWrite(const std::string& id, std::span<const std::byte> data) override {
    return chardevs_.RingbufWrite(id, data);
  }

  // qmp::VmView
  bool in_preconfig() const override { return vm_->in_preconfig(); }
  unsigned run_state() const override { return static_cast<unsigned>(vm_->run_state()); }
  std::string_view run_state_name() const override { return RunStateName(vm_->run_state()); }
  // Descriptors that are given back ask it, too, before the VM is there and after it.
  bool running() const override {
    return vm_ != nullptr && vm_->run_state() == control::RunState::kRunning;
  }

 private:
  void MakePathsAbsolute();
  Status AddFds();
  Status OpenQtest();
  Status OpenMonitors();
  Status OpenChardevs();
  Status OpenDisks();
  Status OpenNetdevs();
  Status MakeVm();
  Status WatchSignals();
  bool IsMonitor(const std::string& chardev) const;
  Status CheckStdio(const backend::ChardevSpec& spec) const;
  // Makes the devices of one -chardev: a back end, or with mux=on two.
  Result<std::string> AddChardevs(const std::string& id, const ParamList& list);
  Result<std::string> ChangeChardev(const backend::ChardevSpec& spec);

  Options options_;
  boost::asio::io_context io_{1};
  io::AsioEventLoop loop_;
  qapi::Handlers handlers_;  // filled when the VM is there
  qmp::CommandTable commands_;
  qmp::Server server_;
  FdSetOpener files_;
  backend::ChardevRegistry chardevs_;
  machine::Netdevs netdevs_;
  backend::BlockGraph blocks_;
  machine::BlockControlImpl block_control_;
  std::unique_ptr<control::VmControl> vm_;
  std::unique_ptr<qmp::HandlerSet> handler_set_;
  std::unique_ptr<TerminationSignals> signals_;
  std::optional<PidFile> pidfile_;
  ServiceManager manager_;
  int exit_code_ = 0;
};

bool App::IsMonitor(const std::string& chardev) const {
  return std::any_of(options_.monitors.begin(), options_.monitors.end(),
                     [&](const MonitorOption& monitor) { return monitor.chardev == chardev; });
}

void MakeAbsolute(std::string& path) { path = std::filesystem::absolute(path).string(); }

// What is used when a daemon has another working directory: sockets are unlinked at the end, and
// --preconfig makes the machine later.
void App::MakePathsAbsolute() {
  for (ChardevOption& chardev : options_.chardevs) {
    auto* socket = std::get_if<backend::SocketSpec>(&chardev.spec.backend);
    if (socket == nullptr) continue;
    auto* address = std::get_if<backend::UnixAddress>(&socket->address);
    if (address != nullptr && !address->abstract) MakeAbsolute(address->path);
  }
  machine::MachineConfig& config = options_.machine;
  if (!config.preconfig) return;
  for (machine::ImageSource* image : {&config.kernel, &config.initrd}) {
    if (auto* path = std::get_if<std::string>(image)) MakeAbsolute(*path);
  }
  if (!config.dtb.empty()) MakeAbsolute(config.dtb);
  for (machine::FwCfgConfig& item : config.fw_cfg) {
    if (!item.file.empty()) MakeAbsolute(item.file);
  }
  for (machine::SmbiosFields::OemString& text : config.smbios.oem_strings) {
    if (text.is_file) MakeAbsolute(text.text);
  }
  for (auto& [name, value] : config.machine_properties) {
    if (name == "dumpdtb" && !value.empty()) MakeAbsolute(value);
  }
}

// Those that are kept have other numbers than those that were given; the given ones are closed when
// all are known, since one may be in several sets.
Status App::AddFds() {
  for (const AddFdOption& option : options_.add_fds) {
    const int flags = fcntl(option.fd, F_GETFD);
    // Ours are closed on exec, those that a parent gave are not.
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) {
      return At(option.where, {ErrorCode::kGeneric, "fd is not valid or already in use", {}});
    }
    UniqueFd copy(fcntl(option.fd, F_DUPFD_CLOEXEC, 0));
    if (!copy) return FailErrno(fmt::format("{}: cannot be duplicated", option.where));
    auto added = server_.fd_sets().Add(std::move(copy), option.set, option.opaque);
    if (!added) return At(option.where, std::move(added).error());
  }
  for (const AddFdOption& option : options_.add_fds) {
    const int flags = fcntl(option.fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) close(option.fd);
  }
  return {};
}

Status App::OpenQtest() {
  if (!options_.machine.qtest) return {};
  for (const ChardevOption& option : options_.chardevs) {
    if (option.spec.id != options_.machine.qtest->chardev) continue;
    auto chardev = chardevs_.Create(option.spec);
    if (!chardev) return At(option.where, std::move(chardev).error());
  }
  return {};
}

Status App::OpenMonitors() {
  for (const MonitorOption& monitor : options_.monitors) {
    const auto chardev = std::find_if(
        options_.chardevs.begin(), options_.chardevs.end(),
        [&](const ChardevOption& option) { return option.spec.id == monitor.chardev; });
    Status status = server_.AddMonitor(ToMonitorSpec(monitor, chardev->spec));
    if (!status) return At(chardev->where, std::move(status).error());
  }
  return {};
}

Status App::OpenChardevs() {
  for (const ChardevOption& option : options_.chardevs) {
    if (IsMonitor(option.spec.id) || chardevs_.Find(option.spec.id) != nullptr) continue;
    auto chardev = chardevs_.Create(option.spec);
    if (!chardev) return At(option.where, std::move(chardev).error());
  }
  return {};
}

// The second line of an error that has one ("Is another process using the image [x]?").
tl::unexpected<Error> AtWithHint(const std::string& where, Error error) {
  if (!error.where.empty()) error.message += "\n" + error.where;
  return At(where, std::move(error));
}

Status App::OpenDisks() {
  for (const BlockdevOption& option : options_.blockdevs) {
    Status added = block_control_.AddNode(option.spec);
    if (!added) return AtWithHint(option.where, std::move(added).error());
  }
  for (const DriveOption& option : options_.drives) {
    Status added = block_control_.AddDrive(option.spec);
    if (!added) return AtWithHint(option.where, std::move(added).error());
  }
  return {};
}

Status App::OpenNetdevs() {
  for (const NetdevOption& option : options_.netdevs) {
    if (Status status = netdevs_.NetdevAdd(option.spec, {}); !status) {
      return At(option.where, std::move(status).error());
    }
  }
  return {};
}

Status App::MakeVm() {
  machine::MachineConfig config = std::move(options_.machine);
  if (std::holds_alternative<std::monostate>(config.kernel) && config.type != "none") {
    config.kernel = ProbeGuestImage();
    config.kernel_is_default = true;
  }
  machine::Deps deps{.loop = loop_,
                     .events = *this,
                     .chardevs = &chardevs_,
                     .exit =
                         [this](int code) {
                           exit_code_ = code;
                           loop_.Stop();
                         },
                     .blocks = &blocks_,
                     .open_disks = [this] { return OpenDisks(); },
                     .netdevs = &netdevs_,
                     .files = &files_};
  DAVIT_ASSIGN(vm_, machine::Vm::Create(std::move(config), std::move(deps)));
  handler_set_ = std::make_unique<qmp::HandlerSet>(
      qmp::HandlerDeps{*vm_,
                       *this,
                       block_control_,
                       netdevs_,
                       server_.fd_sets(),
                       {{kQmpMajor, kQmpMinor, kQmpMicro}, kPackage},
                       CommandLineOptions(),
                       std::move(options_.device_globals),
                       ParseDeviceLine});
  handlers_ = handler_set_->handlers();
  return {};
}

Status App::WatchSignals() {
  DAVIT_ASSIGN(signals_, TerminationSignals::Watch(loop_, [this](const std::string& what) {
                 DAVIT_LOG_WARN("{}", what);
                 vm_->Quit(control::ShutdownCause::kHostSignal);
               }));
  return {};
}

Status App::SetUp() {
  DAVIT_TRY(AddFds());
  if (auto manager = ServiceManager::FromEnvironment(); manager) {
    manager_ = std::move(*manager);
  } else {
    WarnIfNot(Fail(std::move(manager).error()));
  }
  std::optional<Daemonizer> daemonizer;
  if (options_.daemonize) {
    DAVIT_ASSIGN(daemonizer, Daemonizer::Fork());
    MakePathsAbsolute();
  }
  // From here on a signal ends the process in good order. Who has connected to a monitor may send
  // one, so it is left for the VM to end by, if nothing has to be waited for before that is there.
  TerminationSignals::Block();
  if (!options_.pidfile.empty()) {
    Result<PidFile> pidfile = PidFile::Create(options_.pidfile);
    if (!pidfile) return At("-pidfile " + options_.pidfile, std::move(pidfile).error());
    pidfile_ = std::move(*pidfile);
  }
  if (options_.sandbox) DAVIT_TRY(EnterSandbox(*options_.sandbox));
  DAVIT_TRY(OpenQtest());
  DAVIT_TRY(OpenMonitors());
  DAVIT_TRY(OpenChardevs());
  DAVIT_TRY(OpenNetdevs());
  server_.GreetWaitingClients();
  DAVIT_TRY(MakeVm());
  if (!vm_->in_preconfig()) {
    for (const std::string& text : netdevs_.Unconnected()) {
      std::fprintf(stderr, "davitd: warning: %s\n", text.c_str());
    }
  }
  DAVIT_TRY(WatchSignals());
  WarnIfNot(manager_.Ready());
  if (daemonizer) DAVIT_TRY(daemonizer->Detach());
  return {};
}

std::vector<control::ChardevInfo> App::Chardevs() const {
  std::vector<control::ChardevInfo> rows;
  for (const backend::ChardevInfo& info : chardevs_.List()) {
    rows.push_back({info.label, info.filename, info.frontend_open});
  }
  for (const qmp::MonitorInfo& info : server_.Monitors()) {
    rows.push_back({info.label, info.filename, info.frontend_open});
  }
  return rows;
}

std::vector<std::string> App::Backends() const {
  const auto names = backend::ChardevRegistry::BackendNames();
  return {names.begin(), names.end()};
}

ParamList ToParamList(const control::ChardevParams& params) {
  ParamList list;
  list.Add("backend", params.backend);
  for (const auto& [key, value] : params.values) list.Add(key, value);
  return list;
}

Result<ParamList> ParseChardevText(const std::string& text) {
  std::vector<std::string> warnings;
  DAVIT_ASSIGN(ParamList list, SplitParams(text, kChardevSchema, &warnings));
  DAVIT_TRY(CheckParams(list, kChardevSchema));
  return list;
}

// A monitor on standard input and output has them for itself, and is not in the registry.
Status App::CheckStdio(const backend::ChardevSpec& spec) const {
  if (!std::holds_alternative<backend::StdioSpec>(spec.backend)) return {};
  if (options_.daemonize) return Fail("cannot use stdio with -daemonize");
  const auto has_stdio = [this](const ChardevOption& option) {
    return IsMonitor(option.spec.id) &&
           std::holds_alternative<backend::StdioSpec>(option.spec.backend);
  };
  if (std::none_of(options_.chardevs.begin(), options_.chardevs.end(), has_stdio)) return {};
  return Fail("cannot use stdio by multiple character devices");
}

Result<std::string> App::AddChardevs(const std::string& id, const ParamList& list) {
  DAVIT_ASSIGN(const std::vector<backend::ChardevSpec> specs, ToChardevSpecs(id, list));
  for (const backend::ChardevSpec& spec : specs) DAVIT_TRY(CheckStdio(spec));
  backend::Chardev* made = nullptr;
  for (const backend::ChardevSpec& spec : specs) {
    auto chardev = IsMonitor(spec.id) ? Fail(fmt::format("Duplicate ID '{}' for chardev", spec.id))
                                      : chardevs_.Create(spec);
    if (!chardev) {
      if (made != nullptr) (void)chardevs_.Remove(specs[0].id);
      return Fail(std::move(chardev).error());
    }
    made = *chardev;
  }
  return made->filename();
}

tl::unexpected<Error> FailedToAdd(const std::string& id, const Error& cause) {
  return Fail(fmt::format("Failed to add chardev '{}': {}", id, cause.message));
}

Status App::CheckChange(const std::string& id) const {
  if (IsMonitor(id)) return Fail("Chardev user does not support chardev hotswap");
  return chardevs_.CheckChange(id);
}

Result<std::string> App::ChangeChardev(const backend::ChardevSpec& spec) {
  DAVIT_TRY(CheckChange(spec.id));
  if (Status free = CheckStdio(spec); !free) return FailedToAdd(spec.id, free.error());
  DAVIT_ASSIGN(const backend::Chardev* changed, chardevs_.Change(spec));
  return changed->filename();
}

Result<std::string> App::Add(const std::string& id, control::ChardevParams params) {
  Result<std::string> made = AddChardevs(id, ToParamList(params));
  if (made) (void)params.fd.release();
  return made;
}

Result<std::string> App::Change(const std::string& id, control::ChardevParams params) {
  const auto specs = ToChardevSpecs(id, ToParamList(params));
  if (!specs) return FailedToAdd(id, specs.error());
  Result<std::string> changed = ChangeChardev(specs->front());  // QMP has no mux=on
  if (changed) (void)params.fd.release();
  return changed;
}

Status App::AddText(const std::string& text) {
  DAVIT_ASSIGN(const ParamList list, ParseChardevText(text));
  const std::string id = list.Get("id");
  if (id.empty()) return Fail("chardev: no id specified");
  DAVIT_TRY(CheckChardevId(id));
  DAVIT_TRY(AddChardevs(id, list));
  return {};
}

Status App::ChangeText(const std::string& id, const std::string& text) {
  DAVIT_ASSIGN(const ParamList list, ParseChardevText(text));
  DAVIT_ASSIGN(const std::vector<backend::ChardevSpec> specs, ToChardevSpecs(id, list));
  if (specs.size() != 1) return Fail("Chardev user does not support chardev hotswap");
  DAVIT_TRY(ChangeChardev(specs[0]));
  return {};
}

Status App::Remove(const std::string& id) {
  if (IsMonitor(id)) return Fail(fmt::format("Chardev '{}' is busy", id));
  return chardevs_.Remove(id);
}

Status App::SendBreak(const std::string& id) {
  if (IsMonitor(id)) return {};  // a monitor takes none
  return chardevs_.SendBreak(id);
}

Status ConfigureLogging(const Options& options) {
  LogConfig config;
  config.file = options.log.file;
  config.timestamps = options.log.timestamps;
  if (options.log.guest_name) config.prefix = options.machine.name;
  for (const std::string& item : options.log.items) {
    if (item == "guest_errors") config.guest_errors = true;
    if (item == "debug") config.level = "debug";
    if (item == "info" && config.level != "debug") config.level = "info";
  }
  Status status = ConfigureLog(config);
  if (!status) return At("-D " + options.log.file, std::move(status).error());
  return {};
}

}  // namespace

Result<int> RunApp(Options options) {
  DAVIT_TRY(ConfigureLogging(options));
  if (!options.process_name.empty()) prctl(PR_SET_NAME, options.process_name.c_str());
  App app(std::move(options));
  DAVIT_TRY(app.SetUp());
  return app.Run();
}

}  // namespace davit::daemon
