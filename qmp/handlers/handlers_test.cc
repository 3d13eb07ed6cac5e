// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Commands go in as JSON through the generated table, replies come out as JSON; the VM is a fake.
#include "qmp/handlers/handlers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "qmp/handlers/event_bridge.h"
#include "qmp/handlers/testing/fake_vm_control.h"
#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

class FakeContext final : public qapi::CommandContext {
 public:
  Result<UniqueFd> TakeFd() override {
    if (!next_fd) return Fail("No file descriptor supplied via SCM_RIGHTS");
    return std::move(next_fd);
  }
  qapi::NamedFds& named_fds() override { return named; }
  bool in_preconfig() const override { return false; }
  uint64_t session_id() const override { return 1; }

  UniqueFd next_fd;
  qapi::NamedFds named;
};

class HandlersTest : public testing::Test {
 protected:
  // The reply's text, or "Class: description".
  std::string Do(const std::string& command, const std::string& arguments = "{}") {
    const qapi::CommandEntry* entry = qapi::FindCommand(command);
    if (entry == nullptr) return "no such command";
    std::string reply;
    const qapi::Handlers handlers = set_.handlers();
    entry->invoke(handlers, context_, *json::Parse(arguments).value().AsObject(),
                  [&](Result<json::Value> result) {
                    reply = result ? json::Write(*result) : "error: " + result.error().message;
                  });
    return reply;
  }

  control::FakeVmControl vm_;
  control::FakeChardevs chardevs_;
  control::FakeBlocks blocks_;
  control::FakeNet net_;
  FdSets fd_sets_;
  FakeContext context_;
  HandlerSet set_{
      {vm_,
       chardevs_,
       blocks_,
       net_,
       fd_sets_,
       {{7, 2, 0}, "davit 0"},
       {{"smp-opts", {{"cpus", qapi::CommandLineParameterType::kNumber, {}, {}}}}, {"msg", {}}},
       {},
       {}}};
};

TEST_F(HandlersTest, EveryCommandHasAHandler) {
  for (const auto& entry : qapi::Commands()) {
    const std::string reply = Do(std::string(entry.name));
    EXPECT_EQ(reply.find("has not been found"), std::string::npos) << entry.name << reply;
  }
}

TEST_F(HandlersTest, Status) {
  EXPECT_EQ(Do("query-status"), R"({"status": "running", "singlestep": false, "running": true})");
  vm_.state = control::RunState::kInternalError;
  EXPECT_EQ(Do("query-status"),
            R"({"status": "internal-error", "singlestep": false, "running": false})");
}

TEST_F(HandlersTest, BalloonNeedsADeviceThenASize) {
  EXPECT_EQ(Do("balloon", R"({"value": 0})"), "error: No balloon device has been activated");
  vm_.balloon = 1 << 20;
  EXPECT_EQ(Do("balloon", R"({"value": 0})"), "error: Parameter 'target' expects a size");
  EXPECT_EQ(Do("balloon", R"({"value": 4096})"), "{}");
  EXPECT_EQ(vm_.calls, std::vector<std::string>{"balloon 4096"});
  EXPECT_EQ(Do("query-balloon"), R"({"actual": 1048576})");
}

TEST_F(HandlersTest, PropertiesOfEveryKindGoBothWays) {
  for (const char* value :
       {"true", "-5", "18446744073709551615", R"("text")", "[1, \"a\"]", R"({"a": {"b": 1}})"}) {
    const std::string arguments =
        fmt::format(R"({{"path": "dev0", "property": "p", "value": {}}})", value);
    EXPECT_EQ(Do("qom-set", arguments), "{}");
    EXPECT_EQ(Do("qom-get", R"({"path": "dev0", "property": "p"})"), value);
  }
  EXPECT_EQ(Do("qom-set", R"({"path": "dev0", "property": "p", "value": null})"),
            "error: Property 'p' takes neither null nor a fraction");
}

TEST_F(HandlersTest, VerbsReachTheVm) {
  for (const char* verb : {"stop", "cont", "system_reset", "system_powerdown", "system_wakeup",
                           "inject-nmi", "x-exit-preconfig", "quit"}) {
    EXPECT_EQ(Do(verb), "{}") << verb;
  }
  EXPECT_EQ(vm_.calls, (std::vector<std::string>{"stop", "cont", "reset", "powerdown", "wakeup",
                                                 "nmi", "exit-preconfig", "quit"}));
  EXPECT_EQ(vm_.quit_cause, control::ShutdownCause::kHostQmpQuit);
}

