// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See commands.h. Verbs and "help".
#include "qmp/handlers/hmp/commands.h"

#include <fmt/format.h>

#include <algorithm>

#include "qmp/handlers/hmp/arguments.h"
#include "qmp/handlers/hmp/block.h"
#include "qmp/handlers/hmp/devices.h"
#include "qmp/handlers/hmp/qom.h"

namespace davit::qmp::hmp {
namespace {

void ListInfo(Call& call) {
  for (const Command& command : InfoCommands()) call.out += HelpLine("info ", command);
}

Status Help(Call& call) {
  Arguments words(call.rest);
  if (words.AtEnd()) {
    for (const Command& command : Commands()) call.out += HelpLine("", command);
    return {};
  }
  const auto word = words.Text({}, {});
  if (!word) return {};
  if (*word == "info") {
    if (words.AtEnd()) {
      ListInfo(call);
      return {};
    }
    const auto topic = words.Text({}, {});
    if (!topic) return {};
    const Command* info = Find(InfoCommands(), *topic);
    call.out += info != nullptr ? HelpLine("info ", *info)
                                : fmt::format("unknown command: 'info {}'\n", *topic);
    return {};
  }
  const Command* command = Find(Commands(), *word);
  call.out +=
      command != nullptr ? HelpLine("", *command) : fmt::format("unknown command: '{}'\n", *word);
  return {};
}

Status SetCpu(Call& call) {
  // The choice would last for this one command line: each starts with its own cpu-index.
  if (!HasCpu(call.vm, call.number)) call.out += "invalid CPU index\n";
  return {};
}

Status Quit(Call& call) {
  call.vm.Quit(control::ShutdownCause::kHostQmpQuit);
  return {};
}

Status Balloon(Call& call) {
  DAVIT_TRY(call.vm.BalloonActual());
  if (call.number <= 0) return Fail("Parameter 'target' expects a size");
  return call.vm.SetBalloon(static_cast<uint64_t>(call.number));
}

// Control characters but the newline as \u0000, as QEMU prints them.
Status ReadRing(Call& call) {
  if (call.number == 0) return Fail("size must be greater than zero");
  DAVIT_ASSIGN(const std::string data,
               call.chardevs.RingbufRead(call.text, static_cast<uint64_t>(call.number)));
  for (const char c : data) {
    if (c == '\\') {
      call.out += "\\\\";
    } else if ((static_cast<uint8_t>(c) < 0x20 && c != '\n') || c == 0x7f) {
      call.out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      call.out += c;
    }
  }
  call.out += '\n';
  return {};
}

Status WriteRing(Call& call) {
  return call.chardevs.RingbufWrite(call.text,
                                    std::as_bytes(std::span(call.more.data(), call.more.size())));
}

Status AddChardev(Call& call) { return call.chardevs.AddText(call.text); }
Status Change(Call& call) { return call.chardevs.ChangeText(call.text, call.more); }
Status Remove(Call& call) { return call.chardevs.Remove(call.text); }
Status SendBreak(Call& call) { return call.chardevs.SendBreak(call.text); }
Status DeleteObject(Call& call) { return call.vm.ObjectDel(call.text); }
Status DeleteNetdev(Call& call) { return call.net.NetdevDel(call.text); }
Status SetLink(Call& call) { return call.net.SetLink(call.text, call.on); }

// The rounds are those that QEMU's migration has by default.
Status Announce(Call& call) {
  control::AnnounceRequest request{.initial = 50, .max = 550, .step = 100, .rounds = 5};
  if (call.maybe && !call.maybe->empty()) {
    request.interfaces.emplace();
    for (std::string_view rest = *call.maybe; !rest.empty();) {
      const size_t end = std::min(rest.find(','), rest.size());
      request.interfaces->emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  request.id = call.maybe_more.value_or("");
  return call.net.Announce(request);
}

constexpr Command kCommands[] = {
    {.name = "announce_self",
     .usage = "[interfaces] [id]",
     .help = "let network cards tell the network where they are",
     .form = Form::kUpToTwoTexts,
     .wanted = "string",
     .run = Announce},
    {.name = "balloon",
     .usage = "target",
     .help = "ask the guest to change its memory to this size (in MB)",
     .form = Form::kMebibytes,
     .run = Balloon},
    {.name = "change",
     .usage = "device [-f] filename [format [read-only-mode]]",
     .help = "put another medium in; -f: also where the guest has locked it",
     .form = Form::kMedium,
     .wanted = "block device name",
     .run = ChangeMedium,
     .flags = "f"},
    {"chardev-add", "args", "make a character device", Form::kText, "string", AddChardev},
    {"chardev-change", "id args", "connect it elsewhere", Form::kTwoTexts, "string", Change},
    {"chardev-remove", "id", "remove a character device", Form::kText, "string", Remove},
    {"chardev-send-break", "id", "send the guest a break", Form::kText, "string", SendBreak},
    {.name = "cont|c",
     .usage = "",
     .help = "resume emulation",
     .run = [](Call& call) { return call.vm.Cont(); }},
    {"cpu", "index", "set the default CPU", Form::kNumber, {}, SetCpu},
    {"device_add",
     "driver[,prop=value][,...]",
     "make a device and plug it in",
     Form::kOptionalText,
     {},
     AddDevice},
    {"device_del", "device", "unplug a device", Form::kText, "string", DeleteDevice},
    {.name = "drive_add",
     .usage = "slot if=none[,id=id][,file=file][,format=raw][,prop=value][,...]",
     .help = "make a drive for a device",
     .form = Form::kTwoTexts,
     .wanted = "string",
     .run = AddDrive},
    {.name = "drive_del",
     .usage = "device",
     .help = "remove a drive; from a device its medium",
     .form = Form::kText,
     .wanted = "block device name",
     .run = DeleteDrive},
    {.name = "dumpdtb",
     .usage = "filename",
     .help = "write the guest's device tree to a file",
     .form = Form::kText,
     .wanted = "filename",
     .run = [](Call& call) { return call.vm.DumpDtb(call.text); }},
    {.name = "eject",
     .usage = "[-f] device",
     .help = "take a medium out; -f: also where the guest has locked it",
     .form = Form::kFlagText,
     .wanted = "block device name",
     .run = EjectMedium,
     .flags = "f"},
    {"help|?", "[cmd]", "show the help", Form::kRest, {}, Help},
    {.name = "info",
     .usage = "[subcommand]",
     .help = "show something about the VM",
     .run =
         [](Call& call) {
           ListInfo(call);
           return Status();
         }},
    {"netdev_del", "id", "remove a host end of a network card", Form::kText, "string",
     DeleteNetdev},
    {.name = "nmi",
     .usage = "",
     .help = "inject an NMI",
     .run = [](Call& call) { return call.vm.InjectNmi(); }},
    {"object_del", "id", "destroy an object", Form::kText, "string", DeleteObject},
    {"qom-get", "path property", "print a property of an object", Form::kTwoTexts, "string",
     GetQom},
    {"qom-list", "[path]", "list the properties of an object", Form::kOptionalText, "string",
     ListQom},
    {.name = "qom-set",
     .usage = "[-j] path property value",
     .help = "change a property of an object; -j: the value is JSON",
     .form = Form::kFlagTextsRest,
     .wanted = "string",
     .run = SetQom,
     .flags = "j"},
    {.name = "quit|q", .usage = "", .help = "end the VM and the process", .run = Quit},
    {"ringbuf_read", "device size", "take from a ring", Form::kTextNumber, "string", ReadRing},
    {"ringbuf_write", "device data", "put into a ring", Form::kTwoTexts, "string", WriteRing},
    {"set_link", "name on|off", "plug the cable of a network card in or out", Form::kTextSwitch,
     "string", SetLink},
    {.name = "stop|s",
     .usage = "",
     .help = "stop emulation",
     .run = [](Call& call) { return call.vm.Stop(); }},
    {.name = "system_powerdown",
     .usage = "",
     .help = "press the power button",
     .run = [](Call& call) { return call.vm.SystemPowerdown(); }},
    {.name = "system_reset",
     .usage = "",
     .help = "reset the system",
     .run = [](Call& call) { return call.vm.SystemReset(); }},
    {.name = "system_wakeup",
     .usage = "",
     .help = "wake the guest from suspend",
     .run = [](Call& call) { return call.vm.SystemWakeup(); }},
};

// "cont|c" has the names "cont" and "c".
bool HasName(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const size_t bar = std::min(names.find('|'), names.size());
    if (names.substr(0, bar) == name) return true;
    names.remove_prefix(std::min(bar + 1, names.size()));
  }
  return false;
}

}  // namespace

std::span<const Command> Commands() { return kCommands; }

bool HasCpu(const control::VmControl& vm, int64_t index) {
  const std::vector<control::CpuInfo> cpus = vm.Cpus();
  return std::any_of(cpus.begin(), cpus.end(),
                     [index](const control::CpuInfo& cpu) { return cpu.index == index; });
}

const Command* Find(std::span<const Command> table, std::string_view name) {
  const auto it = std::find_if(table.begin(), table.end(),
                               [&](const Command& row) { return HasName(row.name, name); });
  return it == table.end() ? nullptr : &*it;
}

std::string HelpLine(std::string_view prefix, const Command& command) {
  return fmt::format("{}{} {} -- {}\n", prefix, command.name, command.usage, command.help);
}

}  // namespace davit::qmp::hmp
