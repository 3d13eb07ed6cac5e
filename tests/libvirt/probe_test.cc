// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How libvirt 9.0 finds out what an emulator can do, byte for byte: the command line, the commands
// in its order, and of each answer what libvirt reads. Where an answer of another kind ends libvirt
// or its use of the binary, the comment says so.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <set>

#include "schema/runtime/json/json.h"
#include "tests/support/process.h"
#include "tests/support/vm.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

std::string Text(const json::Value& value) {
  const std::string* text = value.AsString();
  return text == nullptr ? "" : *text;
}

// The `key`s of the elements of a list.
std::set<std::string> Names(const json::Value& list, const char* key = "name") {
  std::set<std::string> names;
  const json::Array* array = list.AsArray();
  EXPECT_NE(array, nullptr);
  if (array == nullptr) return names;
  for (const json::Value& item : *array) names.insert(Text(item[key]));
  return names;
}

const json::Value& Named(const json::Value& list, const std::string& name,
                         const char* key = "name") {
  static const json::Value none;
  const json::Array* array = list.AsArray();
  if (array == nullptr) return none;
  for (const json::Value& item : *array) {
    if (item[key] == json::Value(name)) return item;
  }
  return none;
}

// The accelerators that it asks for: libvirt 9.0 to 11, and 12.
class LibvirtProbe : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    const RunResult parent =
        RunCommand({DavitdPath(), "-S", "-no-user-config", "-nodefaults", "-nographic", "-machine",
                    "none,accel=" + std::string(GetParam()), "-qmp",
                    "unix:" + dir_.File("qmp.monitor") + ",server=on,wait=off", "-pidfile",
                    dir_.File("qmp.pid"), "-daemonize"});
    ASSERT_EQ(parent.status, 0) << parent.err;
    EXPECT_EQ(parent.err, "");
    // Both are there as soon as the parent has ended.
    pid_ = std::stoi(ReadFile(dir_.File("qmp.pid")));
    guard_.emplace(pid_);
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    ASSERT_TRUE(pidfd_);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, dir_.File("qmp.monitor").c_str(), sizeof(address.sun_path) - 1);
    socket_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_TRUE(Line()["QMP"].is_object());
  }

  void TearDown() override {
    if (!pidfd_) return;
    kill(pid_, SIGTERM);
    pollfd ended{pidfd_.get(), POLLIN, 0};
    EXPECT_EQ(poll(&ended, 1, static_cast<int>(kPatience.count())), 1) << "SIGTERM does not end it";
  }

  // One line; libvirt takes it for one only when it ends with CR and LF.
  json::Value Line() {
    size_t end = 0;
    while ((end = input_.find("\r\n")) == std::string::npos) {
      char bytes[65536];
      pollfd ready{socket_.get(), POLLIN, 0};
      const ssize_t n = poll(&ready, 1, static_cast<int>(kPatience.count())) == 1
                            ? read(socket_.get(), bytes, sizeof(bytes))
                            : 0;
      if (n <= 0) {
        ADD_FAILURE() << "no line: " << input_.substr(0, 200);
        return {};
      }
      input_.append(bytes, static_cast<size_t>(n));
    }
    auto line = json::Parse(input_.substr(0, end));
    EXPECT_TRUE(line) << input_.substr(0, 200);
    input_.erase(0, end + 2);
    return line.value_or(json::Value());
  }

  json::Value Send(const std::string& command, const std::string& arguments) {
    const std::string id = "libvirt-" + std::to_string(++sent_);
    const std::string text = R"({"execute":")" + command + "\"" +
                             (arguments.empty() ? "" : ",\"arguments\":" + arguments) +
                             R"(,"id":")" + id + "\"}\r\n";
    EXPECT_EQ(send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    json::Value reply = Line();
    EXPECT_EQ(Text(reply["id"]), id);
    return reply;
  }

  json::Value Ask(const std::string& command, const std::string& arguments = "") {
    json::Value reply = Send(command, arguments);
    EXPECT_TRUE(reply["error"].is_null()) << command << ": " << Text(reply["error"]["desc"]);
    return reply["return"];
  }

  std::string ErrorClass(const std::string& command, const std::string& arguments = "") {
    return Text(Send(command, arguments)["error"]["class"]);
  }

  std::set<std::string> Properties(const std::string& command, const std::string& type) {
    return Names(Ask(command, R"({"typename":")" + type + "\"}"));
  }

  void CheckSchema();
  void CheckTypes();
  void CheckMachines();
  void CheckCpus();
  void CheckOptions();

  TempDir dir_;
  pid_t pid_ = -1;
  std::optional<KillGuard> guard_;
  UniqueFd pidfd_, socket_;
  std::string input_;
  int sent_ = 0;
};

