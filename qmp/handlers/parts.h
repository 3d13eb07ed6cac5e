// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The handler classes, one a schema module. Inner header of this package. Owner: control thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qmp/handlers/handlers.h"
#include "qmp/handlers/hmp/hmp.h"

namespace davit::qmp {

using Context = qapi::CommandContext;
using control::VmControl;

class ControlHandlers final : public qapi::ControlCommands {
 public:
  ControlHandlers(VmControl& vm, qapi::VersionInfo version)
      : vm_(vm), version_(std::move(version)) {}
  // The session's own business (qmp/session); never called.
  Status QmpCapabilities(Context& context, const qapi::QmpCapabilitiesArgs& args) override;
  Result<qapi::VersionInfo> QueryVersion(Context& context) override;
  Result<std::vector<qapi::CommandInfo>> QueryCommands(Context& context) override;
  Status Quit(Context& context) override;

 private:
  VmControl& vm_;
  qapi::VersionInfo version_;
};

class IntrospectHandlers final : public qapi::IntrospectCommands {
 public:
  Result<json::Value> QueryQmpSchema(Context& context, json::Object args) override;

 private:
  std::optional<json::Value> schema_;  // from the first call on
};

class RunStateHandlers final : public qapi::RunStateCommands {
 public:
  explicit RunStateHandlers(VmControl& vm) : vm_(vm) {}
  Result<qapi::StatusInfo> QueryStatus(Context& context) override;
  Status SetAction(Context& context, const qapi::SetActionArgs& args) override;
  Status WatchdogSetAction(Context& context, const qapi::WatchdogSetActionArgs& args) override;

 private:
  VmControl& vm_;
};

class MachineHandlers final : public qapi::MachineCommands {
 public:
  explicit MachineHandlers(VmControl& vm) : vm_(vm) {}
  Result<std::vector<qapi::CpuInfoFast>> QueryCpusFast(Context& context) override;
  Result<std::vector<qapi::HotpluggableCPU>> QueryHotpluggableCpus(Context& context) override;
  Result<std::vector<qapi::MachineInfo>> QueryMachines(Context& context) override;
  Result<qapi::CurrentMachineParams> QueryCurrentMachine(Context& context) override;
  Result<qapi::TargetInfo> QueryTarget(Context& context) override;
  Result<qapi::UuidInfo> QueryUuid(Context& context) override;
  Result<qapi::KvmInfo> QueryKvm(Context& context) override;
  Status SystemReset(Context& context) override;
  Status SystemPowerdown(Context& context) override;
  Status SystemWakeup(Context& context) override;
  Status InjectNmi(Context& context) override;
  Result<std::vector<qapi::Memdev>> QueryMemdev(Context& context) override;
  Result<qapi::MemoryInfo> QueryMemorySizeSummary(Context& context) override;
  Result<std::vector<qapi::MemoryDeviceInfo>> QueryMemoryDevices(Context& context) override;
  Status Dumpdtb(Context& context, const qapi::DumpdtbArgs& args) override;
  Status Balloon(Context& context, const qapi::BalloonArgs& args) override;
  Result<qapi::BalloonInfo> QueryBalloon(Context& context) override;

 private:
  VmControl& vm_;
};

class MachineTargetHandlers final : public qapi::MachineTargetCommands {
 public:
  explicit MachineTargetHandlers(VmControl& vm) : vm_(vm) {}
  Result<std::vector<qapi::CpuDefinitionInfo>> QueryCpuDefinitions(Context& context) override;
  Result<qapi::CpuModelExpansionInfo> QueryCpuModelExpansion(
      Context& context, const qapi::QueryCpuModelExpansionArgs& args) override;

 private:
  VmControl& vm_;
};

// No command starts a job.
class JobHandlers final : public qapi::JobCommands {
 public:
  Result<std::vector<qapi::JobInfo>> QueryJobs(Context& context) override;
};

// What is asked of a migration; none can be started yet, so that nothing but the answers follows.
class MigrationHandlers final : public qapi::MigrationCommands {
 public:
  Status MigrateSetCapabilities(Context& context,
                                const qapi::MigrateSetCapabilitiesArgs& args) override;
  Result<std::vector<qapi::MigrationCapabilityStatus>> QueryMigrateCapabilities(
      Context& context) override;

