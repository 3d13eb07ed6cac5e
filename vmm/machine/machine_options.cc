// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See machine_options.h.
#include "vmm/machine/machine_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>

namespace davit::machine {
namespace {

Result<bool> ParseBool(const std::string& name, const std::string& value) {
  if (value == "on" || value == "yes" || value == "true" || value == "y") return true;
  if (value == "off" || value == "no" || value == "false" || value == "n") return false;
  return Fail(fmt::format("Parameter '{}' expects 'on' or 'off'", name));
}

Result<OnOffAuto> ParseOnOffAuto(const std::string& name, const std::string& value) {
  if (value == "auto") return OnOffAuto::kAuto;
  if (value == "on") return OnOffAuto::kOn;
  if (value == "off") return OnOffAuto::kOff;
  return Fail(fmt::format("Parameter '{}' does not accept value '{}'", name, value));
}

Result<IrqchipMode> ParseIrqchip(const std::string& value) {
  if (value == "on") return IrqchipMode::kOn;
  if (value == "split") return IrqchipMode::kSplit;
  if (value == "off") {
    return Fail("kernel-irqchip=off is not supported: davit has no userspace local APIC");
  }
  return Fail(fmt::format("Parameter 'kernel-irqchip' does not accept value '{}'", value));
}

// Properties that the machine has in QEMU and that can only have the value which means "absent"
// here.
struct OnlyOff {
  std::string_view name;
  bool has_auto;  // an OnOffAuto, else a boolean
  bool microvm, q35, none;
};
constexpr OnlyOff kOnlyOff[] = {
    {"usb", false, true, true, true},
    {"graphics", false, true, true, true},
    {"x-option-roms", false, true, false, false},
    {"pcie", true, true, false, false},
    {"ioapic2", true, true, false, false},
    {"smm", true, true, true, false},
    {"vmport", true, false, true, false},
    {"hmat", false, true, true, false},
    {"hpet", false, false, true, false},
    {"sata", false, false, true, false},
    {"smbus", false, false, true, false},
};
// ... and that have no such value at all.
constexpr std::string_view kUnsupported[] = {
    "memory-encryption",  "confidential-guest-support",
    "phandle-start",      "dt-compatible",
    "suppress-vmdesc",    "sgx-epc",
    "x-oem-id",           "x-oem-table-id",
    "bus-lock-ratelimit",
};
constexpr std::string_view kUnsupportedQ35[] = {
    "default-bus-bypass-iommu",
    "max-fw-size",
    "max-ram-below-4g",
    "smbios-entry-point-type",
};

struct Parser {
  MachineType type;
  MachineConfig& config;
  MachineOptions out;

  const char* type_name() const {
    switch (type) {
      case MachineType::kMicrovm:
        return "microvm";
      case MachineType::kQ35:
        return "pc-q35-7.2";
      case MachineType::kNone:
        break;
    }
    return "none";
  }

  // False: not one of these.
  Result<bool> Common(const std::string& name, const std::string& value) {
    if (name == "kernel") {
      config.kernel = value;
    } else if (name == "initrd") {
      config.initrd = value;
    } else if (name == "append") {
      config.append = value;
    } else if (name == "dtb") {
      config.dtb = value;
    } else if (name == "dumpdtb") {
      out.dumpdtb = value;
    } else if (name == "memory-backend") {
      out.memory_backend = value;
    } else if (name == "mem-merge") {
      DAVIT_ASSIGN(out.mem_merge, ParseBool(name, value));
    } else if (name == "dump-guest-core") {
      DAVIT_ASSIGN(out.dump_guest_core, ParseBool(name, value));
    } else if (name == "kernel-irqchip") {
      DAVIT_ASSIGN(out.irqchip, ParseIrqchip(value));
    } else {
      return false;
    }
    return true;
  }

  Result<bool> Pc(const std::string& name, const std::string& value) {
    const std::pair<std::string_view, OnOffAuto*> switches[] = {
        {"acpi", &out.acpi}, {"pit", &out.pit}, {"pic", &out.pic}};
    for (const auto& [known, member] : switches) {
      if (name != known) continue;
      DAVIT_ASSIGN(*member, ParseOnOffAuto(name, value));
      return true;
    }
    return type == MachineType::kQ35 ? Q35(name, value) : Microvm(name, value);
  }

