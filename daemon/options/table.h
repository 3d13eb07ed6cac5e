// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of options: one row each says the name, the argument, the parser and the help.
// Usage text, `-readconfig` groups and query-command-line-options come from the same rows.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/options/options.h"
#include "daemon/options/params.h"
#include "vmm/base/error.h"

namespace davit::daemon {

// -device: looked at when all -global options are known.
struct PendingDevice {
  std::string where;
  ParamList list;
};

// -nic: becomes a -device when the machine type is known.
struct NicOption {
  std::string where, model, netdev, mac;  // model, mac: empty when not given
};

// What a parser sees and fills. Lives for one command line.
struct ParseContext {
  Options options;
  // "-chardev null,id=x" or "file.cfg:3"; begins the text of errors found later.
  std::string where;
  bool display_given = false;
  bool monitor_given = false;  // -monitor, -mon, -qmp
  unsigned serials_given = 0;
  // -debugcon: the whole option and its argument, which is looked at when all others are known.
  std::optional<std::pair<std::string, std::string>> debugcon;
  std::optional<std::pair<std::string, std::string>> qtest;  // as debugcon
  std::string qtest_log;
  std::vector<PendingDevice> devices;
  std::vector<NicOption> nics;
  std::vector<machine::GlobalConfig> globals;
  std::vector<std::pair<std::string, std::string>> drive_devices;  // -drive if=virtio: where, id
  std::vector<uint64_t> virtio_drives, plain_drives;               // index= of each
  unsigned compat_monitors = 0;                                    // chardevs named compat_monitorN
  machine::MemoryConfig machine_memory;                            // -machine memory.KEY=
  bool accel_given = false;                                        // -accel
  bool machine_accel_given = false;                                // -machine accel=
  int config_depth = 0;  // -readconfig inside -readconfig does not exist; a guard
};

struct OptionRow {
  std::string_view name;
  std::string_view argument;  // as the help shows it; empty: the option takes none
  std::string_view help;      // lines, own words
  // Exactly one of the two. `text` is the raw argument (empty when there is none).
  Status (*parse_text)(ParseContext&, const std::string& text) = nullptr;
  Status (*apply)(ParseContext&, ParamList& list) = nullptr;
  const ParamSchema* schema = nullptr;  // of `apply`
  bool listed = true;                   // false: a second spelling, left out of the help
  bool own_help = false;                // `apply` answers `help`; else its keys are listed
};

std::span<const OptionRow> OptionTable();
// The row of a name without dashes; null when there is none.
const OptionRow* FindOption(std::string_view name);

// The parsers, by subject. parse_machine.cc:
Status ApplyMachine(ParseContext&, ParamList&);
Status ApplyAccel(ParseContext&, ParamList&);
Status ParseCpu(ParseContext&, const std::string&);
Status ApplySmp(ParseContext&, ParamList&);
Status ApplyMemory(ParseContext&, ParamList&);
Status ApplyBoot(ParseContext&, ParamList&);
Status ApplyRtc(ParseContext&, ParamList&);
Status NoAcpi(ParseContext&, const std::string&);
Status NoHpet(ParseContext&, const std::string&);
Status RefuseBios(ParseContext&, const std::string&);
Status ApplyFwCfg(ParseContext&, ParamList&);
Status ApplyOvercommit(ParseContext&, ParamList&);
Status ApplyAction(ParseContext&, ParamList&);
Status ParseWatchdogAction(ParseContext&, const std::string&);
Status ApplySmbios(ParseContext&, ParamList&);
Status ParseUuid(ParseContext&, const std::string&);
// parse_char.cc:
Status ApplyChardev(ParseContext&, ParamList&);
Status ApplyMon(ParseContext&, ParamList&);
Status ParseSerial(ParseContext&, const std::string&);
Status ParseDebugcon(ParseContext&, const std::string&);
Status ParseQtest(ParseContext&, const std::string&);
Status ParseQtestLog(ParseContext&, const std::string&);
Status ParseQmp(ParseContext&, const std::string&);
Status ParseQmpPretty(ParseContext&, const std::string&);
Status ParseMonitor(ParseContext&, const std::string&);
// What -nographic, -nodefaults and the absence of -serial mean, and references between options.
Status FinishCharacterDevices(ParseContext&);
// parse_process.cc:
Status ApplyName(ParseContext&, ParamList&);
Status ApplyMsg(ParseContext&, ParamList&);
Status ApplyAddFd(ParseContext&, ParamList&);
Status ApplySandbox(ParseContext&, ParamList&);
Status ApplyDisplay(ParseContext&, ParamList&);
Status ApplyAudiodev(ParseContext&, ParamList&);
Status ParseLogItems(ParseContext&, const std::string&);
// parse_device.cc:
Status ApplyDevice(ParseContext&, ParamList&);
Status ApplyGlobal(ParseContext&, ParamList&);
// -global into -device, and both into the machine.
Status FinishDevices(ParseContext&);
// parse_numa.cc:
Status ApplyNuma(ParseContext&, ParamList&);
// parse_object.cc:
Status ApplyObject(ParseContext&, ParamList&);
// parse_block.cc:
Status ApplyBlockdev(ParseContext&, ParamList&);
Status ApplyDrive(ParseContext&, ParamList&);
// The devices of -drive if=virtio, behind those of -device.
void FinishDrives(ParseContext&);
void FinishMemory(ParseContext&);
// parse_net.cc:
Status ApplyNetdev(ParseContext&, ParamList&);
Status ApplyNic(ParseContext&, ParamList&);
Status ApplyNet(ParseContext&, ParamList&);
// -nic into -device; before FinishDevices().
Status FinishNics(ParseContext&);
// readconfig.cc:
Status ParseReadconfig(ParseContext&, const std::string&);
// Checks and applies one list (from the command line or a config file).
Status ApplyRow(ParseContext&, const OptionRow& row, ParamList& list);

// Schemas (schemas.cc).
extern const ParamSchema kMachineSchema, kAccelSchema, kSmpSchema, kMemorySchema,
    kMachineMemorySchema, kBootSchema, kRtcSchema, kOvercommitSchema, kActionSchema, kChardevSchema,
    kMonSchema, kNameSchema, kMsgSchema, kDisplaySchema, kObjectSchema, kBlockdevSchema,
    kDriveSchema, kDeviceSchema, kGlobalSchema, kFwCfgSchema, kNetdevSchema, kNicSchema, kNetSchema,
    kAudiodevSchema, kAddFdSchema, kSandboxSchema, kSmbiosSchema, kNumaSchema;

}  // namespace davit::daemon
