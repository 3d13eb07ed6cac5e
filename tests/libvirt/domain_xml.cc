// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See domain_xml.h.
#include "tests/libvirt/domain_xml.h"

#include <fmt/format.h>

namespace davit::testing {

std::string ToXml(const DomainXml& domain) {
  std::string devices = domain.devices;
  for (unsigned i = 0; i < domain.ports; ++i) {
    devices += "<controller type='pci' model='pcie-root-port'/>";
  }
  std::string commandline;
  if (!domain.argument.empty()) {
    commandline = fmt::format(
        "<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='-device'/>"
        "<arg value='{}'/></commandline>",
        domain.argument);
  }
  if (devices.find("<memballoon") == std::string::npos) devices += "<memballoon model='none'/>";
  return fmt::format(
      "<domain type='kvm'><name>{}</name><memory unit='MiB'>{}</memory>{}"
      "<os><type arch='x86_64' machine='q35'>hvm</type>{}</os>"
      "<features><acpi/><apic/></features>{}{}"
      "<devices><emulator>{}</emulator><controller type='usb' model='none'/>"
      "<controller type='pci' model='pcie-root'/><serial type='pty'/>{}</devices>{}</domain>",
      domain.name, domain.memory_mib, domain.vcpu, domain.boot, domain.cpu, domain.more,
      domain.emulator, devices, commandline);
}

std::string Kernel(const std::string& image, const std::string& initrd,
                   const std::string& command_line) {
  std::string boot = fmt::format("<kernel>{}</kernel>", image);
  if (!initrd.empty()) boot += fmt::format("<initrd>{}</initrd>", initrd);
  if (!command_line.empty()) boot += fmt::format("<cmdline>{}</cmdline>", command_line);
  return boot;
}

std::string RawDisk(const std::string& file, const std::string& target) {
  return fmt::format(
      "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>"
      "<target dev='{}' bus='virtio'/></disk>",
      file, target);
}

std::string UserCard(const std::string& mac) {
  return fmt::format("<interface type='user'><mac address='{}'/><model type='virtio'/></interface>",
                     mac);
}

}  // namespace davit::testing