 private:
  bool events_ = false;
};

class NumaHandlers final : public qapi::NumaCommands {
 public:
  explicit NumaHandlers(VmControl& vm) : vm_(vm) {}
  Status SetNumaNode(Context& context, const qapi::NumaOptions& args) override;

 private:
  VmControl& vm_;
};

class AcpiHandlers final : public qapi::AcpiCommands {
 public:
  explicit AcpiHandlers(VmControl& vm) : vm_(vm) {}
  Result<std::vector<qapi::ACPIOSTInfo>> QueryAcpiOspmStatus(Context& context) override;

 private:
  VmControl& vm_;
};

class PciHandlers final : public qapi::PciCommands {
 public:
  explicit PciHandlers(VmControl& vm) : vm_(vm) {}
  Result<std::vector<qapi::PciInfo>> QueryPci(Context& context) override;

 private:
  VmControl& vm_;
};

class MiscHandlers final : public qapi::MiscCommands {
 public:
  explicit MiscHandlers(const HandlerDeps& deps);
  Result<qapi::NameInfo> QueryName(Context& context) override;
  Result<std::vector<qapi::IOThreadInfo>> QueryIothreads(Context& context) override;
  Status Stop(Context& context) override;
  Status Cont(Context& context) override;
  Status XExitPreconfig(Context& context) override;
  Result<std::string> HumanMonitorCommand(Context& context,
                                          const qapi::HumanMonitorCommandArgs& args) override;
  Status Getfd(Context& context, const qapi::GetfdArgs& args) override;
  Status Closefd(Context& context, const qapi::ClosefdArgs& args) override;
  Result<qapi::AddfdInfo> AddFd(Context& context, const qapi::AddFdArgs& args) override;
  Status RemoveFd(Context& context, const qapi::RemoveFdArgs& args) override;
  Result<std::vector<qapi::FdsetInfo>> QueryFdsets(Context& context) override;
  Result<std::vector<qapi::CommandLineOptionInfo>> QueryCommandLineOptions(
      Context& context, const qapi::QueryCommandLineOptionsArgs& args) override;

 private:
  VmControl& vm_;
  FdSets& fd_sets_;
  Hmp hmp_;
  std::vector<qapi::CommandLineOptionInfo> options_;
};

class QomHandlers final : public qapi::QomCommands {
 public:
  QomHandlers(VmControl& vm, const control::ChardevControl& chardevs)
      : vm_(vm), chardevs_(chardevs) {}
  Result<std::vector<qapi::ObjectPropertyInfo>> DeviceListProperties(
      Context& context, const qapi::DeviceListPropertiesArgs& args) override;
  Status ObjectAdd(Context& context, const qapi::ObjectOptions& args) override;
  Status ObjectDel(Context& context, const qapi::ObjectDelArgs& args) override;
  Result<std::vector<qapi::ObjectPropertyInfo>> QomListProperties(
      Context& context, const qapi::QomListPropertiesArgs& args) override;
  Result<std::vector<qapi::ObjectTypeInfo>> QomListTypes(
      Context& context, const qapi::QomListTypesArgs& args) override;
  Result<std::vector<qapi::ObjectPropertyInfo>> QomList(Context& context,
                                                        const qapi::QomListArgs& args) override;
  Result<json::Value> QomGet(Context& context, const qapi::QomGetArgs& args) override;
  Status QomSet(Context& context, const qapi::QomSetArgs& args) override;

 private:
  VmControl& vm_;
  const control::ChardevControl& chardevs_;
};

class QdevHandlers final : public qapi::QdevCommands {
 public:
  QdevHandlers(VmControl& vm, std::vector<DeviceGlobal> globals)
      : vm_(vm), globals_(std::move(globals)) {}
  Result<json::Value> DeviceAdd(Context& context, json::Object args) override;
  Status DeviceDel(Context& context, const qapi::DeviceDelArgs& args) override;