// What makes libvirt write -device, -netdev and -object as JSON.
void LibvirtProbe::CheckSchema() {
  const json::Value schema = Ask("query-qmp-schema");
  const auto member = [&](const char* command, const char* name) {
    const std::string arguments = Text(Named(schema, command)["arg-type"]);
    return Text(Named(Named(schema, arguments)["members"], name)["type"]);
  };
  const auto values = [&](const std::string& type) {
    return Names(Named(schema, type)["members"]);
  };
  const json::Array* features = Named(schema, "device_add")["features"].AsArray();
  ASSERT_NE(features, nullptr);
  EXPECT_NE(std::find(features->begin(), features->end(), json::Value("json-cli-hotplug")),
            features->end());
  EXPECT_TRUE(values(member("netdev_add", "type")).contains("dgram"));
  EXPECT_TRUE(values(member("object-add", "qom-type")).contains("secret"));
  EXPECT_EQ(member("query-named-block-nodes", "flat"), "bool");
}

void LibvirtProbe::CheckTypes() {
  const std::set<std::string> types = Names(Ask("qom-list-types"));
  for (const char* needed :
       {"pcie-root-port", "virtio-blk-pci-non-transitional", "isa-serial", "virtio-rng-pci",
        "rng-random", "iothread", "memory-backend-memfd", "max-x86_64-cpu"}) {
    EXPECT_TRUE(types.contains(needed)) << needed;
  }
  // With it, libvirt probes a second time for accel=tcg.
  EXPECT_FALSE(types.contains("tcg-accel"));
  for (const char* type :
       {"virtio-blk-pci", "virtio-net-pci", "virtio-scsi-pci", "scsi-hd", "ICH9-LPC",
        "virtio-balloon-pci", "virtio-balloon-device", "pcie-root-port", "virtio-mem-pci"}) {
    EXPECT_FALSE(Properties("device-list-properties", type).empty()) << type;
  }
  EXPECT_TRUE(Properties("device-list-properties", "ICH9-LPC").contains("disable_s3"));
  EXPECT_TRUE(Properties("device-list-properties", "virtio-blk-pci").contains("queue-size"));
  EXPECT_TRUE(Properties("device-list-properties", "pcie-root-port").contains("hotplug"));
  // Another class than DeviceNotFound, and libvirt gives the binary up.
  for (const char* type : {"virtio-net-ccw", "ide-hd", "PIIX4_PM", "usb-host", "kvm-pit",
                           "virtio-balloon-ccw", "scsi-block", "scsi-generic"}) {
    EXPECT_EQ(ErrorClass("device-list-properties", R"({"typename":")" + std::string(type) + "\"}"),
              "DeviceNotFound")
        << type;
  }
  // An error, and libvirtd itself dies.
  EXPECT_FALSE(Properties("qom-list-properties", "memory-backend-file").contains("pmem"));
  EXPECT_TRUE(Properties("qom-list-properties", "memory-backend-memfd").contains("hugetlb"));
  const auto max = Properties("qom-list-properties", "max-x86_64-cpu");
  EXPECT_TRUE(max.contains("migratable") && max.contains("unavailable-features"));
  EXPECT_FALSE(Properties("qom-list-properties", "none-machine").empty());
  EXPECT_FALSE(Properties("qom-list-properties", "generic-pc-machine").empty());
}

