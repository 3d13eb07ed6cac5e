// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -machine -accel -cpu -smp -m -boot -rtc -overcommit -action -uuid -device: what goes into
// MachineConfig. Which properties a machine, an accelerator or a CPU has is vmm/machine's to say.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "daemon/options/table.h"
#include "daemon/options/values.h"

namespace davit::daemon {
namespace {

// Sets `out` to the enumerator whose name is `value`; names in the enumerators' order.
template <typename E, size_t N>
Status ChooseEnum(const ParamList& list, std::string_view key,
                  const std::array<std::string_view, N>& names, E& out) {
  const std::string* value = list.Find(key);
  if (value == nullptr) return {};
  const auto it = std::find(names.begin(), names.end(), *value);
  if (it == names.end()) {
    return Fail(fmt::format("Parameter '{}' does not accept value '{}'", key, *value));
  }
  out = static_cast<E>(it - names.begin());
  return {};
}

void AddAccels(ParseContext& context, std::string_view names) {
  while (!names.empty()) {
    const size_t colon = std::min(names.find(':'), names.size());
    context.options.machine.accels.push_back({std::string(names.substr(0, colon)), {}, {}});
    names.remove_prefix(std::min(colon + 1, names.size()));
  }
}

// Letters a-p, each once, as a PC's devices are named.
Status CheckBootOrder(const std::string& order) {
  uint32_t seen = 0;
  for (char c : order) {
    if (c < 'a' || c > 'p') return Fail(fmt::format("Invalid boot device '{}'", c));
    const uint32_t bit = 1u << (c - 'a');
    if ((seen & bit) != 0) return Fail(fmt::format("Boot device '{}' was given twice", c));
    seen |= bit;
  }
  return {};
}

bool SameDate(const std::tm& a, const std::tm& b) {
  return a.tm_year == b.tm_year && a.tm_mon == b.tm_mon && a.tm_mday == b.tm_mday &&
         a.tm_hour == b.tm_hour && a.tm_min == b.tm_min && a.tm_sec == b.tm_sec;
}

Result<int64_t> ParseDate(const std::string& text) {
  std::tm tm{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (end == nullptr || *end != '\0') {
    tm = {};
    end = strptime(text.c_str(), "%Y-%m-%d", &tm);
  }
  // timegm takes 30 February for 2 March: a date that exists comes back as it was.
  std::tm normal = tm;
  const time_t seconds = timegm(&normal);
  if (end == nullptr || *end != '\0' || !SameDate(tm, normal)) {
    return Fail("invalid datetime format\nvalid formats: '2006-06-17T16:01:21' or '2006-06-17'");
  }
  return static_cast<int64_t>(seconds);
}

// -machine NAME.KEY=VALUE: what `schema` has, without "NAME.".
Result<ParamList> TakeGroup(ParamList& list, const ParamSchema& schema) {
  const std::string name(schema.prefix);
  if (list.Has(name)) {
    return Fail(fmt::format("Invalid parameter type for '{}', expected: object", name));
  }
  ParamList group;
  for (const auto& [key, value] : list.entries()) {
    if (key.starts_with(name + ".")) group.Add(key.substr(name.size() + 1), value);
  }
  for (const auto& entry : group.entries()) (void)list.Take(name + "." + entry.first);
  DAVIT_TRY(CheckParams(group, schema));
  return group;
}

// What has options of its own, too. -smp and -boot are the same keys, of which the last counts; -m
// goes before memory.KEY wherever it stands, and a size of 0 is the default there, too.
Status TakeGroups(ParseContext& context, ParamList& list) {
  DAVIT_ASSIGN(ParamList smp, TakeGroup(list, kSmpSchema));
  DAVIT_TRY(ApplySmp(context, smp));
  DAVIT_ASSIGN(ParamList boot, TakeGroup(list, kBootSchema));
  DAVIT_TRY(ApplyBoot(context, boot));
  DAVIT_ASSIGN(const ParamList memory, TakeGroup(list, kMachineMemorySchema));
  machine::MemoryConfig& given = context.machine_memory;
  if (const auto size = memory.GetSize("size"); size.value_or(0) != 0) given.size = size;
  if (const auto slots = memory.GetNumber("slots")) given.slots = *slots;
  if (const auto maxmem = memory.GetSize("max-size")) given.maxmem = maxmem;
  return {};
}

}  // namespace

Status ApplyMachine(ParseContext& context, ParamList& list) {
  machine::MachineConfig& machine = context.options.machine;
  if (list.help) {
    context.options.show = list.Has("type") ? Show::kMachineProperties : Show::kMachines;
    if (list.Has("type")) machine.type = list.Get("type");
    return {};
  }
  if (auto type = list.Take("type")) {
    if (type->empty()) {
      return Fail("unsupported machine type\nUse -machine help to list supported machines");
    }
    machine.type = *type;
  }
  if (auto accel = list.Take("accel")) {
    context.machine_accel_given = true;
    machine.accels.clear();
    AddAccels(context, *accel);
  }
  if (auto kernel = list.Take("kernel")) machine.kernel = *kernel;
  if (auto initrd = list.Take("initrd")) machine.initrd = *initrd;
  if (auto append = list.Take("append")) machine.append = *append;
  if (auto dtb = list.Take("dtb")) machine.dtb = *dtb;
  DAVIT_TRY(TakeGroups(context, list));
  for (const auto& [key, value] : list.entries()) {
    machine.machine_properties.emplace_back(key == "kernel_irqchip" ? "kernel-irqchip" : key,
                                            value);
  }
  return {};
}

Status ApplyAccel(ParseContext& context, ParamList& list) {
  if (list.help) {
    context.options.show = Show::kAccels;
    return {};
  }
  context.accel_given = true;
  machine::AccelConfig accel;
  accel.name = list.Take("accel").value_or("");
  if (accel.name.empty()) return Fail("Parameter 'accel' is missing");
  accel.properties = list.entries();
  accel.where = context.where;
  context.options.machine.accels.push_back(std::move(accel));
  return {};
}

Status ParseCpu(ParseContext& context, const std::string& text) {
  if (text == "help" || text == "?") {
    context.options.show = Show::kCpus;
  } else if (text.empty()) {
    return Fail("option cannot be empty");
  } else {
    context.options.machine.cpu = text;
  }
  return {};
}

Status ApplySmp(ParseContext& context, ParamList& list) {
  machine::SmpConfig& smp = context.options.machine.smp;
  const std::pair<const char*, std::optional<uint64_t>*> fields[] = {
      {"cpus", &smp.cpus},         {"sockets", &smp.sockets}, {"dies", &smp.dies},
      {"clusters", &smp.clusters}, {"cores", &smp.cores},     {"threads", &smp.threads},
      {"maxcpus", &smp.maxcpus},
  };
  for (const auto& [key, field] : fields) {
    if (const auto value = list.GetNumber(key)) *field = value;
  }
  return {};
}

Status ApplyMemory(ParseContext& context, ParamList& list) {
  machine::MemoryConfig& memory = context.options.machine.memory;
  if (const std::string* text = list.Find("size")) {
    if (text->empty()) return Fail("missing 'size' option value");
    const Number size = ParseSize(*text, kMiB);
    if (size.fault == NumberFault::kOutOfRange) {
      return Fail(fmt::format("Value '{}' is out of range for parameter 'size'", *text));
    }
    if (size.fault == NumberFault::kNotANumber) {
      return Fail(
          "Parameter 'size' expects a non-negative number below 2^64\n"
          "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
          "and exabytes, respectively.");
    }
    memory.size.reset();
    if (size.value != 0) memory.size = size.value;  // 0: the default, as in QEMU
  }
  if (const auto slots = list.GetNumber("slots")) memory.slots = *slots;
  if (const auto maxmem = list.GetSize("maxmem")) memory.maxmem = *maxmem;
  return {};
}

void FinishMemory(ParseContext& context) {
  machine::MemoryConfig& memory = context.options.machine.memory;
  const machine::MemoryConfig& fallback = context.machine_memory;
  if (!memory.size) memory.size = fallback.size;
  if (!memory.maxmem) memory.maxmem = fallback.maxmem;
  if (memory.slots == 0) memory.slots = fallback.slots;
}

Status ApplyBoot(ParseContext& context, ParamList& list) {
  for (const char* key : {"order", "once"}) {
    if (const std::string* order = list.Find(key)) DAVIT_TRY(CheckBootOrder(*order));
  }
  const auto timeout = static_cast<int64_t>(list.GetNumber("reboot-timeout").value_or(0));
  if (timeout < -1 || timeout > UINT16_MAX) {  // -1: never, the default
    return Fail("reboot timeout is invalid,it should be a value between -1 and 65535");
  }
  for (const auto& entry : list.entries()) context.options.machine.boot.push_back(entry);
  return {};
}

Status ApplyRtc(ParseContext& context, ParamList& list) {
  machine::RtcConfig& rtc = context.options.machine.rtc;
  if (const std::string* base = list.Find("base")) {
    if (*base == "utc") {
      rtc.base = machine::RtcConfig::Base::kUtc;
    } else if (*base == "localtime") {
      rtc.base = machine::RtcConfig::Base::kLocaltime;
    } else {
      DAVIT_ASSIGN(rtc.date, ParseDate(*base));
      rtc.base = machine::RtcConfig::Base::kDate;
    }
  }
  if (const std::string* clock = list.Find("clock")) {
    if (*clock == "host") {
      rtc.clock = machine::RtcConfig::ClockSource::kHost;
    } else if (*clock == "rt") {
      rtc.clock = machine::RtcConfig::ClockSource::kRt;
    } else if (*clock == "vm") {
      rtc.clock = machine::RtcConfig::ClockSource::kVm;
    } else {
      return Fail(fmt::format("invalid option value '{}'", *clock));
    }
  }
  const std::string driftfix = list.Get("driftfix", "none");
  rtc.slew = driftfix == "slew";
  if (!rtc.slew && driftfix != "none")
    return Fail(fmt::format("invalid option value '{}'", driftfix));
  return {};
}

// A device of the board that is taken away by an option of its own.
Status LeaveOut(ParseContext& context, const char* property) {
  context.options.machine.machine_properties.emplace_back(property, "off");
  return {};
}
Status NoAcpi(ParseContext& context, const std::string&) { return LeaveOut(context, "acpi"); }
Status NoHpet(ParseContext& context, const std::string&) { return LeaveOut(context, "hpet"); }

Status RefuseBios(ParseContext&, const std::string&) {
  return Fail("firmware is not supported, the machine boots what -kernel names");
}

Status ApplyFwCfg(ParseContext& context, ParamList& list) {
  constexpr size_t kMaxName = 55;
  machine::FwCfgConfig item;
  item.where = context.where;
  item.name = list.Get("name", "");
  item.file = list.Get("file", "");
  item.text = list.Get("string", "");
  if (item.name.empty() || item.file.empty() == item.text.empty()) {
    return Fail("name, plus exactly one of file and string, are needed");
  }
  if (item.name.size() > kMaxName) return Fail("name too long (max. 55 char)");
  context.options.machine.fw_cfg.push_back(std::move(item));
  return {};
}

Status ApplyOvercommit(ParseContext& context, ParamList& list) {
  machine::OvercommitConfig& overcommit = context.options.machine.overcommit;
  overcommit.mem_lock = list.GetBool("mem-lock", overcommit.mem_lock);
  overcommit.cpu_pm = list.GetBool("cpu-pm", overcommit.cpu_pm);
  return {};
}

Status ApplyAction(ParseContext& context, ParamList& list) {
  constexpr std::array<std::string_view, 2> kReboot = {"reset", "shutdown"};
  constexpr std::array<std::string_view, 2> kShutdown = {"poweroff", "pause"};
  constexpr std::array<std::string_view, 4> kPanic = {"pause", "shutdown", "exit-failure", "none"};
  constexpr std::array<std::string_view, 7> kWatchdog = {"reset", "shutdown", "poweroff",  "pause",
                                                         "debug", "none",     "inject-nmi"};
  control::ActionPolicy& actions = context.options.machine.actions;
  DAVIT_TRY(ChooseEnum(list, "reboot", kReboot, actions.reboot));
  DAVIT_TRY(ChooseEnum(list, "shutdown", kShutdown, actions.shutdown));
  DAVIT_TRY(ChooseEnum(list, "panic", kPanic, actions.panic));
  return ChooseEnum(list, "watchdog", kWatchdog, actions.watchdog);
}

Status ParseWatchdogAction(ParseContext& context, const std::string& text) {
  ParamList list;
  list.Add("watchdog", text);
  return ApplyAction(context, list);
}

Status ParseUuid(ParseContext& context, const std::string& text) {
  std::string uuid = text;
  bool ok = uuid.size() == 36;
  for (size_t i = 0; ok && i < uuid.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(uuid[i]);
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    ok = dash ? c == '-' : std::isxdigit(c) != 0;
    uuid[i] = static_cast<char>(std::tolower(c));
  }
  if (!ok) return Fail("failed to parse UUID string: wrong format");
  context.options.machine.uuid = std::move(uuid);
  return {};
}

}  // namespace davit::daemon
