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
    : graph_(graph), id_(std::move(name)), name_(id_) {
  SetNode(std::move(node));
}

BlockBackend::~BlockBackend() {
  queue_.reset();  // waits for the loop
  if (node_ != nullptr) node_->RemoveUser(this);
  graph_.Forget(this);
}

BlockNodeUser BlockBackend::User() const {
  BlockPermissions used = kPermRead;
  if (attached_ && !read_only_) used |= kPermWrite;
  return {fmt::format("block device '{}'", name_.empty() ? qdev_ : name_), "root", used,
          attached_ ? shared_ : kPermAll};
}

void BlockBackend::SetNode(std::shared_ptr<BlockNode> node) {
  last_medium_ = medium_options();
  node_ = std::move(node);
  Retarget();
}

void BlockBackend::Retarget() {
  target_ = node_ != nullptr ? node_->Target() : BlockTarget{.discard = false};
}

MediumOptions BlockBackend::medium_options() const {
  if (node_ == nullptr) return last_medium_;
  return {.read_only = node_->read_only(),
          .direct = node_->direct(),
          .no_flush = node_->no_flush(),
          .discard = node_->discard(),
          .detect_zeroes = node_->detect_zeroes() != DetectZeroes::kOff};
}

Status BlockBackend::ChangeMedium(std::shared_ptr<BlockNode> node,
                                  const std::function<void()>& first) {
  if (node == node_) return {};
  const std::shared_ptr<BlockNode> old = node_;  // goes without the device's lock
  Status status = node != nullptr ? node->SetUser(this, User()) : Status();
  if (!status && old == nullptr) return status;
  // While requests are under way the old one keeps its locks.
  bool leave = old != nullptr;
  if (!status) {
    // What is in the way may have been the old one itself: both can be of one image.
    old->RemoveUser(this);
    leave = false;
    status = node->SetUser(this, User());
    if (!status) {
      const Status back = old->SetUser(this, User());
      if (back) return status;
      node = nullptr;  // somebody else was quick
      status = Fail(fmt::format("{}; the medium before is out, too: {}", status.error().message,
                                back.error().message));
    }
  }
  if (first) first();
  WhileStill([&] { SetNode(std::move(node)); });
  if (leave) old->RemoveUser(this);
  return status;
}

void BlockBackend::WhileStill(const std::function<void()>& fn) {
  if (tray_ != nullptr) {
    tray_->WhileQuiet(fn);
  } else if (owner_ != nullptr) {
    owner_->WhileQuiet([&] {
      const auto lock = owner_->Lock();
      fn();
    });
  } else {
    fn();
  }
}

void BlockBackend::NoteTrayMoved(bool open, bool by_guest) {
  graph_.Report(TrayMoved{.device = name_, .qdev = qdev_, .open = open, .by_guest = by_guest});
}

Status BlockBackend::Attach(AttachOptions options) {
  if (node_ == nullptr && options.needs_medium) {
    return Fail("Device needs media, but drive is empty");
  }
  qdev_ = options.qdev;
  read_only_ = options.read_only || medium_options().read_only;
  shared_ = kPermRead | kPermWriteUnchanged;
  if (options.resizable) shared_ |= kPermResize;
  if (options.share_rw) shared_ |= kPermWrite;
  attached_ = true;
  Status status = node_ != nullptr ? node_->SetUser(this, User()) : Status();
  if (!status) {
    attached_ = false;
    qdev_.clear();
    return status;
  }
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
  tray_ = nullptr;
  owner_ = nullptr;
  write_cache_ = given_.write_cache;
  ResetIoStatus();
  if (node_ != nullptr) (void)node_->SetUser(this, User());  // less is never refused
}

void BlockBackend::Disown() {
  const std::shared_ptr<BlockNode> old = node_;  // goes without the device's lock
  WhileStill([this] {
    SetNode(nullptr);
    name_.clear();
    rerror_ = werror_ = ErrorPolicy::kReport;
  });
  if (old != nullptr) old->RemoveUser(this);
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
  {
    std::lock_guard lock(mutex_);
    group_ = std::move(group);
  }
  LimitsChanged();
}

void BlockBackend::LimitsChanged() {
  std::lock_guard lock(mutex_);
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
    if (node_ != nullptr) node_->NoteWrite(request.offset + request.bytes);
  }
  if (write || request.op == BlockOp::kRead) {
    if (!held_[write].empty() || TakeTurn(request) != io::Clock::duration::zero()) {
      held_[write].push_back(&request);
      ++throttled_;
      if (!timer_) RunThrottled();
      return;
    }
  }
  queue_->Submit(target_, request);
}

// Zero: it goes, and counts, in the disk's own group and in that of a throttle node. Else: how long
// it has to wait.
io::Clock::duration BlockBackend::TakeTurn(const BlockRequest& request) {
  constexpr auto kNow = io::Clock::duration::zero();
  const std::shared_ptr<ThrottleGroup> own = throttle();
  if (draining_ || (own == nullptr && target_.throttle == nullptr)) return kNow;
  const bool write = request.op != BlockOp::kRead;
  io::Clock::duration wait = kNow;
  for (ThrottleGroup* const group : {own.get(), target_.throttle}) {
    if (group != nullptr) wait = std::max(wait, group->Wait(write, loop_.load()->Now()));
  }
  if (wait != kNow) return wait;
  for (ThrottleGroup* const group : {own.get(), target_.throttle}) {
    if (group != nullptr) group->Account(write, request.bytes);
  }
  return kNow;
}

void BlockBackend::RunThrottled() {
  timer_.reset();
  std::optional<io::Clock::duration> next;
  for (const bool write : {false, true}) {
    while (!held_[write].empty()) {
      BlockRequest& request = *held_[write].front();
      const io::Clock::duration wait = TakeTurn(request);
      if (wait != io::Clock::duration::zero()) {
        next = std::min(next.value_or(wait), wait);
        break;
      }
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
                 .node_name = node_ != nullptr ? node_->name() : "",
                 .read = read,
                 .action = action,
                 .nospace_known = io_status_enabled(),
                 .nospace = error == ENOSPC,
                 .reason = strerrordesc_np(error)});
  return action;
}

}  // namespace davit::backend