void LibvirtProbe::CheckMachines() {
  const json::Value machines = Ask("query-machines");
  const json::Value& q35 = Named(machines, "pc-q35-7.2");
  EXPECT_EQ(Text(q35["alias"]), "q35");
  EXPECT_EQ(q35["hotpluggable-cpus"], json::Value(true));
  EXPECT_EQ(Text(q35["default-ram-id"]), "pc.ram");
  EXPECT_TRUE(q35["cpu-max"].is_integer());
  EXPECT_TRUE(Named(machines, "none").is_object());
}

void LibvirtProbe::CheckCpus() {
  // A GenericError, and libvirtd dies.
  const std::set<std::string> models = Names(Ask("query-cpu-definitions"));
  EXPECT_TRUE(models.contains("max") && models.contains("host"));
  const json::Value host =
      Ask("query-cpu-model-expansion", R"({"type":"static","model":{"name":"host"}})");
  EXPECT_EQ(host["model"]["props"]["sse2"], json::Value(true));
  EXPECT_TRUE(host["model"]["props"]["invtsc"].is_bool());
  EXPECT_TRUE(host["model"]["props"]["family"].is_integer());
  Ask("query-cpu-model-expansion",
      R"({"type":"static","model":{"name":"host","props":{"migratable":false}}})");
  // CommandNotFound, and libvirt gives the binary up.
  EXPECT_EQ(
      ErrorClass("query-cpu-model-expansion", R"({"type":"full","model":{"name":"host","props":)"
                                              R"({"migratable":false,"hv-passthrough":true}}})"),
      "GenericError");
}

void LibvirtProbe::CheckOptions() {
  const json::Value options = Ask("query-command-line-options");
  for (const char* name :
       {"machine", "smp-opts", "memory", "rtc", "boot-opts", "chardev", "fw_cfg"}) {
    EXPECT_TRUE(Named(options, name, "option")["parameters"].is_array()) << name;
  }
  EXPECT_FALSE(Named(options, "enable-fips", "option").is_object());
}

TEST_P(LibvirtProbe, EveryQuestionHasItsAnswer) {
  if (HasFatalFailure()) return;
  Ask("qmp_capabilities");
  const json::Value version = Ask("query-version");
  for (const char* part : {"major", "minor", "micro"}) {
    EXPECT_TRUE(version["qemu"][part].is_integer()) << part;
  }
  EXPECT_TRUE(version["package"].is_string());
  EXPECT_EQ(Text(Ask("query-target")["arch"]), "x86_64");
  CheckSchema();
  const std::set<std::string> commands = Names(Ask("query-commands"));
  for (const char* command : {"query-hotpluggable-cpus", "set-action", "query-cpu-definitions",
                              "query-cpu-model-expansion"}) {
    EXPECT_TRUE(commands.contains(command)) << command;
  }
  const json::Value kvm = Ask("query-kvm");
  EXPECT_EQ(kvm["enabled"], json::Value(true));
  EXPECT_EQ(kvm["present"], json::Value(true));
  CheckTypes();
  CheckMachines();
  CheckCpus();
  for (const char* command : {"query-tpm-models", "query-tpm-types"}) {
    EXPECT_EQ(ErrorClass(command), "CommandNotFound");
  }
  CheckOptions();
  // Others than `events` would be switched off before each save.
  EXPECT_EQ(Names(Ask("query-migrate-capabilities"), "capability"),
            std::set<std::string>{"events"});
  // At each start of a domain since libvirt 12.
  Ask("set-action", R"({"panic":"pause"})");
}

INSTANTIATE_TEST_SUITE_P(Versions, LibvirtProbe, ::testing::Values("kvm:tcg", "kvm:mshv:tcg"));

}  // namespace
}  // namespace davit::testing
