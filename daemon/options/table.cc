// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See table.h.
#include "daemon/options/table.h"

#include <algorithm>

namespace davit::daemon {
namespace {

using Context = ParseContext;
using Text = const std::string&;

template <std::string machine::MachineConfig::*Member>
Status SetMachineText(Context& context, Text text) {
  context.options.machine.*Member = text;
  return {};
}
template <bool machine::MachineConfig::*Member>
Status SetMachineFlag(Context& context, Text) {
  context.options.machine.*Member = true;
  return {};
}
template <bool Options::*Member>
Status SetFlag(Context& context, Text) {
  context.options.*Member = true;
  return {};
}
template <machine::ImageSource machine::MachineConfig::*Member>
Status SetImage(Context& context, Text text) {
  context.options.machine.*Member = text;
  return {};
}
template <Show What>
Status Print(Context& context, Text) {
  context.options.show = What;
  return {};
}
// An empty name would stand for "not given".
Status CheckFileName(Text text) {
  if (text.empty()) return Fail("the file name is empty");
  return {};
}
Status SetPidfile(Context& context, Text text) {
  DAVIT_TRY(CheckFileName(text));
  context.options.pidfile = text;
  return {};
}
Status SetDtb(Context& context, Text text) {
  DAVIT_TRY(CheckFileName(text));
  context.options.machine.dtb = text;
  return {};
}
Status SetLogFile(Context& context, Text text) {
  DAVIT_TRY(CheckFileName(text));
  context.options.log.file = text;
  return {};
}
Status NoReboot(Context& context, Text) {
  context.options.machine.actions.reboot = control::RebootAction::kShutdown;
  return {};
}
Status NoShutdown(Context& context, Text) {
  context.options.machine.actions.shutdown = control::ShutdownAction::kPause;
  return {};
}
// Nothing is read but what the command line names, so there is nothing to leave out.
Status NoUserConfig(Context&, Text) { return {}; }

constexpr OptionRow kTable[] = {
    {.name = "h", .help = "same as -help", .parse_text = Print<Show::kHelp>, .listed = false},
    {.name = "help", .help = "print this text", .parse_text = Print<Show::kHelp>},
    {.name = "version", .help = "print the version", .parse_text = Print<Show::kVersion>},
    {.name = "machine",
     .argument = "[type=]NAME[,PROP=VALUE...]",
     .help = "machine type ('-machine help' lists them) and its properties",
     .apply = ApplyMachine,
     .schema = &kMachineSchema,
     .own_help = true},
    {.name = "M",
     .argument = "NAME",
     .help = "same as -machine",
     .apply = ApplyMachine,
     .schema = &kMachineSchema,
     .listed = false,
     .own_help = true},
    {.name = "accel",
     .argument = "[accel=]NAME[,PROP=VALUE...]",
     .help =
         "what runs the guest's code: kvm, with kernel-irqchip=on|split, or qtest (none runs);\n"
         "several are tried in order",
     .apply = ApplyAccel,
     .schema = &kAccelSchema,
     .own_help = true},
    {.name = "cpu",
     .argument = "MODEL[,+FLAG][,-FLAG][,FLAG=on|off]",
     .help = "CPU model ('-cpu help' lists them)",
     .parse_text = ParseCpu},
    {.name = "smp",
     .argument = "[cpus=]N[,maxcpus=N][,sockets=N][,dies=N][,cores=N][,threads=N]",
     .help = "number of CPUs, and how they are grouped",
     .apply = ApplySmp,
     .schema = &kSmpSchema},
    {.name = "m",
     .argument = "[size=]SIZE[,slots=N,maxmem=SIZE]",
     .help = "guest memory; a plain number is in MiB, suffixes are K, M, G, T",
     .apply = ApplyMemory,
     .schema = &kMemorySchema},
    {.name = "numa",
     .argument = "node[,nodeid=N][,cpus=A[-B]][,memdev=ID]|cpu,node-id=N[,...]|dist,...",
     .help = "NUMA nodes: node (its CPUs and its memory), cpu (by socket-id, die-id, core-id,\n"
             "thread-id), dist,src=N,dst=N,val=DISTANCE",
     .apply = ApplyNuma,
     .schema = &kNumaSchema},
    {.name = "object",
     .argument = "TYPE,id=ID[,PROP=VALUE...]",
     .help = "make an object ('-object help' lists the types); JSON as in object-add",
     .apply = ApplyObject,
     .schema = &kObjectSchema,
     .own_help = true},
    {.name = "kernel",
     .argument = "FILE",
     .help = "bzImage or ELF kernel; without it the built-in probe guest runs",
     .parse_text = SetImage<&machine::MachineConfig::kernel>},
    {.name = "initrd",
     .argument = "FILE",
     .help = "initial ramdisk of the kernel",
     .parse_text = SetImage<&machine::MachineConfig::initrd>},
    {.name = "append",
     .argument = "TEXT",
     .help = "command line of the kernel",
     .parse_text = SetMachineText<&machine::MachineConfig::append>},
    {.name = "dtb",
     .argument = "FILE",
     .help = "device tree that the guest's is built on",
     .parse_text = SetDtb},
    {.name = "boot",
     .argument = "[menu=off][,strict=on|off][,reboot-timeout=MS]",
     .help = "for firmware, of which there is none: what would need it is refused",
     .apply = ApplyBoot,
     .schema = &kBootSchema},
    {.name = "rtc",
     .argument = "[base=utc|localtime|DATE][,clock=host|rt|vm][,driftfix=none|slew]",
     .help = "the real-time clock",
     .apply = ApplyRtc,
     .schema = &kRtcSchema},
    {.name = "no-acpi", .help = "same as -machine acpi=off", .parse_text = NoAcpi},
    {.name = "no-hpet", .help = "same as -machine hpet=off", .parse_text = NoHpet},
    {.name = "bios",
     .argument = "FILE",
     .help = "refused: there is no firmware",
     .parse_text = RefuseBios,
     .listed = false},
    {.name = "fw_cfg",
     .argument = "[name=]NAME,file=FILE|string=TEXT",
     .help = "a file for the guest in the firmware configuration device of q35",
     .apply = ApplyFwCfg,
     .schema = &kFwCfgSchema},
    {.name = "smbios",
     .argument = "type=0|1|2|3|4|8|11|17[,FIELD=VALUE...]",
     .help = "what q35 tells of itself as hardware: 0 BIOS, 1 system, 2 board, 3 chassis,\n"
             "4 processors, 8 a port, 11 strings (value=TEXT, path=FILE), 17 memory",
     .apply = ApplySmbios,
     .schema = &kSmbiosSchema},
    {.name = "overcommit",
     .argument = "[mem-lock=on|off][,cpu-pm=on|off]",
     .help = "what the guest may take of the host",
     .apply = ApplyOvercommit,
     .schema = &kOvercommitSchema},
    {.name = "device",
     .argument = "DRIVER[,PROP=VALUE...]",
     .help = "add a device ('-device help' lists them)",
     .apply = ApplyDevice,
     .schema = &kDeviceSchema,
     .own_help = true},
    {.name = "global",
     .argument = "DRIVER.PROP=VALUE",
     .help = "set a property of all devices of a driver",
     .apply = ApplyGlobal,
     .schema = &kGlobalSchema},
    {.name = "blockdev",
     .argument = "DRIVER,node-name=NAME[,KEY=VALUE...]",
     .help = "make a block node: file, host_device, raw, null-co; JSON as in blockdev-add",
     .apply = ApplyBlockdev,
     .schema = &kBlockdevSchema},
    {.name = "drive",
     .argument = "file=FILE,if=none|virtio[,id=ID][,KEY=VALUE...]",
     .help = "a raw image for a device, or with its device ('-drive help' lists the keys)",
     .apply = ApplyDrive,
     .schema = &kDriveSchema},
    {.name = "name",
     .argument = "[guest=]NAME[,process=NAME][,debug-threads=on|off]",
     .help = "name of the guest, of the process, of its threads",
     .apply = ApplyName,
     .schema = &kNameSchema},
    {.name = "uuid", .argument = "UUID", .help = "UUID of the machine", .parse_text = ParseUuid},
    {.name = "S",
     .help = "do not start the CPUs until QMP 'cont'",
     .parse_text = SetMachineFlag<&machine::MachineConfig::start_paused>},
    {.name = "preconfig",
     .help = "wait for QMP before the machine is made",
     .parse_text = SetMachineFlag<&machine::MachineConfig::preconfig>},
    {.name = "no-reboot", .help = "end instead of a reboot", .parse_text = NoReboot},
    {.name = "no-shutdown",
     .help = "stop instead of ending when the guest powers off",
     .parse_text = NoShutdown},
    {.name = "action",
     .argument = "EVENT=ACTION[,...]",
     .help = "what to do at reboot, shutdown, panic, watchdog",
     .apply = ApplyAction,
     .schema = &kActionSchema},
    {.name = "watchdog-action",
     .argument = "ACTION",
     .help = "what to do when a watchdog expires: short for -action watchdog=",
     .parse_text = ParseWatchdogAction},
    {.name = "nodefaults",
     .help = "no default devices",
     .parse_text = SetFlag<&Options::nodefaults>},
    {.name = "no-user-config",
     .help = "read no configuration but what is named here",
     .parse_text = NoUserConfig},
    {.name = "nographic",
     .help = "serial port on the terminal",
     .parse_text = SetFlag<&Options::nographic>},
    {.name = "display",
     .argument = "none",
     .help = "no display",
     .apply = ApplyDisplay,
     .schema = &kDisplaySchema},
    {.name = "audiodev",
     .argument = "none,id=ID",
     .help = "a sound back end; nothing here makes a sound",
     .apply = ApplyAudiodev,
     .schema = &kAudiodevSchema,
     .own_help = true},
    {.name = "monitor", .argument = "none", .help = "no human monitor", .parse_text = ParseMonitor},
    {.name = "serial",
     .argument = "DEV",
     .help = "serial port: stdio, pty, null, none, file:PATH, pipe:PATH, unix:PATH, tcp:HOST:PORT, "
             "udp:HOST:PORT, chardev:ID",
     .parse_text = ParseSerial},
    {.name = "debugcon",
     .argument = "DEV",
     .help = "debug port 0xe9, output only; DEV as for -serial, but not none",
     .parse_text = ParseDebugcon},
    {.name = "chardev",
     .argument = "BACKEND,id=ID[,KEY=VALUE...]",
     .help = "character device ('-chardev help' lists the back ends)",
     .apply = ApplyChardev,
     .schema = &kChardevSchema,
     .own_help = true},
    {.name = "add-fd",
     .argument = "fd=FD,set=SET[,opaque=TEXT]",
     .help = "put an inherited descriptor into the set that /dev/fdset/SET names",
     .apply = ApplyAddFd,
     .schema = &kAddFdSchema},
    {.name = "netdev",
     .argument = "TYPE,id=ID[,KEY=VALUE...]",
     .help = "host end of a network card ('-netdev help' lists the types)",
     .apply = ApplyNetdev,
     .schema = &kNetdevSchema,
     .own_help = true},
    {.name = "nic",
     .argument = "none|TYPE[,model=MODEL][,mac=MAC][,KEY=VALUE...]",
     .help = "network card and its host end in one",
     .apply = ApplyNic,
     .schema = &kNicSchema},
    {.name = "net",
     .argument = "none",
     .help = "no network card that was not asked for",
     .apply = ApplyNet,
     .schema = &kNetSchema},
    {.name = "mon",
     .argument = "[chardev=]ID,mode=control[,pretty=on|off]",
     .help = "QMP on a character device",
     .apply = ApplyMon,
     .schema = &kMonSchema},
    {.name = "qmp",
     .argument = "DEV",
     .help = "QMP on unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,...] or stdio",
     .parse_text = ParseQmp},
    {.name = "qmp-pretty",
     .argument = "DEV",
     .help = "-qmp with indented replies",
     .parse_text = ParseQmpPretty},
    {.name = "qtest",
     .argument = "DEV",
     .help = "the qtest protocol on DEV, as for -qmp or chardev:ID",
     .parse_text = ParseQtest},
    {.name = "qtest-log",
     .argument = "FILE",
     .help = "log the qtest protocol to FILE, or none; default: stderr",
     .parse_text = ParseQtestLog},
    {.name = "pidfile",
     .argument = "FILE",
     .help = "write the process id to FILE",
     .parse_text = SetPidfile},
    {.name = "daemonize",
     .help = "go to the background once everything is set up",
     .parse_text = SetFlag<&Options::daemonize>},
    {.name = "sandbox",
     .argument = "on|off[,obsolete=allow|deny][,elevateprivileges=allow|deny|children]"
                 "[,spawn=allow|deny][,resourcecontrol=allow|deny]",
     .help = "take system calls away from the process",
     .apply = ApplySandbox,
     .schema = &kSandboxSchema},
    {.name = "D",
     .argument = "FILE",
     .help = "log to FILE instead of stderr",
     .parse_text = SetLogFile},
    {.name = "d",
     .argument = "ITEM[,...]",
     .help = "log more ('-d help' lists the items)",
     .parse_text = ParseLogItems},
    {.name = "msg",
     .argument = "[timestamp=on|off][,guest-name=on|off]",
     .help = "form of messages",
     .apply = ApplyMsg,
     .schema = &kMsgSchema},
    {.name = "readconfig",
     .argument = "FILE",
     .help = "take options from a config file",
     .parse_text = ParseReadconfig},
};

}  // namespace

std::span<const OptionRow> OptionTable() { return kTable; }

const OptionRow* FindOption(std::string_view name) {
  const auto it = std::find_if(std::begin(kTable), std::end(kTable),
                               [&](const OptionRow& row) { return row.name == name; });
  return it == std::end(kTable) ? nullptr : &*it;
}

}  // namespace davit::daemon
