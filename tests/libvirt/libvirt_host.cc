// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See libvirt_host.h.
#include "tests/libvirt/libvirt_host.h"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/libvirt/isolation.h"
#include "tests/support/vm.h"

namespace davit::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLogPid = "/run/virtlogd.pid";
constexpr const char* kLibvirtPid = "/run/libvirtd.pid";

// The folders that libvirt's packages have for it, and ours in their places.
constexpr std::pair<const char*, const char*> kFolders[] = {{"etc", "/etc/libvirt"},
                                                            {"lib", "/var/lib/libvirt"},
                                                            {"cache", "/var/cache/libvirt"},
                                                            {"log", "/var/log/libvirt"},
                                                            {"run", "/run"}};

// As Debian has it, but for what is the host's as a whole: control groups and security modules.
constexpr const char* kQemuConf =
    "cgroup_controllers = []\n"
    "security_driver = \"none\"\n";

// As udev makes it on Debian: the group kvm may use it, and with it the user libvirt-qemu.
Status MakeKvmNode(const std::string& path) {
  struct stat real {};
  const struct group* const kvm = getgrnam("kvm");
  if (kvm == nullptr) return Fail("there is no group kvm");
  if (stat("/dev/kvm", &real) != 0) return FailErrno("/dev/kvm");
  if (mknod(path.c_str(), S_IFCHR, real.st_rdev) != 0 || chmod(path.c_str(), 0660) != 0 ||
      chown(path.c_str(), 0, kvm->gr_gid) != 0) {
    return FailErrno(path);
  }
  return Bind(path, "/dev/kvm");
}

// In the background: the command returns when its socket is there.
Status StartDaemon(const std::vector<std::string>& command) {
  const RunResult result = RunCommand(command);
  if (result.status == 0) return {};
  return Fail(command[0] + ": status " + std::to_string(result.status) + ": " + result.err);
}

Status StopDaemon(const std::string& pidfile) {
  const std::string text = ReadFile(pidfile);
  if (text.empty()) return Fail(pidfile + " is empty");
  const pid_t pid = std::stoi(text);
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return FailErrno("pidfd_open");
  if (kill(pid, SIGTERM) != 0) return FailErrno("kill");
  pollfd ended{pidfd.get(), POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(kReplyTime.count())) == 1) return {};
  return Fail("process " + std::to_string(pid) + " does not end");
}

}  // namespace

std::string WhyNoLibvirt() {
  if (geteuid() != 0) return "libvirt's system daemon needs root";
  for (const char* file : {"/usr/sbin/libvirtd", "/usr/sbin/virtlogd", "/usr/bin/virsh"}) {
    if (access(file, R_OK) != 0) return std::string(file) + " is not installed";
  }
  // Its profile lets libvirtd start programs of the system's folders alone, and this one is not.
  const std::string profiles = ReadFile("/sys/kernel/security/apparmor/profiles");
  const size_t libvirtd = profiles.find("libvirtd (enforce)");
  if (libvirtd != std::string::npos) return "AppArmor keeps libvirtd from davitd's folder";
  return WhyNoKvm();
}

std::string WhyNoEvents() {
  const std::string module = "/usr/lib/python3/dist-packages/libvirt.py";
  return access(module.c_str(), R_OK) == 0 ? "" : module + " is not installed";
}

Result<std::unique_ptr<LibvirtHost>> LibvirtHost::Start() {
  auto host = std::unique_ptr<LibvirtHost>(new LibvirtHost());
  DAVIT_TRY(host->MakeFolders());
  DAVIT_TRY(StartDaemon({"virtlogd", "-d", "-f", "/etc/libvirt/virtlogd.conf", "-p", kLogPid}));
  DAVIT_TRY(host->StartLibvirtd());
  return host;
}

Status LibvirtHost::MakeFolders() {
  std::error_code error;
  fs::permissions(dir_.path(), fs::perms(0755), error);
  for (const auto& [name, place] : kFolders) {
    fs::create_directory(dir_.File(name), error);
    if (error) return Fail(dir_.File(name) + ": " + error.message());
  }
  fs::create_directory(dir_.File("run/lock"), error);
  emulator_ = dir_.File("davitd");
  fs::copy_file(fs::canonical(DavitdPath(), error), emulator_, error);
  if (error) return Fail(emulator_ + ": " + error.message());
  std::ofstream(dir_.File("etc/qemu.conf")) << kQemuConf;
  std::ofstream(dir_.File("etc/libvirtd.conf")) << "auth_unix_rw = \"none\"\n";
  for (const char* name : {"etc/virtlogd.conf", "etc/libvirt.conf"}) {
    std::ofstream{dir_.File(name)};
  }
  for (const auto& [name, place] : kFolders) DAVIT_TRY(Bind(dir_.File(name), place));
  return MakeKvmNode(dir_.File("kvm"));
}