TEST_F(HandlersTest, ErrorsOfTheVmAreTheReply) {
  vm_.error = "Resetting the Virtual Machine is required";
  EXPECT_EQ(Do("cont"), "error: Resetting the Virtual Machine is required");
  EXPECT_EQ(Do("dumpdtb", R"({"filename": "/x"})"),
            "error: Resetting the Virtual Machine is required");
}

TEST_F(HandlersTest, SetActionChangesOnlyWhatIsGiven) {
  EXPECT_EQ(Do("set-action", R"({"panic": "exit-failure", "watchdog": "inject-nmi"})"), "{}");
  EXPECT_EQ(vm_.action_change.panic, control::PanicAction::kExitFailure);
  EXPECT_EQ(vm_.action_change.watchdog, control::WatchdogAction::kInjectNmi);
  EXPECT_FALSE(vm_.action_change.reboot);
  EXPECT_EQ(Do("watchdog-set-action", R"({"action": "pause"})"), "{}");
  EXPECT_EQ(vm_.action_change.watchdog, control::WatchdogAction::kPause);
  EXPECT_FALSE(vm_.action_change.panic);
  EXPECT_EQ(Do("set-action", R"({"reboot": "x"})"),
            "error: Parameter 'reboot' does not accept value 'x'");
}

TEST_F(HandlersTest, ThereIsNoJob) { EXPECT_EQ(Do("query-jobs"), "[]"); }

TEST_F(HandlersTest, MigrationCapabilitiesAreRemembered) {
  EXPECT_EQ(Do("query-migrate-capabilities"), R"([{"state": false, "capability": "events"}])");
  EXPECT_EQ(Do("migrate-set-capabilities",
               R"({"capabilities": [{"capability": "events", "state": true}]})"),
            "{}");
  EXPECT_EQ(Do("query-migrate-capabilities"), R"([{"state": true, "capability": "events"}])");
  EXPECT_EQ(Do("migrate-set-capabilities",
               R"({"capabilities": [{"capability": "xbzrle", "state": false}]})"),
            "error: Parameter 'capability' does not accept value 'xbzrle'");
}

TEST_F(HandlersTest, CpuModelsTakeAndGiveProperties) {
  EXPECT_EQ(Do("query-cpu-model-expansion",
               R"({"type": "static", "model": {"name": "host", "props": {"pmu": false}}})"),
            R"({"model": {"name": "base", "props": {"pmu": false, "family": 6}}})");
  EXPECT_EQ(Do("query-cpu-model-expansion", R"({"type": "full", "model": {"name": "max"}})"),
            R"({"model": {"name": "max", "props": {"family": 6}}})");
  EXPECT_EQ(
      Do("query-cpu-model-expansion", R"({"type": "full", "model": {"name": "max", "props": 7}})"),
      "error: Invalid parameter type for 'model.props', expected: object");
}

TEST_F(HandlersTest, NameIsLeftOutWhenThereIsNone) {
  EXPECT_EQ(Do("query-name"), "{}");
  vm_.vm_name = "web";
  EXPECT_EQ(Do("query-name"), R"({"name": "web"})");
}

TEST_F(HandlersTest, CpusHaveThreadAndPlace) {
  vm_.cpus.resize(1);
  EXPECT_EQ(Do("query-cpus-fast"),
            R"([{"thread-id": 100, "props": {"core-id": 0, "thread-id": 0, "socket-id": )"
            R"(0}, "qom-path": "/machine/unattached/device[0]", "cpu-index": 0, )"
            R"("target": "x86_64"}])");
}

TEST_F(HandlersTest, CpusNameTheirDieWhenThereAreSeveral) {
  vm_.cpus[0].topology.die = 0;
  EXPECT_NE(Do("query-cpus-fast").find(R"("die-id": 0)"), std::string::npos);
}

