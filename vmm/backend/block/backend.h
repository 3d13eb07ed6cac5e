// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A disk as a device has it: a node, with limits, counters, what happens at errors, and a queue of
// requests. A named one is made by -drive, waits for its device, and is there again when the device
// has gone; others are made when a device names a node. The node is the medium: it can be another,
// or none, where the device has a tray or there is no device.
//
// Threads: control thread, but for what is marked. The device's side is called with the device's
// lock held, on its loop where that is said.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "vmm/backend/block/node.h"
#include "vmm/backend/block/queue.h"
#include "vmm/backend/block/request.h"
#include "vmm/backend/block/stats.h"
#include "vmm/backend/block/throttle.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

class BlockGraph;

// werror=, rerror=. kAuto: what -drive said, else enospc for writes and report for reads.
enum class ErrorPolicy : uint8_t { kAuto, kReport, kIgnore, kEnospc, kStop };
enum class ErrorAction : uint8_t { kReport, kIgnore, kStop };
enum class IoStatus : uint8_t { kOk, kFailed, kNoSpace };

// BLOCK_IO_ERROR. On kStop the VM stops in io-error; the device keeps the request and tries it
// again when the VM goes on.
struct BlockIoError {
  std::string device;  // of -drive; may be empty
  std::string node_name;
  bool read = false;
  ErrorAction action = ErrorAction::kReport;
  bool nospace_known = false;  // `nospace` is worth telling
  bool nospace = false;
  std::string reason;
};

// The device that has a disk, as far as it can be made to stand still. Control thread, without that
// device's lock.
class DiskOwner {
 public:
  virtual ~DiskOwner() = default;
  // Runs fn while the device starts nothing and nothing is under way in its disks.
  virtual void WhileQuiet(const std::function<void()>& fn) = 0;
  // The device's lock.
  virtual std::unique_lock<std::mutex> Lock() = 0;
};

// The tray of a device with a removable medium, as whoever operates the VM uses it. Implemented by
// the device. Control thread, without the device's lock.
class Tray {
 public:
  virtual ~Tray() = default;
  virtual bool tray_open() = 0;
  virtual bool tray_locked() = 0;  // by the guest
  // Opens or closes it, locked or not; the guest is told that the medium may be another.
  virtual void MoveTray(bool open) = 0;
  // The guest is asked to open it. force: its lock does not count any more.
  virtual void RequestEject(bool force) = 0;
  // Runs fn, which exchanges the medium, with the device's lock held and nothing of it under way.
  // What the error policy keeps was meant for the medium before and never reaches the one after.
  virtual void WhileQuiet(const std::function<void()>& fn) = 0;
};

// DEVICE_TRAY_MOVED
struct TrayMoved {
  std::string device;  // of -drive; may be empty
  std::string qdev;
  bool open = false;
  bool by_guest = false;  // told on any thread; else on the control thread
};

// What a medium that is named by its file takes over from the one before.
struct MediumOptions {
  bool read_only = true;
  bool direct = false, no_flush = false, discard = false;
  bool detect_zeroes = false;
};

// What the device says when it takes the disk.
struct AttachOptions {
  std::string qdev;  // the id of the device, or its object path
  bool read_only = false;
  bool share_rw = false;
  bool resizable = true;  // it can tell its driver of a new size
  ErrorPolicy rerror = ErrorPolicy::kAuto;
  ErrorPolicy werror = ErrorPolicy::kAuto;
  std::optional<bool> write_cache;  // nullopt: as -drive cache= says, else on
  bool needs_medium = true;
};

class BlockBackend {
 public:
  ~BlockBackend();  // the device has nothing in flight
  BlockBackend(const BlockBackend&) = delete;
  BlockBackend& operator=(const BlockBackend&) = delete;

  // --- queries ---
  const std::string& name() const { return name_; }  // of -drive; may be empty
  const std::string& qdev() const { return qdev_; }  // empty: no device
  bool attached() const { return attached_; }
  bool removable() const { return !attached_ || tray_ != nullptr; }
  Tray* tray() const { return tray_; }                              // null: it has none
  const std::shared_ptr<BlockNode>& node() const { return node_; }  // null: no medium
  const BlockStats& stats() const { return stats_; }
  io::Clock::time_point now() const;  // the clock of the counters
  bool io_status_enabled() const;
  IoStatus io_status() const { return io_status_.load(std::memory_order_relaxed); }
  void ResetIoStatus() { io_status_.store(IoStatus::kOk, std::memory_order_relaxed); }
  std::shared_ptr<ThrottleGroup> throttle() const;  // null: no limits
  void SetThrottle(std::shared_ptr<ThrottleGroup> group, const ThrottleConfig& config);
  // What waits may go now.
  void LimitsChanged();
  // Puts a medium in, or takes it out (null). `first` is called when nothing can fail any more,
  // before the device sees the change. Error: the node is in conflict with another user; all is as
  // it was, or no medium is in where another process has taken the old one meanwhile.
  Status ChangeMedium(std::shared_ptr<BlockNode> node, const std::function<void()>& first = {});
  MediumOptions medium_options() const;
  void NoteResized();
  // Control thread calls fn when the node has another length.
  void set_resized(std::function<void()> fn) { resized_ = std::move(fn); }

