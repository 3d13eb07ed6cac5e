// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside this package: one function a kind of netdev, and descriptors by number or name.
#pragma once

#include <memory>
#include <string>

#include "vmm/machine/net/open_netdev.h"
#include "vmm/machine/net/spec_reader.h"

namespace davit::machine {

using OpenedBackend = Result<std::unique_ptr<backend::NetBackend>>;

OpenedBackend OpenUserNetdev(const NetdevContext& context, const control::NetdevSpec& spec);
Result<OpenedNetdev> OpenTapNetdev(const control::NetdevSpec& spec,
                                   const control::NamedFdSource& named_fds);
OpenedBackend OpenSocketNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                               const control::NamedFdSource& named_fds);
OpenedBackend OpenStreamNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                               const control::NamedFdSource& named_fds);
OpenedBackend OpenDgramNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                              const control::NamedFdSource& named_fds);

// A descriptor from fd=: a number is one that the process was given, taken over when `check` (may
// be empty) has nothing against it.
Result<UniqueFd> TakeDescriptor(const std::string& netdev, const std::string& text,
                                const control::NamedFdSource& named_fds,
                                const std::function<Status(int fd)>& check);
// Error: not a socket.
Status CheckSocket(int fd);

}  // namespace davit::machine
