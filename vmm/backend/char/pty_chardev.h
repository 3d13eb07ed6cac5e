// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A pseudo-terminal: the user attaches a terminal program to filename()'s path whenever they like.
// While nobody has it open, output is dropped. An opening is noticed by inotify. Owner: control
// thread.
#pragma once

#include <memory>
#include <string>

#include "vmm/backend/char/fd_chardev.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

class PtyChardev final : public FdChardev {
 public:
  static Result<std::unique_ptr<PtyChardev>> Open(std::string id, io::EventLoop& loop);
  ~PtyChardev() override { Disconnect(); }
  std::string filename() const override { return "pty:" + path_; }
  const std::string& path() const { return path_; }  // /dev/pts/N

 private:
  PtyChardev(std::string id, io::EventLoop& loop, UniqueFd master, std::string path)
      : FdChardev(std::move(id), loop), master_(std::move(master)), path_(std::move(path)) {}
  Status WatchOpenings();
  void CheckPeer();
  void OnHangup() override;

  UniqueFd master_;
  const std::string path_;
  UniqueFd inotify_;
  std::unique_ptr<io::Registration> openings_;
};

}  // namespace davit::backend
