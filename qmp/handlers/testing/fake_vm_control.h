// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// VmControl of tests: public fields are what it answers, `calls` is what it was told.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vmm/control/block_control.h"
#include "vmm/control/chardev_control.h"
#include "vmm/control/net_control.h"
#include "vmm/control/vm_control.h"

namespace davit::control {

class FakeVmControl final : public VmControl {
 public:
  RunState run_state() const override { return state; }
  bool in_preconfig() const override { return preconfig; }
  Status ExitPreconfig() override { return Did("exit-preconfig"); }
  Status Stop() override { return Did("stop"); }
  Status Cont() override { return Did("cont"); }
  Status SystemReset() override { return Did("reset"); }
  Status SystemPowerdown() override { return Did("powerdown"); }
  Status SystemWakeup() override { return Did("wakeup"); }
  void Quit(ShutdownCause cause) override {
    calls.push_back("quit");
    quit_cause = cause;
  }
  Status InjectNmi() override { return Did("nmi"); }
  ActionPolicy actions() const override { return {}; }
  void SetActions(const ActionChange& change) override {
    calls.push_back("set-actions");
    action_change = change;
  }
  std::string name() const override { return vm_name; }
  std::string uuid() const override { return "550e8400-e29b-41d4-a716-446655440000"; }
  bool kvm_enabled() const override { return true; }
  bool kvm_present() const override { return true; }
  std::string machine_type() const override { return "microvm"; }
  bool wakeup_suspend_support() const override { return false; }
  std::vector<CpuInfo> Cpus() const override { return cpus; }
  Result<std::vector<HotpluggableCpu>> HotpluggableCpus() const override { return cpu_slots; }
  Result<std::vector<AcpiSlotStatus>> AcpiOspmStatus() const override { return acpi_slots; }
  Result<std::vector<CpuRegisters>> Registers() const override { return registers; }
  std::vector<CpuDefinition> CpuDefinitions() const override { return cpu_definitions; }
  Result<CpuModelInfo> ExpandCpuModel(const CpuModelInfo& model,
                                      CpuModelExpansion kind) const override {
    CpuModelInfo info = model;
    if (kind == CpuModelExpansion::kStatic) info.name = "base";
    info.props.push_back({"family", {uint64_t{6}}});
    return info;
  }
  std::vector<MachineTypeInfo> MachineTypes() const override { return machine_types; }
  MemorySizeSummary MemorySize() const override { return {1 << 20, 0}; }
  std::vector<MemoryDeviceInfo> MemoryDevices() const override { return memory_devices; }
  std::vector<MemdevInfo> Memdevs() const override { return memdevs; }
  std::vector<NumaNodeInfo> NumaNodes() const override { return numa_nodes; }
  Status SetNumaNode(const NumaOption& option) override {
    numa_option = option;
    return Did("set-numa-node " + std::to_string(option.index()));
  }
  std::vector<IoThreadInfo> IoThreads() const override { return {}; }
  QtreeNode::Bus Qtree() const override { return qtree; }
  std::vector<PciBus> Pci() override { return pci; }
  Status DumpDtb(const std::string& path) override { return Did("dumpdtb " + path); }
  Status SetBalloon(uint64_t target_bytes) override {
    return Did("balloon " + std::to_string(target_bytes));
  }
  Result<uint64_t> BalloonActual() const override {
    if (balloon) return *balloon;
    return Fail(ErrorCode::kDeviceNotActive, "No balloon device has been activated");
  }
  Result<QomObject> QomFind(const std::string& path) const override {
    if (path != "dev0") return NoDevice(path);
    QomObject object{qom_type, "dev0", {{"type", "string"}}};
    for (const auto& [name, value] : properties) object.properties.push_back({name, "int"});
    return object;
  }
  Result<std::optional<PropertyValue>> QomGet(const std::string& path,
                                              const std::string& property) const override {
    if (path != "dev0") return NoDevice(path);
    if (const auto it = unlisted.find(property); it != unlisted.end()) return it->second;
    const auto it = properties.find(property);
    if (it == properties.end()) return std::nullopt;
    return it->second;
  }
  Status QomSet(const std::string& path, const std::string& property,
                const PropertyValue& value) override {
    if (path != "dev0") return NoDevice(path);
    properties[property] = value;
    return Did("qom-set " + path + "." + property);
  }
  Status DeviceAdd(const DeviceSpec& spec) override {
    plugged = spec;
    return Did("device_add " + spec.driver + " " + spec.id);
  }
  Status DeviceDel(const std::string& id) override { return Did("device_del " + id); }
  Status ObjectAdd(const ObjectSpec& spec) override {
    added = spec;
    return Did("object-add " + spec.id);
  }
  Status ObjectDel(const std::string& id) override { return Did("object-del " + id); }