LibvirtHost::~LibvirtHost() {
  // The namespace ends what is left; a daemon that does not go is for the log.
  for (const char* pidfile : {kLibvirtPid, kLogPid}) {
    if (access(pidfile, F_OK) != 0) continue;  // it was not started
    if (Status stopped = StopDaemon(pidfile); !stopped) {
      ADD_FAILURE() << pidfile << ": " << stopped.error();
    }
  }
}

Status LibvirtHost::StartLibvirtd() {
  return StartDaemon({"libvirtd", "-d", "-f", "/etc/libvirt/libvirtd.conf", "-p", kLibvirtPid});
}

Status LibvirtHost::StopLibvirtd() { return StopDaemon(kLibvirtPid); }

std::string LibvirtHost::LogOf(const std::string& domain) const {
  return ReadFile("/var/log/libvirt/qemu/" + domain + ".log");
}

pid_t LibvirtHost::PidOf(const std::string& domain) const {
  const std::string text = ReadFile("/run/libvirt/qemu/" + domain + ".pid");
  return text.empty() ? -1 : std::stoi(text);
}

// --- virsh -------------------------------------------------------------------------------------

std::vector<std::string> VirshCommand(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"/usr/bin/virsh", "-q", "-c", "qemu:///system"});
  return arguments;
}

RunResult Virsh(std::vector<std::string> arguments) {
  constexpr milliseconds kLongest{240'000};  // twenty domains in one
  return RunCommand(VirshCommand(std::move(arguments)), kLongest);
}

std::string VirshOk(std::vector<std::string> arguments) {
  const std::string what = arguments[0];
  const RunResult result = Virsh(std::move(arguments));
  EXPECT_EQ(result.status, 0) << what << ": " << result.err;
  return result.out;
}

std::string VirshError(std::vector<std::string> arguments) {
  const std::string what = arguments[0];
  const RunResult result = Virsh(std::move(arguments));
  EXPECT_NE(result.status, 0) << what << ": " << result.out;
  return result.err;
}

std::string Field(const std::string& text, const std::string& key) {
  size_t at = text.find(key);
  if (at == std::string::npos) return "no " + key;
  at = text.find_first_not_of(' ', at + key.size());
  return text.substr(at, text.find('\n', at) - at);
}

// --- events ------------------------------------------------------------------------------------

Result<std::unique_ptr<DomainEvents>> DomainEvents::Listen(const std::string& log) {
  auto events = std::unique_ptr<DomainEvents>(new DomainEvents());
  DAVIT_ASSIGN(events->process_,
               Process::Start({"/usr/bin/python3", "tests/libvirt/events.py"}, log));
  events->lines_ = std::make_unique<Console>(events->process_->stdio());
  auto ready = events->lines_->WaitFor("listening", kReplyTime);
  if (!ready) return Fail(events->process_->Stderr() + ready.error().message);
  return events;
}

Status DomainEvents::WaitFor(const std::string& end) {
  auto seen = lines_->WaitForPrompt(end + "\n", kReplyTime);
  if (seen) return {};
  return Fail("no event '" + end + "': " + seen.error().message);
}

// --- guests ------------------------------------------------------------------------------------

Result<std::unique_ptr<DomainGuest>> DomainGuest::Open(const std::string& path) {
  auto guest = std::unique_ptr<DomainGuest>(new DomainGuest());
  guest->terminal_.reset(open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!guest->terminal_) return FailErrno(path);
  guest->console_ = std::make_unique<Console>(guest->terminal_.get());
  return guest;
}

Result<std::string> DomainGuest::Ask(char key, std::string_view answer) {
  console_->DropPending();
  DAVIT_TRY(Press(key));
  return console_->WaitFor(answer, kReplyTime);
}

Status DomainGuest::Press(char key) {
  if (write(terminal_.get(), &key, 1) != 1) return FailErrno("console");
  return {};
}

Result<std::string> DomainGuest::Tell(std::string_view command, std::string_view start) {
  const std::string line = std::string(command) + "\n";
  if (write(terminal_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return FailErrno("console");
  }
  return console_->WaitForLine(start, kReplyTime);
}

Status DomainGuest::Await(std::string_view line, milliseconds timeout) {
  DAVIT_TRY(console_->WaitFor(line, timeout));
  return {};
}

Result<std::string> DomainGuest::AwaitRest(std::string_view start) {
  return console_->WaitForLine(start, kReplyTime);
}

Status DomainGuest::AwaitReady() { return Await("ready, h for help"); }

}  // namespace davit::testing
