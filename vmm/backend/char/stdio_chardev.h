// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Standard input and output as a back end. A terminal goes to raw input, comes back when the object
// or the process ends, and is set again when the process is continued after Ctrl-Z of its shell.
// One in the process: the terminal has one state. Owner: control thread.
#pragma once

#include <memory>
#include <string>

#include "vmm/backend/char/fd_chardev.h"

namespace davit::backend {

class StdioChardev final : public FdChardev {
 public:
  // Error: another one lives.
  static Result<std::unique_ptr<Chardev>> Open(std::string id, io::EventLoop& loop, bool signal,
                                               int in_fd = 0, int out_fd = 1);
  ~StdioChardev() override;
  std::string filename() const override { return "stdio"; }

 private:
  StdioChardev(std::string id, io::EventLoop& loop) : FdChardev(std::move(id), loop) {}
};

}  // namespace davit::backend