TEST_F(HandlersTest, HotpluggableCpusNameTheirPathWhenTheyAreThere) {
  vm_.cpu_slots = {{"host-x86_64-cpu", {1, 0, 2, 3}, ""},
                   {"host-x86_64-cpu", {0, std::nullopt, 0, 0}, "/machine/unattached/device[0]"}};
  EXPECT_EQ(Do("query-hotpluggable-cpus"),
            R"([{"props": {"core-id": 2, "thread-id": 3, "die-id": 0, "socket-id": 1}, )"
            R"("vcpus-count": 1, "type": "host-x86_64-cpu"}, )"
            R"({"props": {"core-id": 0, "thread-id": 0, "socket-id": 0}, "vcpus-count": 1, )"
            R"("qom-path": "/machine/unattached/device[0]", "type": "host-x86_64-cpu"}])");
}

TEST_F(HandlersTest, OspmStatusNamesTheDeviceWhenItHasAnId) {
  using Type = control::AcpiSlotStatus::Type;
  vm_.acpi_slots = {{Type::kDimm, "dimm1", "0", 1, 0x80}, {Type::kCpu, "", "3", 3, 0}};
  EXPECT_EQ(
      Do("query-acpi-ospm-status"),
      R"([{"device": "dimm1", "source": 1, "status": 128, "slot": "0", "slot-type": "DIMM"}, )"
      R"({"source": 3, "status": 0, "slot": "3", "slot-type": "CPU"}])");
}

TEST_F(HandlersTest, MachinesLeaveOutWhatTheyDoNotHave) {
  vm_.machine_types = {{.name = "none", .cpu_max = 1},
                       {.name = "microvm",
                        .is_default = true,
                        .cpu_max = 255,
                        .default_cpu_type = "host-x86_64-cpu",
                        .default_ram_id = "microvm.ram"}};
  EXPECT_EQ(Do("query-machines"),
            R"([{"hotpluggable-cpus": false, "name": "none", "numa-mem-supported": )"
            R"(false, "cpu-max": 1, "deprecated": false}, {"hotpluggable-cpus": false, )"
            R"("name": "microvm", "numa-mem-supported": false, "default-cpu-type": )"
            R"("host-x86_64-cpu", "is-default": true, "cpu-max": 255, "deprecated": )"
            R"(false, "default-ram-id": "microvm.ram"}])");
}

TEST_F(HandlersTest, SmallQueries) {
  EXPECT_EQ(Do("query-version"),
            R"({"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": "davit 0"})");
  EXPECT_EQ(Do("query-target"), R"({"arch": "x86_64"})");
  EXPECT_EQ(Do("query-kvm"), R"({"enabled": true, "present": true})");
  EXPECT_EQ(Do("query-uuid"), R"({"UUID": "550e8400-e29b-41d4-a716-446655440000"})");
  EXPECT_EQ(Do("query-current-machine"), R"({"wakeup-suspend-support": false})");
  EXPECT_EQ(Do("query-memory-size-summary"), R"({"base-memory": 1048576, "plugged-memory": 0})");
  EXPECT_EQ(Do("query-iothreads"), "[]");
  EXPECT_EQ(Do("query-chardev-backends"), R"([{"name": "null"}, {"name": "socket"}])");
}

TEST_F(HandlersTest, Memdevs) {
  vm_.memdevs = {{.id = "m",
                  .size = 4096,
                  .share = true,
                  .reserve = true,
                  .host_nodes = {1},
                  .policy = "bind"}};
  EXPECT_EQ(Do("query-memdev"),
            R"([{"share": true, "reserve": true, "prealloc": false, "host-nodes": [1], )"
            R"("size": 4096, "merge": true, "dump": true, "policy": "bind", "id": "m"}])");
}

TEST_F(HandlersTest, MemoryDevices) {
  EXPECT_EQ(Do("query-memory-devices"), "[]");
  control::MemoryDeviceInfo dimm;
  dimm.id = "d";
  dimm.memdev = "/objects/m";
  dimm.address = 4294967296;
  dimm.size = 4096;
  dimm.slot = 1;
  dimm.hotplugged = true;
  vm_.memory_devices = {dimm};
  EXPECT_EQ(Do("query-memory-devices"),
            R"([{"type": "dimm", "data": {"memdev": "/objects/m", "hotplugged": true, )"
            R"("addr": 4294967296, "hotpluggable": true, "size": 4096, "slot": 1, "node": 0, )"
            R"("id": "d"}}])");
}