 private:
  VmControl& vm_;
  const std::vector<DeviceGlobal> globals_;
};

class CharHandlers final : public qapi::CharCommands {
 public:
  explicit CharHandlers(control::ChardevControl& chardevs) : chardevs_(chardevs) {}
  Result<std::vector<qapi::ChardevInfo>> QueryChardev(Context& context) override;
  Result<std::vector<qapi::ChardevBackendInfo>> QueryChardevBackends(Context& context) override;
  Status RingbufWrite(Context& context, const qapi::RingbufWriteArgs& args) override;
  Result<std::string> RingbufRead(Context& context, const qapi::RingbufReadArgs& args) override;
  Result<qapi::ChardevReturn> ChardevAdd(Context& context,
                                         const qapi::ChardevAddArgs& args) override;
  Result<qapi::ChardevReturn> ChardevChange(Context& context,
                                            const qapi::ChardevChangeArgs& args) override;
  Status ChardevRemove(Context& context, const qapi::ChardevRemoveArgs& args) override;
  Status ChardevSendBreak(Context& context, const qapi::ChardevSendBreakArgs& args) override;

 private:
  control::ChardevControl& chardevs_;
};

class BlockNodesHandlers final : public qapi::BlockNodesCommands {
 public:
  explicit BlockNodesHandlers(control::BlockControl& blocks) : blocks_(blocks) {}
  Status BlockdevAdd(Context& context, const qapi::BlockdevOptions& args) override;
  Status BlockdevDel(Context& context, const qapi::BlockdevDelArgs& args) override;
  Status BlockdevReopen(Context& context, const qapi::BlockdevReopenArgs& args) override;

 private:
  control::BlockControl& blocks_;
};

class BlockMediaHandlers final : public qapi::BlockMediaCommands {
 public:
  explicit BlockMediaHandlers(control::BlockControl& blocks) : blocks_(blocks) {}
  Status Eject(Context& context, const qapi::EjectArgs& args) override;
  Status BlockdevOpenTray(Context& context, const qapi::BlockdevOpenTrayArgs& args) override;
  Status BlockdevCloseTray(Context& context, const qapi::BlockdevCloseTrayArgs& args) override;
  Status BlockdevRemoveMedium(Context& context,
                              const qapi::BlockdevRemoveMediumArgs& args) override;
  Status BlockdevInsertMedium(Context& context,
                              const qapi::BlockdevInsertMediumArgs& args) override;
  Status BlockdevChangeMedium(Context& context,
                              const qapi::BlockdevChangeMediumArgs& args) override;

 private:
  control::BlockControl& blocks_;
};

class BlockHandlers final : public qapi::BlockCommands {
 public:
  explicit BlockHandlers(control::BlockControl& blocks) : blocks_(blocks) {}
  Result<std::vector<qapi::BlockInfo>> QueryBlock(Context& context) override;
  Result<std::vector<qapi::BlockDeviceInfo>> QueryNamedBlockNodes(
      Context& context, const qapi::QueryNamedBlockNodesArgs& args) override;
  Result<std::vector<qapi::BlockStats>> QueryBlockstats(
      Context& context, const qapi::QueryBlockstatsArgs& args) override;
  Status BlockResize(Context& context, const qapi::BlockResizeArgs& args) override;
  Status BlockSetIoThrottle(Context& context, const qapi::BlockIOThrottle& args) override;

 private:
  control::BlockControl& blocks_;
};

class NetHandlers final : public qapi::NetCommands {
 public:
  explicit NetHandlers(control::NetControl& net) : net_(net) {}
  Status SetLink(Context& context, const qapi::SetLinkArgs& args) override;
  Status NetdevAdd(Context& context, const qapi::Netdev& args) override;
  Status NetdevDel(Context& context, const qapi::NetdevDelArgs& args) override;
  Result<std::vector<qapi::RxFilterInfo>> QueryRxFilter(
      Context& context, const qapi::QueryRxFilterArgs& args) override;
  Status AnnounceSelf(Context& context, const qapi::AnnounceParameters& args) override;

 private:
  control::NetControl& net_;
};

}  // namespace davit::qmp
