// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/support/vm.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace davit::testing {
namespace {

EndJudge end_judge;

Result<UniqueFd> Listen(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), 16) != 0) {
    return FailErrno(path);
  }
  return fd;
}

}  // namespace

std::string DavitdPath() {
  if (const char* path = std::getenv("DAVIT_DAVITD")) return path;
  if (const char* runfiles = std::getenv("TEST_SRCDIR")) {
    return std::string(runfiles) + "/davit/daemon/davitd";
  }
  return "bazel-bin/daemon/davitd";
}

std::string WhyNoKvm() {
  UniqueFd fd(open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (fd) return "";
  return std::string("/dev/kvm: ") + std::strerror(errno);
}

bool HasHardwareKvm() {
  if (!WhyNoKvm().empty()) return false;
  // Flags of the first processor; a nested host has them only when it passes virtualization on.
  const std::string cpuinfo = ReadFile("/proc/cpuinfo");
  const size_t from = cpuinfo.find("\nflags");
  const std::string flags = cpuinfo.substr(from, cpuinfo.find('\n', from + 1) - from) + " ";
  return flags.find(" vmx ") != std::string::npos || flags.find(" svm ") != std::string::npos;
}

Result<std::unique_ptr<Vm>> Vm::Start(VmOptions options) {
  auto vm = std::unique_ptr<Vm>(new Vm());
  DAVIT_ASSIGN(UniqueFd listener, Listen(vm->dir_.File("qmp")));
  std::vector<std::string> argv = {options.program};
  argv.insert(argv.end(), options.args.begin(), options.args.end());
  argv.insert(
      argv.end(),
      {"-chardev", "socket,id=testmon,server=on,wait=off,fd=" + std::to_string(listener.get()),
       "-mon", "chardev=testmon,mode=control"});
  if (options.serial_stdio) argv.insert(argv.end(), {"-serial", "stdio"});
  DAVIT_ASSIGN(vm->process_, Process::Start(argv, vm->dir_.File("stderr"), {listener.get()}));
  listener.reset();
  vm->console_ = std::make_unique<Console>(vm->process_->stdio());
  auto client = options.negotiate ? client::Client::Connect(vm->qmp_address(), options.timeout)
                                  : client::Client::Open(vm->qmp_address(), options.timeout);
  if (!client) {
    const std::string stderr_text = vm->process_->Stderr();
    vm->process_.reset();
    return Fail(options.program + ": " + client.error().message + "; its stderr:\n" + stderr_text);
  }
  vm->qmp_ = std::move(*client);
  return vm;
}

void SetEndJudge(const EndJudge& judge) { end_judge = judge; }

void EndVmm(Process& process) {
  if (end_judge.passing == nullptr || !end_judge.passing()) return;
  if (Status ended = process.End(kPatience); !ended) end_judge.failed(ended.error().message);
}

Vm::~Vm() {
  if (process_ != nullptr) EndVmm(*process_);
}

std::string Vm::RunState() {
  auto reply = qmp_->Execute("query-status");
  if (!reply) return reply.error().message;
  const std::string* status = (*reply)["status"].AsString();
  return status == nullptr ? "?" : *status;
}

}  // namespace davit::testing