  // --- the device ---
  // Outlives the attachment, or is taken back (null). Control thread.
  void set_tray(Tray* tray) { tray_ = tray; }
  // As for the tray. Null: nothing is under way whenever the control thread looks.
  void set_owner(DiskOwner* owner) { owner_ = owner; }
  DiskOwner* owner() const { return owner_; }
  // The tray has moved. Any thread where the guest is the cause.
  void NoteTrayMoved(bool open, bool by_guest);
  // Any thread; of the medium: with the device's lock held. Read-only devices and nodes alike.
  bool read_only() const { return read_only_; }
  bool has_medium() const { return node_ != nullptr; }
  uint64_t length() const { return node_ == nullptr ? 0 : node_->length(); }
  bool write_cache() const { return write_cache_.load(std::memory_order_relaxed); }
  void set_write_cache(bool on) { write_cache_.store(on, std::memory_order_relaxed); }
  // Sector sizes of a host device; 0: not known.
  uint32_t logical_sector() const;
  uint32_t physical_sector() const;
  bool discards() const { return target_.discard; }  // discard=unmap all the way

  // Before the first request; any thread. As for BlockQueue.
  void Start(io::EventLoop& loop, std::function<void()> ready);
  // On the loop. Without a medium: ENOMEDIUM. Writes without a write cache are made durable each
  // (fua).
  void Submit(BlockRequest& request);
  void Kick() { queue_->Kick(); }
  void Reap();
  size_t in_flight() const { return (queue_ ? queue_->in_flight() : 0) + throttled_; }
  // Nothing is held up by limits until all is done (reset of the device, stop of the VM). Follow
  // with Reap(), by way of ready() when this is not the loop's thread.
  void Drain();
  // Blocks until there may be something to Reap(); in_flight() is not 0. On the loop, WITHOUT the
  // device's lock.
  void WaitSome() { queue_->WaitSome(); }
  // What is to be done about a failed request; reports it. Any thread.
  ErrorAction OnError(bool read, int error);
  void CountFailed(BlockOp op) { stats_.Failed(op); }
  void CountInvalid(BlockOp op) { stats_.Invalid(op); }

 private:
  friend class BlockGraph;
  friend class Reopening;
  BlockBackend(BlockGraph& graph, std::string name, std::shared_ptr<BlockNode> node);
  Status Attach(AttachOptions options);
  void Detach();  // the device has nothing in flight
  // drive_del: the medium and the name go, and errors are the device's, all at once.
  void Disown();
  // Runs fn with the device's lock held and nothing of it under way.
  void WhileStill(const std::function<void()>& fn);
  BlockNodeUser User() const;
  void SetNode(std::shared_ptr<BlockNode> node);
  void Retarget();  // the node is the same, and another
  io::Clock::duration TakeTurn(const BlockRequest& request);
  void RunThrottled();

  BlockGraph& graph_;
  std::string id_;                   // that -drive gave; may be empty
  std::string name_;                 // of -drive, until drive_del; changes as node_ does
  std::shared_ptr<BlockNode> node_;  // changes on the control thread, with the device quiet
  BlockTarget target_;               // of node_
  MediumOptions last_medium_;        // when there is none
  Tray* tray_ = nullptr;
  DiskOwner* owner_ = nullptr;
  std::string qdev_;
  bool attached_ = false;
  bool read_only_ = false;
  BlockPermissions shared_ = kPermAll;
  struct Given {  // by -drive
    ErrorPolicy rerror = ErrorPolicy::kAuto;
    ErrorPolicy werror = ErrorPolicy::kAuto;
    bool write_cache = true;
  };
  Given given_;
  ErrorPolicy rerror_ = ErrorPolicy::kReport;  // of the device
  ErrorPolicy werror_ = ErrorPolicy::kEnospc;
  std::function<void()> resized_;
  std::atomic<bool> write_cache_{true};
  std::atomic<IoStatus> io_status_{IoStatus::kOk};
  BlockStats stats_;

  std::atomic<io::EventLoop*> loop_{nullptr};
  mutable std::mutex mutex_;  // guards group_, and queue_ until Start() is done
  std::shared_ptr<ThrottleGroup> group_;
  std::deque<BlockRequest*> held_[2];  // by the limits: reads, writes
  size_t throttled_ = 0;               // in both
  bool draining_ = false;
  std::unique_ptr<io::Registration> timer_;
  std::unique_ptr<BlockQueue> queue_;
};

}  // namespace davit::backend
