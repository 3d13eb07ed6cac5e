// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The registers of a PC whose writes need no answer, so that KVM may collect them: those that only
// choose what the next access means, which traps, and the port of POST codes, behind which there is
// nothing. A write that does something by itself (a character, a kick, a reset) is none of these.
#pragma once

#include <cstdint>

#include "vmm/boot/pc_layout.h"
#include "vmm/kvm/types.h"

namespace davit::machine {

inline constexpr uint16_t kPostPort = 0x80;  // and the delay of old drivers

inline constexpr kvm::WriteZone kRtcIndex{true, boot::kRtcPort, 1};
inline constexpr kvm::WriteZone kPostCodes{true, kPostPort, 1};
// With an IOAPIC of our own: IOREGSEL. KVM's is in the kernel anyway.
inline constexpr kvm::WriteZone kIoapicIndex{false, boot::kIoapicBase, 4};

}  // namespace davit::machine