TEST_F(HandlersTest, ObjectAddHandsOverTypedProperties) {
  EXPECT_EQ(
      Do("object-add", R"({"share": true, "qom-type": "memory-backend-ram", "host-nodes": [0, 2], )"
                       R"("size": 4096, "policy": "bind", "id": "m"})"),
      "{}");
  EXPECT_EQ(vm_.added.qom_type, "memory-backend-ram");
  EXPECT_EQ(vm_.added.id, "m");
  const auto property = [&](std::string_view name) -> control::PropertyValue {
    for (const auto& [key, value] : vm_.added.properties) {
      if (key == name) return value;
    }
    return {};
  };
  EXPECT_EQ(vm_.added.properties.size(), 4u);
  EXPECT_EQ(std::get<uint64_t>(property("size").value), 4096u);
  EXPECT_TRUE(std::get<bool>(property("share").value));
  EXPECT_EQ(std::get<std::string>(property("policy").value), "bind");
  EXPECT_EQ(std::get<control::PropertyList>(property("host-nodes").value).size(), 2u);
}

TEST_F(HandlersTest, ObjectAddIsStrict) {
  EXPECT_EQ(Do("object-add", R"({"qom-type": "memory-backend-ram", "size": "4K", "id": "m"})"),
            "error: Parameter 'size' expects uint64");
  EXPECT_EQ(Do("object-add", R"({"qom-type": "foo", "id": "m"})"),
            "error: Parameter 'qom-type' does not accept value 'foo'");
  EXPECT_TRUE(vm_.calls.empty());
}

