// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The measurements of the benchmark, each on any VMM that takes QEMU's command line. A VMM is
// started per measurement; the QMP client is a bare socket, so that it costs nothing beside the
// server.
#pragma once

#include <string>
#include <vector>

#include "vmm/base/error.h"

namespace davit::bench {

struct Subject {
  std::string name;                 // the column
  std::vector<std::string> argv;    // program and machine, without QMP, serial and kernel
  std::vector<std::string> kernel;  // options that boot the guest of the "start to guest" row
};

// Milliseconds from before fork to the greeting's last byte. The median of `runs`.
Result<double> StartToGreeting(const Subject& subject, int runs);

// Microseconds of one query-status, one at a time. The median of `count`.
Result<double> RoundTrip(const Subject& subject, int count);

// query-status commands a second, all written without waiting for replies. The best of three.
Result<double> PipelinedRate(const Subject& subject, int count);

// Milliseconds from before fork until `text` is on the first serial port. The median of `runs`.
Result<double> StartToGuest(const Subject& subject, const std::string& text, int runs);

// MiB of private memory (Private_Clean + Private_Dirty) outside mappings of guest RAM, with the
// guest running and one QMP client negotiated. `ram`: bytes of guest RAM.
Result<double> PrivateMemory(const Subject& subject, const std::string& text, uint64_t ram);

}  // namespace davit::bench
