// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See scsi.h: the control queue (task management, notifications) and the event queue.
#include <algorithm>
#include <cstring>
#include <utility>

#include "vmm/virtio/scsi/scsi_internal.h"

namespace davit::virtio {

void ScsiDevice::HandleControl(DescriptorChain chain) {
  Reader reader = chain.reader();
  const auto type = reader.Read<le32>();
  if (!type) {
    return FailChain(scsi::kControlQueue, std::move(chain), "a control request without a type");
  }
  reader = chain.reader();
  if (*type == scsi::kControlTask) {
    const auto request = reader.Read<scsi::TaskRequest>();
    if (!request || chain.writable_bytes() < 1) {
      return FailChain(scsi::kControlQueue, std::move(chain), "a task request cut short");
    }
    size_t units = 0;
    const uint8_t response = RunTask(*request, next_wait_, &units);
    if (units == 0) return FinishTask(std::move(chain), response);
    waiting_.emplace(next_wait_++, WaitingTask{std::move(chain), units});
    return;
  }
  if (*type == scsi::kControlQuery || *type == scsi::kControlSubscribe) {
    // No asynchronous event of a unit is there to subscribe to.
    const auto request = reader.Read<scsi::NotifyRequest>();
    if (!request || chain.writable_bytes() < 5) {
      return FailChain(scsi::kControlQueue, std::move(chain), "a notification request cut short");
    }
    Writer writer = chain.writer();
    (void)writer.Write(le32(0));
    (void)writer.Write(static_cast<uint8_t>(Find(request->lun) ? scsi::kOk : scsi::kBadTarget));
    notify_[scsi::kControlQueue] = true;
    (void)queues_[scsi::kControlQueue]->Complete(std::move(chain), writer.written());
    return;
  }
  FinishTask(std::move(chain), scsi::kFailure);
}

// What the error policy stopped and tasks have aborted ends here.
void ScsiDevice::AbortHeld() {
  std::deque<std::unique_ptr<Active>> held = std::exchange(held_, {});
  for (std::unique_ptr<Active>& active : held) {
    if (active->task.aborted) {
      Complete(std::move(active), scsi::kAborted, 0);
    } else {
      held_.push_back(std::move(active));
    }
  }
}

// units: how many will give `wait` back when commands of theirs have ended; if any, the answer
// waits for them and then is "complete".
uint8_t ScsiDevice::RunTask(const scsi::TaskRequest& request, uint64_t wait, size_t* units) {
  const uint32_t task = request.subtype;
  if (!WellFormed(request.lun) || !HasTarget(request.lun[1])) return scsi::kBadTarget;
  if (task > scsi::kQueryTaskSet || task == scsi::kClearAca) return scsi::kFunctionRejected;
  if (task == scsi::kNexusReset) {
    const uint8_t target = request.lun[1];
    for (auto it = luns_.lower_bound(KeyOf(target, 0)); it != luns_.end(); ++it) {
      if (it->second->config.target != target) break;
      if (it->second->tasks.Abort({}, wait)) ++*units;
      it->second->Reset();
    }
    return scsi::kOk;
  }
  Lun* const lun = Find(request.lun);
  if (lun == nullptr) return scsi::kIncorrectLun;
  scsi::TaskSet::Tag tag;
  if (task == scsi::kAbortTask || task == scsi::kQueryTask) tag = request.tag;
  if (task == scsi::kQueryTask || task == scsi::kQueryTaskSet) {
    return lun->tasks.Any(tag) ? scsi::kFunctionSucceeded : scsi::kOk;
  }
  if (lun->tasks.Abort(tag, wait)) *units = 1;
  if (task == scsi::kLunReset) lun->Reset();
  return scsi::kOk;
}

void ScsiDevice::FinishTask(DescriptorChain chain, uint8_t response) {
  Writer writer = chain.writer();
  if (!writer.Write(response)) {
    return FailChain(scsi::kControlQueue, std::move(chain), "a control request without an answer");
  }
  notify_[scsi::kControlQueue] = true;
  (void)queues_[scsi::kControlQueue]->Complete(std::move(chain), writer.written());
}

void ScsiDevice::Forget(Active& active) {
  if (active.task.number == 0) return;
  for (const uint64_t wait : active.lun->tasks.End(active.task)) {
    const auto waiting = waiting_.find(wait);
    if (--waiting->second.units != 0) continue;
    DescriptorChain chain = std::move(waiting->second.chain);
    waiting_.erase(waiting);
    FinishTask(std::move(chain), scsi::kOk);
  }
}

void ScsiDevice::SendEvent(uint32_t event, const scsi::LunAddress& lun, uint32_t reason) {
  VirtQueue* const queue = active_ ? queues_[scsi::kEventQueue] : nullptr;
  if (queue == nullptr) return;
  auto chain = queue->Pop();
  if (!chain) return host().NeedsReset(chain.error().message);
  if (!*chain) {
    events_missed_ = true;
    return;
  }
  scsi::Event text{};
  text.event = event | (events_missed_ ? scsi::kEventsMissed : 0);
  text.lun = lun;
  text.reason = reason;
  Writer writer = (*chain)->writer();
  if (!writer.Write(text)) {
    return FailChain(scsi::kEventQueue, std::move(**chain), "an event buffer that is too short");
  }
  events_missed_ = false;
  (void)queue->Complete(std::move(**chain), writer.written());
  queue->Notify();
}

void ScsiDevice::UnitsChanged(const ScsiUnitConfig& unit, uint32_t reason) {
  if (!active_ || !(features_ & scsi::kFeatureHotplug)) return;
  SendEvent(scsi::kTransportReset, AddressOf(unit.target, unit.lun), reason);
  // Drivers that miss events hear of it from the others.
  for (const auto& [key, lun] : luns_) lun->Raise(scsi::kLunsHaveChanged);
}

void ScsiDevice::Resized(Lun& lun) {
  lun.Raise(scsi::kCapacityHasChanged);
  if (!(features_ & scsi::kFeatureChange)) return;
  SendEvent(scsi::kParameterChange, AddressOf(lun.config.target, lun.config.lun),
            scsi::kCapacityChanged);
}

}  // namespace davit::virtio
