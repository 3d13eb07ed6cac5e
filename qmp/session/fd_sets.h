// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The file descriptor sets of add-fd, remove-fd and query-fdsets (QEMU 7.2's qapi/misc.json), which
// belong to the process, not to a session. A set lives while it has descriptors or duplicates of
// them are in use. A descriptor that was removed, or that has no duplicate in use while no client
// is connected, is closed at the next clean-up, and clean-ups happen only while the VM runs. Owner:
// control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::qmp {

class FdSets {
 public:
  // `running` tells if the VM runs; empty: always.
  explicit FdSets(std::function<bool()> running = {}) : running_(std::move(running)) {}

  struct Added {
    int64_t fdset_id = 0;
    int64_t fd = 0;
  };
  // add-fd. No id: the smallest free one. Error: negative id.
  Result<Added> Add(UniqueFd fd, std::optional<int64_t> fdset_id,
                    std::optional<std::string> opaque);
  // remove-fd; no fd: the whole set. Error: "File descriptor named 'fdset-id:N[, fd:M]' not found".
  Status Remove(int64_t fdset_id, std::optional<int64_t> fd);

  struct FdInfo {
    int64_t fd = 0;
    std::optional<std::string> opaque;
  };
  struct SetInfo {
    int64_t fdset_id = 0;
    std::vector<FdInfo> fds;
  };
  // query-fdsets, highest id first as QEMU lists them.
  std::vector<SetInfo> List() const;

  // What opening /dev/fdset/N means: a duplicate of a descriptor of the set whose access mode is
  // that of `flags` (O_RDONLY, O_WRONLY, O_RDWR). O_APPEND and O_NONBLOCK are set, O_TRUNC empties
  // the file. The set counts the duplicate until Release(). Error: *error gets the errno.
  Result<UniqueFd> Open(int64_t fdset_id, int flags, int* error);
  // The duplicate `fd` is about to be closed by its user.
  void Release(int fd);

  // A monitor client came or went (the server calls these).
  void ClientConnected() { ++clients_; }
  void ClientDisconnected();

 private:
  struct Entry {
    UniqueFd fd;
    std::optional<std::string> opaque;
    bool removed = false;
  };
  struct Set {
    std::vector<Entry> fds;
    std::vector<int> duplicates;
  };
  using Sets = std::map<int64_t, Set>;

  Sets::iterator CleanUp(Sets::iterator it);  // returns the next one

  std::function<bool()> running_;
  Sets sets_;
  int clients_ = 0;
};

}  // namespace davit::qmp
