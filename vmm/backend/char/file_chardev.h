// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Output to a file (and input from another), and FIFOs: back ends that are open from the start and
// have no peer that comes and goes. Owner: control thread.
#pragma once

#include <memory>
#include <string>

#include "vmm/backend/char/fd_chardev.h"
#include "vmm/backend/char/spec.h"
#include "vmm/backend/file/file_opener.h"

namespace davit::backend {

class FileChardev final : public FdChardev {
 public:
  // `files` outlives it.
  static Result<std::unique_ptr<Chardev>> Open(std::string id, io::EventLoop& loop,
                                               FileOpener& files, const FileSpec& spec);
  static Result<std::unique_ptr<Chardev>> Open(std::string id, io::EventLoop& loop,
                                               FileOpener& files, const PipeSpec& spec);
  std::string filename() const override { return filename_; }

 private:
  FileChardev(std::string id, io::EventLoop& loop, std::string filename, OpenedFile in,
              OpenedFile out);

  const std::string filename_;
  OpenedFile in_, out_;
};

}  // namespace davit::backend
