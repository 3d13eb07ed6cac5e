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
    std::set<const Active*> wait;
    const uint8_t response = RunTask(*request, &wait);
    if (wait.empty()) return FinishTask(std::move(chain), response);
    waiting_.push_back({std::move(chain), std::move(wait)});
    AbortHeld();
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

// What the error policy stopped and a task has aborted ends here.
void ScsiDevice::AbortHeld() {
  std::deque<std::unique_ptr<Active>> held = std::exchange(held_, {});
  for (std::unique_ptr<Active>& active : held) {
    if (active->aborted) {
      Complete(std::move(active), scsi::kAborted, 0);
    } else {
      held_.push_back(std::move(active));
    }
  }
}

// wait: the commands whose end the answer waits for; the response then is "complete".
uint8_t ScsiDevice::RunTask(const scsi::TaskRequest& request, std::set<const Active*>* wait) {
  const uint32_t task = request.subtype;
  if (!WellFormed(request.lun) || !HasTarget(request.lun[1])) return scsi::kBadTarget;
  if (task > scsi::kQueryTaskSet || task == scsi::kClearAca) return scsi::kFunctionRejected;
  Lun* const lun = Find(request.lun);
  if (lun == nullptr && task != scsi::kNexusReset) return scsi::kIncorrectLun;
  const bool one = task == scsi::kAbortTask || task == scsi::kQueryTask;
  const uint64_t tag = request.tag;
  bool any = false;
  for (Active* active : running_) {
    const bool same = task == scsi::kNexusReset
                          ? active->address[1] == request.lun[1]
                          : active->lun == lun && (!one || active->tag == tag);
    if (!same) continue;
    any = true;
    if (task == scsi::kQueryTask || task == scsi::kQueryTaskSet) continue;
    active->aborted = true;
    wait->insert(active);
  }
  if (task == scsi::kQueryTask || task == scsi::kQueryTaskSet) {
    return any ? scsi::kFunctionSucceeded : scsi::kOk;
  }
  if (task == scsi::kLunReset) lun->Reset();
  if (task == scsi::kNexusReset) {
    for (const auto& [key, other] : luns_) {
      if (other->config.target == request.lun[1]) other->Reset();
    }
  }
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

void ScsiDevice::Forget(const Active* active) {
  running_.erase(const_cast<Active*>(active));
  for (size_t i = 0; i < waiting_.size();) {
    waiting_[i].tasks.erase(active);
    if (!waiting_[i].tasks.empty()) {
      ++i;
      continue;
    }
    DescriptorChain chain = std::move(waiting_[i].chain);
    waiting_.erase(waiting_.begin() + static_cast<long>(i));
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