  RunState state = RunState::kRunning;
  bool preconfig = false;
  std::string vm_name;
  std::vector<CpuInfo> cpus{{0, 100, "/machine/unattached/device[0]", {}},
                            {1, 101, "/machine/unattached/device[1]", {0, std::nullopt, 1, 0}}};
  std::vector<HotpluggableCpu> cpu_slots;
  std::vector<AcpiSlotStatus> acpi_slots;
  std::vector<CpuRegisters> registers{{.index = 0}, {.index = 1}};
  std::vector<CpuDefinition> cpu_definitions;
  std::vector<MachineTypeInfo> machine_types;
  std::vector<MemdevInfo> memdevs;
  std::vector<NumaNodeInfo> numa_nodes;
  NumaOption numa_option;
  std::vector<MemoryDeviceInfo> memory_devices;
  QtreeNode::Bus qtree;
  std::vector<PciBus> pci;
  std::optional<uint64_t> balloon;                  // actual; nullopt: no device
  std::string qom_type = "fake";                    // of dev0
  std::map<std::string, PropertyValue> properties;  // of dev0
  std::map<std::string, PropertyValue> unlisted;    // its values of the schema's properties
  std::string error;                                // not empty: what verbs fail with
  std::vector<std::string> calls;
  ShutdownCause quit_cause = ShutdownCause::kNone;
  ActionChange action_change;
  ObjectSpec added;
  DeviceSpec plugged;

 private:
  static tl::unexpected<Error> NoDevice(const std::string& path) {
    return Fail(ErrorCode::kDeviceNotFound, "Device '" + path + "' not found");
  }
  Status Did(std::string call) {
    calls.push_back(std::move(call));
    if (!error.empty()) return Fail(error);
    return {};
  }
};

class FakeBlocks final : public BlockControl {
 public:
  Status AddNode(const BlockNodeSpec& spec) override {
    added = spec;
    return Did("blockdev-add " + spec.node_name);
  }
  Status RemoveNode(const std::string& name) override { return Did("blockdev-del " + name); }
  Status ReopenNodes(const std::vector<BlockNodeSpec>& specs) override {
    std::string call = "blockdev-reopen";
    for (const BlockNodeSpec& spec : specs) call += " " + spec.node_name;
    return Did(std::move(call));
  }
  Status AddDrive(const DriveSpec& spec) override { return Did("drive " + spec.id); }
  Status AddDriveText(const std::string& text) override { return Did("drive_add " + text); }
  Status RemoveDrive(const std::string& id) override { return Did("drive_del " + id); }
  std::vector<BlockNodeInfo> Nodes() const override { return nodes; }
  std::vector<BlockDiskInfo> Disks() const override { return disks; }
  Status Resize(const std::string& device, const std::string& node, int64_t size) override {
    return Did("block_resize " + device + node + " " + std::to_string(size));
  }
  Status SetLimits(const BlockDiskName& disk, const BlockLimits& given) override {
    limits = given;
    return Did("limits " + Text(disk));
  }
  Status OpenTray(const BlockDiskName& disk, bool force) override {
    return Did("open-tray " + Text(disk) + Text(force));
  }
  Status CloseTray(const BlockDiskName& disk) override { return Did("close-tray " + Text(disk)); }
  Status InsertMedium(const BlockDiskName& disk, const std::string& node) override {
    return Did("insert " + Text(disk) + " " + node);
  }
  Status RemoveMedium(const BlockDiskName& disk) override { return Did("remove " + Text(disk)); }
  Status Eject(const BlockDiskName& disk, bool force) override {
    return Did("eject " + Text(disk) + Text(force));
  }
  Status ChangeMedium(const BlockDiskName& disk, const BlockMedium& medium, bool force) override {
    return Did("change " + Text(disk) + " " + medium.filename + " " + medium.format.value_or("-") +
               " " + std::to_string(static_cast<int>(medium.mode)) + Text(force));
  }

  std::vector<BlockNodeInfo> nodes;
  std::vector<BlockDiskInfo> disks;
  BlockNodeSpec added;
  BlockLimits limits;
  std::string error;  // of all that follows; empty: none
  std::vector<std::string> calls;

