// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a command handler can ask about who called it. Implemented by qmp/session; tests have their
// own. Owner: control thread. A handler that completes later must not keep the reference: the
// session may be gone by then.
#pragma once

#include <cstdint>

#include "schema/runtime/named_fds.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::qapi {

class CommandContext {
 public:
  virtual ~CommandContext() = default;
  // The oldest descriptor that the client has passed (SCM_RIGHTS) and no command has consumed.
  // Error: "No file descriptor supplied via SCM_RIGHTS".
  virtual Result<UniqueFd> TakeFd() = 0;
  // The descriptors that this session named with getfd.
  virtual NamedFds& named_fds() = 0;
  // The VM has been started with --preconfig and x-exit-preconfig is still to come.
  virtual bool in_preconfig() const = 0;
  // Unique for the life of the process.
  virtual uint64_t session_id() const = 0;
};

}  // namespace davit::qapi
