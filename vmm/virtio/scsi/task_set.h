// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The commands under way at one logical unit, and who waits for the end of them (SAM-6, 7: task
// management). A guest has as many of both as its queues hold, so that their product must cost
// nothing: a command is aborted once, and a wait is a number, not a list of commands. Owner: the
// device's lock.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

namespace davit::virtio::scsi {

struct ActiveTask {
  uint64_t tag = 0;     // the driver's; several commands may have the same
  uint64_t number = 0;  // the TaskSet's; 0: not under way
  bool aborted = false;
};

class TaskSet {
 public:
  using Tag = std::optional<uint64_t>;  // none: all commands

  // task: stays where it is until End().
  void Begin(ActiveTask& task);
  // The waits of which it was the last command, in no order.
  std::vector<uint64_t> End(ActiveTask& task);
  bool Any(Tag tag) const;
  // Aborts the commands that are under way; End() gives `wait` back when there are none of them
  // left. False: there are none.
  bool Abort(Tag tag, uint64_t wait);
  void DropWaits();

  // Commands that were aborted and waits that were over: the work done so far, but for look-ups.
  uint64_t work() const { return work_; }

 private:
  struct Wait {
    uint64_t before;  // until no command with a smaller number is left
    uint64_t id;
  };
  struct Group {
    std::map<uint64_t, ActiveTask*> tasks;  // by number
    uint64_t aborted_before = 0;            // none of the smaller numbers is left to be aborted
    std::list<Wait> waits;                  // `before` ascends
  };
  Group* Find(Tag tag);
  void Remove(Group& group, uint64_t number, std::vector<uint64_t>* over);

  uint64_t next_ = 1;
  uint64_t work_ = 0;
  Group all_;
  std::map<uint64_t, Group> by_tag_;  // without empty ones
};

}  // namespace davit::virtio::scsi