TEST_F(HandlersTest, DeviceListPropertiesHasTypesAndDefaults) {
  const std::string text = Do("device-list-properties", R"({"typename": "virtio-rng-pci"})");
  EXPECT_TRUE(text.starts_with(R"([{"default-value": -1, "name": "addr", "description": ")"))
      << text;
  EXPECT_NE(text.find(R"({"default-value": 65536, "name": "period", )"), std::string::npos) << text;
  EXPECT_NE(text.find(R"({"name": "rng", "description": ")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("type": "link<rng-backend>"})"), std::string::npos) << text;
}

TEST_F(HandlersTest, DeviceListPropertiesOfNoDevice) {
  for (const char* name : {"xyz", "virtio-rng"}) {
    const std::string text =
        Do("device-list-properties", "{\"typename\": \"" + std::string(name) + "\"}");
    EXPECT_EQ(text, "error: Device '" + std::string(name) + "' not found");
  }
}

TEST_F(HandlersTest, HumanMonitorCommandReturnsItsText) {
  EXPECT_EQ(Do("human-monitor-command", R"({"command-line": "info status"})"),
            R"("VM status: running\r\n")");
  EXPECT_EQ(Do("human-monitor-command", R"({"command-line": "info version"})"),
            R"("7.2.0davit 0\r\n")");
  EXPECT_EQ(Do("human-monitor-command", R"({"command-line": "x", "cpu-index": 9})"),
            "error: Parameter 'cpu-index' expects a CPU number");
}

TEST_F(HandlersTest, CommandLineOptionsAllOrOne) {
  EXPECT_EQ(Do("query-command-line-options", R"({"option": "smp-opts"})"),
            R"([{"parameters": [{"name": "cpus", "type": "number"}], "option": )"
            R"("smp-opts"}])");
  EXPECT_NE(Do("query-command-line-options").find(R"({"parameters": [], "option": "msg"})"),
            std::string::npos);
  EXPECT_EQ(Do("query-command-line-options", R"({"option": "foo"})"),
            "error: invalid option name: foo");
}

TEST_F(HandlersTest, FdCommands) {
  EXPECT_EQ(Do("getfd", R"({"fdname": "a"})"), "error: No file descriptor supplied via SCM_RIGHTS");
  context_.next_fd.reset(open("/dev/null", O_RDONLY));
  EXPECT_EQ(Do("getfd", R"({"fdname": "a"})"), "{}");
  EXPECT_EQ(Do("closefd", R"({"fdname": "a"})"), "{}");
  EXPECT_EQ(Do("closefd", R"({"fdname": "a"})"), "error: File descriptor named 'a' not found");
  context_.next_fd.reset(open("/dev/null", O_RDONLY));
  EXPECT_TRUE(Do("add-fd", R"({"fdset-id": 3, "opaque": "x"})").ends_with(R"(, "fdset-id": 3})"));
  EXPECT_NE(Do("query-fdsets").find(R"("opaque": "x")"), std::string::npos);
  EXPECT_EQ(Do("remove-fd", R"({"fdset-id": 4})"),
            "error: File descriptor named 'fdset-id:4' not found");
}

TEST_F(HandlersTest, SchemaIsAnArrayWithEachCommand) {
  const std::string text = Do("query-qmp-schema");
  EXPECT_EQ(Do("query-qmp-schema"), text);
  const json::Value schema = json::Parse(text).value();
  ASSERT_NE(schema.AsArray(), nullptr);
  size_t commands = 0;
  for (const json::Value& row : *schema.AsArray()) {
    commands += row["meta-type"] == json::Value("command");
  }
  EXPECT_EQ(commands, qapi::Commands().size());
}

TEST(EventBridgeTest, ReasonsAndWhoCausedIt) {
  qapi::Event event = ToQapiEvent(control::ShutdownEvent{control::ShutdownCause::kGuestShutdown});
  EXPECT_EQ(event.name, "SHUTDOWN");
  EXPECT_EQ(json::Write(event.data), R"({"guest": true, "reason": "guest-shutdown"})");
  event = ToQapiEvent(control::ResetEvent{control::ShutdownCause::kHostQmpSystemReset});
  EXPECT_EQ(json::Write(event.data), R"({"guest": false, "reason": "host-qmp-system-reset"})");
  EXPECT_FALSE(ToQapiEvent(control::StopEvent{}).has_data);
  using Panicked = control::GuestPanickedEvent;
  for (const auto& [action, text] : {std::pair(Panicked::Action::kPause, "pause"),
                                     {Panicked::Action::kPoweroff, "poweroff"},
                                     {Panicked::Action::kRun, "run"}}) {
    EXPECT_EQ(json::Write(ToQapiEvent(Panicked{action}).data["action"]),
              fmt::format("\"{}\"", text));
  }
}

TEST_F(HandlersTest, PciHasTheMembersOfQemu) {
  control::PciDevice port{.slot = 1,
                          .class_code = 0x0604,
                          .class_text = "PCI bridge",
                          .vendor = 0x1b36,
                          .device = 0x000c,
                          .pin = 1,
                          .irq = 10,
                          .id = "rp",
                          .regions = {{.bar = 0, .size = 0x1000},
                                      {.bar = 4, .io = true, .size = 0x20, .address = 0xc180}},
                          .bridge = control::PciBridge{.memory = {0xfff00000, 0xfffff}}};
  vm_.pci = {{.number = 0, .devices = {port}}};
  EXPECT_EQ(Do("query-pci"),
            R"([{"bus": 0, "devices": [{"irq_pin": 1, "bus": 0, "pci_bridge": {"bus": )"
            R"({"prefetchable_range": {"limit": 0, "base": 0}, )"
            R"("memory_range": {"limit": 1048575, "base": 4293918720}, "secondary": 0, )"
            R"("io_range": {"limit": 0, "base": 0}, "number": 0, "subordinate": 0}}, )"
            R"("qdev_id": "rp", "irq": 10, "slot": 1, )"
            R"("class_info": {"class": 1540, "desc": "PCI bridge"}, )"
            R"("id": {"device": 12, "vendor": 6966}, "function": 0, "regions": [)"
            R"({"prefetch": false, "mem_type_64": false, "bar": 0, "size": 4096, )"
            R"("address": -1, "type": "memory"}, )"
            R"({"bar": 4, "size": 32, "address": 49536, "type": "io"}]}]}])");
}

TEST_F(HandlersTest, RingbufCarriesTextAndBase64) {
  EXPECT_EQ(Do("ringbuf-write", R"({"device": "r", "data": "hello"})"), "{}");
  EXPECT_EQ(Do("ringbuf-write", R"({"device": "r", "data": "/wBh\n", "format": "base64"})"), "{}");
  EXPECT_EQ(chardevs_.ring, std::string("hello\xff\0a", 8));
  EXPECT_EQ(Do("ringbuf-read", R"({"device": "r", "size": 5})"), "\"hello\"");
  EXPECT_EQ(Do("ringbuf-read", R"({"device": "r", "size": 6, "format": "base64"})"),
            "\"aGVsbG//\"");
  EXPECT_EQ(Do("ringbuf-read", R"({"device": "r", "size": 4, "format": "base64"})"),
            "\"aGVsbA==\"");
  EXPECT_EQ(Do("ringbuf-read", R"({"device": "r", "size": 0})"),
            "error: size must be greater than zero");
  EXPECT_EQ(Do("ringbuf-write", R"({"device": "r", "data": "_w==", "format": "base64"})"),
            "error: Base64 data contains invalid characters");
  chardevs_.error = "n is not a ringbuf device";
  EXPECT_EQ(Do("ringbuf-read", R"({"device": "n", "size": 0})"),
            "error: n is not a ringbuf device");
}

TEST_F(HandlersTest, ChardevBackendsBecomeKeysOfTheOption) {
  const auto add = [&](const std::string& type, const std::string& data) {
    chardevs_.calls.clear();
    const std::string reply = Do("chardev-add", R"({"id": "a", "backend": {"type": ")" + type +
                                                    R"(", "data": )" + data + "}}");
    return chardevs_.calls.empty() ? reply : chardevs_.calls[0];
  };
  EXPECT_EQ(add("null", "{}"), "add a null");
  EXPECT_EQ(add("file", R"({"out": "/x", "append": true})"), "add a file,path=/x,append=on");
  EXPECT_EQ(add("ringbuf", R"({"size": 8})"), "add a ringbuf,size=8");
  EXPECT_EQ(add("mux", R"({"chardev": "b"})"), "add a mux,chardev=b");
  EXPECT_EQ(add("socket", R"({"addr": {"type": "unix", "data": {"path": "/s"}}})"),
            "add a socket,server=on,wait=off,path=/s");
  EXPECT_EQ(add("socket", R"({"addr": {"type": "inet", "data": {"host": "h", "port": "1"}},
                              "server": false, "reconnect": 2})"),
            "add a socket,server=off,reconnect=2,host=h,port=1");
  EXPECT_EQ(add("socket", R"({"addr": {"type": "fd", "data": {"str": "nofd"}}})"),
            "error: Failed to add chardev 'a': File descriptor named 'nofd' has not been found");
  EXPECT_EQ(add("udp", R"({"remote": {"type": "inet", "data": {"host": "h", "port": "1"}},
                           "local": {"type": "inet", "data": {"host": "", "port": "2"}}})"),
            "add a udp,host=h,port=1,localaddr=,localport=2");
  EXPECT_EQ(add("udp", R"({"remote": {"type": "unix", "data": {"path": "/x"}}})"),
            "error: Failed to add chardev 'a': socket type unsupported for datagram");
  EXPECT_EQ(add("ringbuf", R"({"size": -8})"),
            "error: Failed to add chardev 'a': size of ringbuf chardev must be power of two");
}

