// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The log of a character device (-chardev logfile=): what its back end has taken from the guest, in
// a file. It never makes the guest wait. A pipe whose reader is slow fills a backlog; what does not
// fit there is lost, and a warning says so once. Owner: control thread, except Append().
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "vmm/backend/char/chardev.h"
#include "vmm/backend/file/file_opener.h"
#include "vmm/base/error.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

class OutputLog final : public ChardevLog {
 public:
  static constexpr size_t kMaxBacklog = 1024 * 1024;  // bytes

  // `append`: to what the file has, else it becomes empty. The loop (the control thread's) and the
  // opener outlive it. Error: QEMU's words, with the path.
  static Result<std::unique_ptr<OutputLog>> Open(const std::string& chardev, io::EventLoop& loop,
                                                 FileOpener& opener, const std::string& path,
                                                 bool append);
  ~OutputLog() override;

  void Append(std::span<const std::byte> data) override;

 private:
  OutputLog(std::string name, io::EventLoop& loop, OpenedFile file);
  // mutex_ held. Bytes that went out; those that failed for good count too.
  size_t WriteSome(std::span<const std::byte> data);
  void Complain(const char* reason);
  void Watch();
  void OnWritable();

  const std::string name_;  // "chardev 'a', log /x": of messages
  io::EventLoop& loop_;
  const OpenedFile file_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<io::Registration> watch_;

  std::mutex mutex_;  // guards the rest
  std::vector<std::byte> backlog_;
  bool complained_ = false;
};

}  // namespace davit::backend
