// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of human monitor commands. Inner header of this package.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "qmp/handlers/hmp/hmp.h"
#include "vmm/base/error.h"
#include "vmm/control/block_control.h"
#include "vmm/control/chardev_control.h"
#include "vmm/control/net_control.h"
#include "vmm/control/vm_control.h"

namespace davit::qmp::hmp {

// One execution.
struct Call {
  control::VmControl& vm;
  control::ChardevControl& chardevs;
  control::BlockControl& blocks;
  control::NetControl& net;
  const std::string& version;
  const HmpDevices& devices;
  int64_t current_cpu = 0;
  std::string out = {};  // lines end in '\n'

  // Arguments, by the row's form.
  std::string text = {};  // of all that need texts: the first
  std::string more = {};  // kTwoTexts, kFlagTextsRest, kMedium: the second
  std::string rest = {};  // kRest, kFlagTextsRest
  // Texts that may be missing: the first and the second; kMedium: format and mode.
  std::optional<std::string> maybe = std::nullopt, maybe_more = std::nullopt;
  bool all = false;          // kCpu: -a
  bool flag = false;         // of all that take one: the row's flag was given
  bool second_flag = false;  // kTwoFlagsOptionalText
  bool on = false;           // kTextSwitch
  bool has_number = false;   // kCpu: a CPU was given
  int64_t number = 0;        // kNumber, kTextNumber, kCpu; kMebibytes: in bytes
};

// A text is a word or quoted (arguments.h).
enum class Form : uint8_t {
  kNone,
  kText,                  // one text, needed
  kTwoTexts,              // two texts, needed
  kTextNumber,            // a text and a number, needed
  kTextSwitch,            // one text and "on" or "off", needed
  kRest,                  // the rest of the line as it is, may be empty
  kOptionalText,          // one text
  kUpToTwoTexts,          // two texts
  kNumber,                // one number, needed
  kMebibytes,             // one number of MiB, needed
  kCpu,                   // [-a|vcpu]
  kFlagText,              // a flag and one text, needed
  kFlagTextsRest,         // a flag, two texts and the rest of the line; all but the flag are needed
  kTwoFlagsOptionalText,  // two flags, in order, and a text
  kMedium,                // a text, a flag, a file name; then up to two texts
};

struct Command {
  std::string_view name;   // with aliases: "cont|c"
  std::string_view usage;  // as help shows it
  std::string_view help;
  Form form = Form::kNone;
  std::string_view wanted = {};  // of texts: what is missing or wrong, "filename"
  Status (*run)(Call&) = nullptr;
  std::string_view flags = {};  // a character each: "j" for -j
};

// Both sorted by name.
std::span<const Command> Commands();
std::span<const Command> InfoCommands();

// Whether there is a CPU of this index.
bool HasCpu(const control::VmControl& vm, int64_t index);

const Command* Find(std::span<const Command> table, std::string_view name);
// "stop|s  -- stop emulation\n"; `prefix` is "" or "info ".
std::string HelpLine(std::string_view prefix, const Command& command);

}  // namespace davit::qmp::hmp