TEST_F(HandlersTest, ChardevCommands) {
  chardevs_.filename = "pty:/dev/pts/7";
  const std::string pty = R"({"id": "a", "backend": {"type": "pty", "data": {}}})";
  EXPECT_EQ(Do("chardev-add", pty), R"({"pty": "/dev/pts/7"})");
  EXPECT_EQ(Do("chardev-change", pty), R"({"pty": "/dev/pts/7"})");
  EXPECT_EQ(Do("chardev-remove", R"({"id": "a"})"), "{}");
  EXPECT_EQ(Do("chardev-send-break", R"({"id": "a"})"), "{}");
  EXPECT_EQ(chardevs_.calls,
            (std::vector<std::string>{"add a pty", "change a pty", "remove a", "break a"}));
  EXPECT_EQ(Do("chardev-add", R"({"id": "serial0", "backend": {"type": "pty", "data": {}}})"),
            "error: Chardev with id 'serial0' already exists");
}

TEST_F(HandlersTest, ChardevChangeLooksAtTheIdFirst) {
  const auto change = [this](const std::string& id, const std::string& type,
                             const std::string& data) {
    return Do("chardev-change", R"({"id": ")" + id + R"(", "backend": {"type": ")" + type +
                                    R"(", "data": )" + data + "}}");
  };
  const std::string fd = R"({"addr": {"type": "fd", "data": {"str": "f"}}, "server": false})";
  const std::string bad = R"({"remote": {"type": "unix", "data": {"path": "/x"}}})";
  ASSERT_TRUE(context_.named.Set("f", UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC))));
  EXPECT_EQ(change("nope", "socket", fd), "error: Chardev 'nope' does not exist");
  EXPECT_EQ(change("nope", "udp", bad), "error: Chardev 'nope' does not exist");
  EXPECT_EQ(context_.named.size(), 1u);
  EXPECT_EQ(change("a", "udp", bad),
            "error: Failed to add chardev 'a': socket type unsupported for datagram");
  EXPECT_EQ(change("a", "socket", fd), "{}");
  EXPECT_EQ(context_.named.size(), 0u);
  EXPECT_EQ(change("a", "socket", fd),
            "error: Failed to add chardev 'a': File descriptor named 'f' has not been found");
}

