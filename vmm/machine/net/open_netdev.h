// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// From a control::NetdevSpec to the back end: which members go together, descriptors, scripts. The
// words of errors are QEMU's. Control thread; may wait for a script or for a connection.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "vmm/backend/net/net_backend.h"
#include "vmm/base/error.h"
#include "vmm/control/events.h"
#include "vmm/control/net_control.h"
#include "vmm/io/event_loop.h"
#include "vmm/virtio/vhost/rings.h"

namespace davit::backend {
class ChardevRegistry;
}

namespace davit::machine {

struct NetdevContext {
  io::EventLoop& loop;                           // the control thread's
  backend::ChardevRegistry* chardevs = nullptr;  // guestfwd=; null: there are none
  std::function<void(const control::Event&)> emit;
};

struct OpenedNetdev {
  std::unique_ptr<backend::NetBackend> backend;
  // vhost=on: of each queue, for the card that comes; empty: none.
  std::vector<std::unique_ptr<virtio::vhost::Rings>> vhost = {};
};

// named_fds: for fd=NAME; empty: there are no names.
Result<OpenedNetdev> OpenNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                                const control::NamedFdSource& named_fds);

}  // namespace davit::machine
