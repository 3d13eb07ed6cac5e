// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See file_chardev.h.
#include "vmm/backend/char/file_chardev.h"

#include <fcntl.h>
#include <fmt/format.h>

namespace davit::backend {
namespace {

// O_NONBLOCK: neither the opening of a FIFO nor a later write may wait for anybody. Of descriptor
// sets QEMU says the same as of paths.
Result<OpenedFile> OpenQuietly(FileOpener& files, const std::string& path, int flags) {
  int error = 0;
  auto fd = files.Open(path, flags | O_NONBLOCK | O_NOCTTY, &error);
  if (!fd) return FailErrno(fmt::format("Could not open '{}'", path), error);
  return OpenedFile(std::move(*fd), files);
}

}  // namespace

FileChardev::FileChardev(std::string id, io::EventLoop& loop, std::string filename, OpenedFile in,
                         OpenedFile out)
    : FdChardev(std::move(id), loop),
      filename_(std::move(filename)),
      in_(std::move(in)),
      out_(std::move(out)) {
  Connect(in_.get(), out_ ? out_.get() : in_.get());
}

Result<std::unique_ptr<Chardev>> FileChardev::Open(std::string id, io::EventLoop& loop,
                                                   FileOpener& files, const FileSpec& spec) {
  const int flags = O_WRONLY | O_CREAT | (spec.append ? O_APPEND : O_TRUNC);
  DAVIT_ASSIGN(OpenedFile out, OpenQuietly(files, spec.out, flags));
  OpenedFile in;
  if (spec.in) {
    DAVIT_ASSIGN(in, OpenQuietly(files, *spec.in, O_RDONLY));
  }
  return std::unique_ptr<Chardev>(
      new FileChardev(std::move(id), loop, "file", std::move(in), std::move(out)));
}

// Read and write on both: so no end of file is seen when the other side goes, and none is needed
// now.
Result<std::unique_ptr<Chardev>> FileChardev::Open(std::string id, io::EventLoop& loop,
                                                   FileOpener& files, const PipeSpec& spec) {
  auto in = OpenQuietly(files, spec.device + ".in", O_RDWR);
  auto out = OpenQuietly(files, spec.device + ".out", O_RDWR);
  if (!in || !out) {
    out = OpenedFile();
    in = OpenQuietly(files, spec.device, O_RDWR);
    if (!in) return Fail(std::move(in).error());
  }
  return std::unique_ptr<Chardev>(
      new FileChardev(std::move(id), loop, "pipe", std::move(*in), std::move(*out)));
}

}  // namespace davit::backend