  Result<bool> Q35(const std::string& name, const std::string& value) {
    if (name != "i8042") return false;
    DAVIT_ASSIGN(out.i8042, ParseBool(name, value));
    return true;
  }

  Result<bool> Microvm(const std::string& name, const std::string& value) {
    if (name == "rtc") {
      DAVIT_ASSIGN(out.rtc, ParseOnOffAuto(name, value));
      return true;
    }
    if (name == "isa-serial") {
      DAVIT_ASSIGN(out.isa_serial, ParseBool(name, value));
      return true;
    }
    if (name == "auto-kernel-cmdline") {
      DAVIT_ASSIGN(out.auto_kernel_cmdline, ParseBool(name, value));
      return true;
    }
    return false;
  }

  Result<bool> Restricted(const std::string& name, const std::string& value) {
    for (const OnlyOff& property : kOnlyOff) {
      if (name != property.name) continue;
      const bool has = type == MachineType::kMicrovm ? property.microvm
                       : type == MachineType::kQ35   ? property.q35
                                                     : property.none;
      if (!has) return false;
      bool on = false;
      if (property.has_auto) {
        DAVIT_ASSIGN(const OnOffAuto parsed, ParseOnOffAuto(name, value));
        on = parsed == OnOffAuto::kOn;
      } else {
        DAVIT_ASSIGN(on, ParseBool(name, value));
      }
      if (on) {
        return Fail(fmt::format("Property '{}-machine.{}' cannot be 'on': not supported",
                                type_name(), name));
      }
      return true;
    }
    const auto in = [&name](std::span<const std::string_view> names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (in(kUnsupported) || (type == MachineType::kQ35 && in(kUnsupportedQ35))) {
      return Fail(fmt::format("Property '{}-machine.{}' is not supported", type_name(), name));
    }
    if (name == "firmware" ||
        (type == MachineType::kQ35 && (name == "pflash0" || name == "pflash1"))) {
      return Fail(
          fmt::format("Property '{}-machine.{}' is not supported: the machine has no firmware",
                      type_name(), name));
    }
    return false;
  }

  Status Apply(const std::string& name, const std::string& value) {
    DAVIT_ASSIGN(bool known, Common(name, value));
    if (!known && type != MachineType::kNone) {
      DAVIT_ASSIGN(known, Pc(name, value));
    }
    if (!known) {
      DAVIT_ASSIGN(known, Restricted(name, value));
    }
    if (known) return {};
    return Fail(fmt::format("Property '{}-machine.{}' not found", type_name(), name));
  }
};

}  // namespace

Result<MachineOptions> ParseMachineOptions(MachineType type, MachineConfig& config) {
  Parser parser{type, config, {}};
  for (const auto& [name, value] : config.machine_properties) {
    DAVIT_TRY(parser.Apply(name, value));
  }
  return parser.out;
}

Status CheckAccelProperties(const MachineConfig& config, MachineOptions& options) {
  for (const AccelConfig& accel : config.accels) {
    if (accel.name != "kvm" && accel.name != "qtest") continue;
    for (const auto& [name, value] : accel.properties) {
      const std::string at = accel.where.empty() ? "" : accel.where + ": ";
      if (accel.name != "kvm" || name != "kernel-irqchip") {
        return Fail(fmt::format("{}Property '{}-accel.{}' not found", at, accel.name, name));
      }
      DAVIT_ASSIGN(options.irqchip, ParseIrqchip(value));
    }
  }
  return {};
}

Status CheckBoot(const MachineConfig& config) {
  for (const auto& [name, value] : config.boot) {
    // Nothing but the kernel is ever tried, and that does not fail.
    if (name == "strict" || name == "reboot-timeout") continue;
    if (name == "menu") {
      DAVIT_ASSIGN(const bool on, ParseBool(name, value));
      if (!on) continue;
    }
    return Fail(
        fmt::format("-boot {}={} is not supported: the machine has no firmware", name, value));
  }
  return {};
}

}  // namespace davit::machine
