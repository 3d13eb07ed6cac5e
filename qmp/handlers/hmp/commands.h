// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of human monitor commands. Inner header of this package.
#pragma once

#include <cstdint>
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
  std::string out;  // lines end in '\n'

  // Arguments, by the row's kind.
  std::string text;         // of all that take texts: the first
  std::string more;         // kTwoTexts, kUpToTwoTexts, kFlagTextsRest, kMedium: the second
  std::string rest;         // kFlagTextsRest: what follows; kMedium: the third
  std::string last;         // kMedium: the fourth
  bool all = false;         // kCpu: -a
  bool flag = false;        // of all that take one: the row's flag was given
  bool on = false;          // kTextSwitch
  bool has_number = false;  // kCpu: a CPU was given
  int64_t number = 0;       // kNumber, kTextNumber, kCpu; kMebibytes: in bytes
};

enum class Arguments : uint8_t {
  kNone,
  kText,           // one word, needed
  kOptionalText,   // the rest of the line
  kOptionalWord,   // one word
  kUpToTwoTexts,   // two words
  kTwoTexts,       // two words, needed
  kNumber,         // one number, needed
  kMebibytes,      // one number of MiB, needed
  kTextNumber,     // a word and a number, needed
  kTextSwitch,     // one word and "on" or "off", needed
  kCpu,            // [-a|vcpu]
  kFlagTextsRest,  // a flag, two words and the rest of the line; the texts are needed
  kFlagText,       // a flag and one word, needed
  kMedium,         // a word, a flag, a file name; then up to two words
};

struct Command {
  std::string_view name;   // with aliases: "cont|c"
  std::string_view usage;  // as help shows it
  std::string_view help;
  Arguments arguments = Arguments::kNone;
  std::string_view wanted = {};  // of needed texts: what is missing, "filename"
  Status (*run)(Call&) = nullptr;
  char flag = 0;  // 'j' for -j
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
