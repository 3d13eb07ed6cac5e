// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Domains as libvirt reads them, for the tests: a q35 with the probe guest, and what a case adds.
// Plain values.
#pragma once

#include <string>

namespace davit::testing {

struct DomainXml {
  std::string name;
  std::string emulator;
  unsigned memory_mib = 64;
  std::string vcpu = "<vcpu>1</vcpu>";
  std::string cpu = "<cpu mode='host-passthrough'/>";
  std::string boot;      // elements of <os>: a kernel
  std::string more;      // elements of <domain>
  std::string devices;   // elements of <devices>
  unsigned ports = 0;    // root ports, which cards take at the start and later
  std::string argument;  // of davitd: "-device" and this; empty: none
};

// Elements for `boot`; files that the domain's process can reach.
std::string Kernel(const std::string& image, const std::string& initrd = "",
                   const std::string& command_line = "");

// No USB and no balloon; a serial port on a pty is its console.
std::string ToXml(const DomainXml& domain);

// Elements for `devices`.
std::string RawDisk(const std::string& file, const std::string& target);
std::string UserCard(const std::string& mac);
inline constexpr char kBalloon[] = "<memballoon model='virtio'><stats period='1'/></memballoon>";
inline constexpr char kAgentChannel[] =
    "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>";

}  // namespace davit::testing