 private:
  // "device:x" or "id:x"
  static std::string Text(const BlockDiskName& disk) {
    return (disk.device ? "device:" + *disk.device : "") + (disk.id ? "id:" + *disk.id : "");
  }
  static std::string Text(bool force) { return force ? " force" : ""; }
  Status Did(std::string call) {
    if (!error.empty()) return Fail(error);
    calls.push_back(std::move(call));
    return {};
  }
};

class FakeChardevs final : public ChardevControl {
 public:
  std::vector<ChardevInfo> Chardevs() const override {
    return {{"serial0", "null", true}, {"compat_monitor0", "unix:/q,server=on", true}};
  }
  std::vector<std::string> Backends() const override { return {"null", "socket"}; }
  Result<std::string> Add(const std::string& id, ChardevParams params) override {
    return Made("add", id, params);
  }
  Result<std::string> Change(const std::string& id, ChardevParams params) override {
    return Made("change", id, params);
  }
  Status CheckChange(const std::string& id) const override {
    if (id == "nope") return Fail("Chardev 'nope' does not exist");
    return {};
  }
  Status AddText(const std::string& text) override { return Did("add " + text); }
  Status ChangeText(const std::string& id, const std::string& text) override {
    return Did("change " + id + " " + text);
  }
  Status Remove(const std::string& id) override { return Did("remove " + id); }
  Status SendBreak(const std::string& id) override { return Did("break " + id); }
  Result<std::string> RingbufRead(const std::string& id, uint64_t size) override {
    DAVIT_TRY(Did("read " + id));
    return ring.substr(0, size);
  }
  Status RingbufWrite(const std::string& id, std::span<const std::byte> data) override {
    DAVIT_TRY(Did("write " + id));
    for (const std::byte b : data) ring += static_cast<char>(b);
    return {};
  }

  std::vector<std::string> calls;
  std::string error;              // of all that follows; empty: none
  std::string filename = "null";  // of what is made
  std::string ring;

 private:
  Status Did(std::string what) {
    if (!error.empty()) return Fail(error);
    calls.push_back(std::move(what));
    return {};
  }
  Result<std::string> Made(const std::string& verb, const std::string& id,
                           const ChardevParams& params) {
    std::string what = verb + " " + id + " " + params.backend;
    for (const auto& [key, value] : params.values) what += "," + key + "=" + value;
    DAVIT_TRY(Did(std::move(what)));
    return filename;
  }
};

class FakeNet final : public NetControl {
 public:
  Status NetdevAdd(const NetdevSpec& spec, const NamedFdSource& named_fds) override {
    added = spec;
    if (fd_name.empty()) return {};
    DAVIT_ASSIGN(fd, named_fds(fd_name));
    return {};
  }
  Status NetdevDel(const std::string& id) override {
    if (id != "hostnet0") {
      return Fail(ErrorCode::kDeviceNotFound, "Device '" + id + "' not found");
    }
    calls.push_back("netdev_del " + id);
    return {};
  }
  Status SetLink(const std::string& name, bool up) override {
    calls.push_back("set_link " + name + (up ? " on" : " off"));
    return {};
  }
  Status Announce(const AnnounceRequest& request) override {
    std::string call = "announce";
    for (int64_t n : {request.initial, request.max, request.rounds, request.step}) {
      call += " " + std::to_string(n);
    }
    if (!request.interfaces) call += " all";
    for (const auto& name : request.interfaces.value_or(std::vector<std::string>())) {
      call += " " + name;
    }
    calls.push_back(call + (request.id.empty() ? "" : " as " + request.id));
    return {};
  }
  Result<std::vector<RxFilterInfo>> RxFilters(const std::optional<std::string>& name) override {
    if (name && *name != "net0") return Fail("invalid net client name: " + *name);
    RxFilterInfo info;
    info.name = "net0";
    info.unicast = RxState::kAll;
    info.multicast = RxState::kNone;
    info.main_mac = "52:54:00:12:34:56";
    info.vlan_table = {7, 3};
    info.multicast_table = {"01:00:5e:00:00:01"};
    return std::vector<RxFilterInfo>{info};
  }
  std::vector<NetClientInfo> NetClients() const override {
    return {{"net0", 0, "nic", "model=virtio-net-pci,macaddr=52:54:00:12:34:56"},
            {"hostnet0", 0, "user", "net=10.0.2.0,restrict=off", true}};
  }

  NetdevSpec added;
  std::string fd_name;  // not empty: what netdev_add asks for
  UniqueFd fd;
  std::vector<std::string> calls;
};

}  // namespace davit::control
