// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See backend.h.
#include "vmm/backend/block/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "vmm/backend/block/file_node.h"
#include "vmm/backend/block/graph.h"

namespace davit::backend {

BlockBackend::BlockBackend(BlockGraph& graph, std::string name, std::shared_ptr<BlockNode> node)
    : graph_(graph), name_(std::move(name)), node_(std::move(node)), target_(node_->Target()) {}

BlockBackend::~BlockBackend() {
  queue_.reset();  // waits for the loop
  node_->RemoveUser(this);
  graph_.Forget(this);
}

std::string BlockBackend::Who() const {
  return fmt::format("block device '{}'", name_.empty() ? qdev_ : name_);
}

Status BlockBackend::Attach(AttachOptions options) {
  qdev_ = options.qdev;
  read_only_ = options.read_only || node_->read_only();
  BlockPermissions shared = kPermRead | kPermWriteUnchanged;
  if (options.resizable) shared |= kPermResize;
  if (options.share_rw) shared |= kPermWrite;
  Status status =
      node_->SetUser(this, {Who(), "root", kPermRead | (read_only_ ? 0 : kPermWrite), shared});
  if (!status) {
    qdev_.clear();
    return status;
  }
  attached_ = true;
  removable_ = options.removable;
  const auto choose = [](ErrorPolicy device, ErrorPolicy drive, ErrorPolicy otherwise) {
    if (device != ErrorPolicy::kAuto) return device;
    return drive != ErrorPolicy::kAuto ? drive : otherwise;
  };
  rerror_ = choose(options.rerror, given_.rerror, ErrorPolicy::kReport);
  werror_ = choose(options.werror, given_.werror, ErrorPolicy::kEnospc);
  write_cache_ = options.write_cache.value_or(given_.write_cache);
  return {};
}

void BlockBackend::Detach() {
  std::unique_ptr<BlockQueue> queue;
  {
    std::lock_guard lock(mutex_);
    queue = std::move(queue_);
    loop_ = nullptr;
  }
  queue.reset();  // waits for the loop
  attached_ = false;
  qdev_.clear();
  resized_ = nullptr;
  write_cache_ = given_.write_cache;
  ResetIoStatus();
  (void)node_->SetUser(this, {Who(), "root", kPermRead, kPermAll});  // less is never refused
}

io::Clock::time_point BlockBackend::now() const {
  const io::EventLoop* const loop = loop_;
  return loop != nullptr ? loop->Now() : io::Clock::time_point();
}

bool BlockBackend::io_status_enabled() const {
  return attached_ && (werror_ == ErrorPolicy::kEnospc || werror_ == ErrorPolicy::kStop ||
                       rerror_ == ErrorPolicy::kStop);
}

std::shared_ptr<ThrottleGroup> BlockBackend::throttle() const {
  std::lock_guard lock(mutex_);
  return group_;
}

void BlockBackend::SetThrottle(std::shared_ptr<ThrottleGroup> group, const ThrottleConfig& config) {
  if (group != nullptr) group->SetConfig(config, now());
  std::lock_guard lock(mutex_);
  group_ = std::move(group);
  if (queue_) queue_->PostReady();
}

void BlockBackend::NoteResized() {
  if (resized_) resized_();
}

uint32_t BlockBackend::logical_sector() const {
  return target_.file != nullptr ? target_.file->logical_sector() : 0;
}

uint32_t BlockBackend::physical_sector() const {
  return target_.file != nullptr ? target_.file->physical_sector() : 0;
}

void BlockBackend::Start(io::EventLoop& loop, std::function<void()> ready) {
  if (queue_) return;
  std::lock_guard lock(mutex_);
  loop_ = &loop;
  queue_ = std::make_unique<BlockQueue>(loop, graph_.workers(), &stats_, std::move(ready));
}

void BlockBackend::Submit(BlockRequest& request) {
  request.started = loop_.load()->Now();
  const bool write = request.op == BlockOp::kWrite || request.op == BlockOp::kWriteZeroes;
  if (write) {
    if (!write_cache()) request.fua = true;
    node_->NoteWrite(request.offset + request.bytes);
  }
  if (write || request.op == BlockOp::kRead) {
    const std::shared_ptr<ThrottleGroup> group = throttle();
    if (group != nullptr && !draining_) {
      if (!held_[write].empty() ||
          group->Wait(write, loop_.load()->Now()) != io::Clock::duration::zero()) {
        held_[write].push_back(&request);
        ++throttled_;
        if (!timer_) RunThrottled();
        return;
      }
      group->Account(write, request.bytes);
    }
  }
  queue_->Submit(target_, request);
}

void BlockBackend::RunThrottled() {
  timer_.reset();
  const std::shared_ptr<ThrottleGroup> group = throttle();
  std::optional<io::Clock::duration> next;
  for (const bool write : {false, true}) {
    while (!held_[write].empty()) {
      if (group != nullptr && !draining_) {
        const io::Clock::duration wait = group->Wait(write, loop_.load()->Now());
        if (wait != io::Clock::duration::zero()) {
          next = std::min(next.value_or(wait), wait);
          break;
        }
        group->Account(write, held_[write].front()->bytes);
      }
      BlockRequest& request = *held_[write].front();
      held_[write].pop_front();
      --throttled_;
      queue_->Submit(target_, request);
    }
  }
  if (next) timer_ = loop_.load()->At(loop_.load()->Now() + *next, [this] { queue_->PostReady(); });
}

void BlockBackend::Reap() {
  if (!queue_) return;
  if (throttled_ != 0) {
    RunThrottled();
    Kick();
  }
  if (draining_) queue_->Hurry();
  queue_->Reap();
  if (in_flight() == 0) draining_ = false;
}

void BlockBackend::Drain() {
  if (in_flight() == 0) return;
  draining_ = true;
  queue_->PostReady();
}

ErrorAction BlockBackend::OnError(bool read, int error) {
  ErrorAction action = ErrorAction::kReport;
  switch (read ? rerror_ : werror_) {
    case ErrorPolicy::kIgnore:
      action = ErrorAction::kIgnore;
      break;
    case ErrorPolicy::kStop:
      action = ErrorAction::kStop;
      break;
    case ErrorPolicy::kEnospc:
      if (error == ENOSPC) action = ErrorAction::kStop;
      break;
    default:
      break;
  }
  if (action == ErrorAction::kStop) {
    IoStatus ok = IoStatus::kOk;
    io_status_.compare_exchange_strong(ok,
                                       error == ENOSPC ? IoStatus::kNoSpace : IoStatus::kFailed);
  }
  graph_.Report({.device = name_,
                 .node_name = node_->name(),
                 .read = read,
                 .action = action,
                 .nospace_known = io_status_enabled(),
                 .nospace = error == ENOSPC,
                 .reason = strerrordesc_np(error)});
  return action;
}

}  // namespace davit::backend
