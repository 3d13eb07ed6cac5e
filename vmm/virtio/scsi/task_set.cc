// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See task_set.h.
#include "vmm/virtio/scsi/task_set.h"

namespace davit::virtio::scsi {

void TaskSet::Begin(ActiveTask& task) {
  task.number = next_++;
  all_.tasks.emplace(task.number, &task);
  by_tag_[task.tag].tasks.emplace(task.number, &task);
}

std::vector<uint64_t> TaskSet::End(ActiveTask& task) {
  std::vector<uint64_t> over;
  Remove(all_, task.number, &over);
  const auto same = by_tag_.find(task.tag);
  Remove(same->second, task.number, &over);
  if (same->second.tasks.empty()) by_tag_.erase(same);
  task.number = 0;
  return over;
}

bool TaskSet::Any(Tag tag) const { return tag ? by_tag_.contains(*tag) : !all_.tasks.empty(); }

bool TaskSet::Abort(Tag tag, uint64_t wait) {
  Group* const group = Find(tag);
  if (group == nullptr || group->tasks.empty()) return false;
  for (auto it = group->tasks.lower_bound(group->aborted_before); it != group->tasks.end(); ++it) {
    it->second->aborted = true;
    ++work_;
  }
  group->aborted_before = next_;
  group->waits.push_back({next_, wait});
  return true;
}

void TaskSet::DropWaits() {
  all_.waits.clear();
  for (auto& [tag, group] : by_tag_) group.waits.clear();
}

TaskSet::Group* TaskSet::Find(Tag tag) {
  if (!tag) return &all_;
  const auto found = by_tag_.find(*tag);
  return found == by_tag_.end() ? nullptr : &found->second;
}

void TaskSet::Remove(Group& group, uint64_t number, std::vector<uint64_t>* over) {
  group.tasks.erase(number);
  const uint64_t oldest = group.tasks.empty() ? next_ : group.tasks.begin()->first;
  while (!group.waits.empty() && group.waits.front().before <= oldest) {
    over->push_back(group.waits.front().id);
    group.waits.pop_front();
    ++work_;
  }
}

}  // namespace davit::virtio::scsi