TEST_F(HandlersTest, NetdevMembersReachTheMachineFlat) {
  EXPECT_EQ(Do("netdev_add", R"({"type": "stream", "id": "s", "server": true,
                                 "addr": {"type": "unix", "path": "/x"}})"),
            "{}");
  EXPECT_EQ(net_.added.type, "stream");
  EXPECT_EQ(net_.added.id, "s");
  const auto text = [&](const std::string& name) {
    for (const auto& [key, value] : net_.added.properties) {
      if (key != name) continue;
      if (const auto* list = std::get_if<control::PropertyList>(&value.value)) {
        return std::get<std::string>(list->at(0).value);
      }
      return std::get<std::string>(value.value);
    }
    return std::string("none");
  };
  EXPECT_EQ(text("addr.type"), "unix");
  EXPECT_EQ(text("addr.path"), "/x");
  EXPECT_EQ(Do("netdev_add", R"({"type": "user", "id": "u", "hostfwd": [{"str": "tcp::1-:2"}]})"),
            "{}");
  EXPECT_EQ(text("hostfwd"), "tcp::1-:2");
  EXPECT_EQ(Do("netdev_add", R"({"type": "user", "id": "1a"})"),
            "error: Parameter 'id' expects an identifier");
  EXPECT_EQ(Do("netdev_add", R"({"type": "vde", "id": "v"})"),
            "error: Parameter 'type' does not accept value 'vde'");
}

TEST_F(HandlersTest, NetdevTakesADescriptorByName) {
  net_.fd_name = "tap0";
  EXPECT_EQ(Do("netdev_add", R"({"type": "tap", "id": "t", "fd": "tap0"})"),
            "error: File descriptor named 'tap0' has not been found");
  ASSERT_TRUE(context_.named.Set("tap0", UniqueFd(dup(0))));
  EXPECT_EQ(Do("netdev_add", R"({"type": "tap", "id": "t", "fd": "tap0"})"), "{}");
  EXPECT_TRUE(net_.fd);
  EXPECT_EQ(context_.named.size(), 0U);
}

TEST_F(HandlersTest, ReceiveFilterMemberForMember) {
  EXPECT_EQ(Do("query-rx-filter", R"({"name": "net0"})"),
            R"([{"promiscuous": false, "name": "net0", "main-mac": "52:54:00:12:34:56", )"
            R"("unicast": "all", "vlan": "all", "vlan-table": [7, 3], "unicast-table": [], )"
            R"("multicast": "none", "multicast-overflow": false, "unicast-overflow": false, )"
            R"("multicast-table": ["01:00:5e:00:00:01"], "broadcast-allowed": true}])");
  EXPECT_EQ(Do("query-rx-filter", R"({"name": "x"})"), "error: invalid net client name: x");
}

TEST_F(HandlersTest, Announcements) {
  EXPECT_EQ(Do("announce-self", R"({"initial": 50, "max": 550, "rounds": 5, "step": 100})"), "{}");
  EXPECT_EQ(Do("announce-self", R"({"initial": 1, "max": 2, "rounds": 3, "step": 4, "id": "x",
                                    "interfaces": ["n0", "n1"]})"),
            "{}");
  EXPECT_EQ(net_.calls,
            (std::vector<std::string>{"announce 50 550 5 100 all", "announce 1 2 3 4 n0 n1 as x"}));
}

TEST_F(HandlersTest, LinksAndRemoval) {
  EXPECT_EQ(Do("set_link", R"({"name": "net0", "up": false})"), "{}");
  EXPECT_EQ(Do("netdev_del", R"({"id": "hostnet0"})"), "{}");
  EXPECT_EQ(Do("netdev_del", R"({"id": "x"})"), "error: Device 'x' not found");
  EXPECT_EQ(net_.calls, (std::vector<std::string>{"set_link net0 off", "netdev_del hostnet0"}));
}

}  // namespace
}  // namespace davit::qmp
