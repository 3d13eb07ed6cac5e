// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See file_chardev.h.
#include "vmm/backend/char/file_chardev.h"

#include <fcntl.h>
#include <fmt/format.h>

namespace davit::backend {
namespace {

// O_NONBLOCK: neither the opening of a FIFO nor a later write may wait for anybody.
UniqueFd OpenQuietly(const std::string& path, int flags) {
  return UniqueFd(open(path.c_str(), flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666));
}

tl::unexpected<Error> CannotOpen(const std::string& path) {
  return FailErrno(fmt::format("Could not open '{}'", path));
}

}  // namespace

FileChardev::FileChardev(std::string id, io::EventLoop& loop, std::string filename, UniqueFd in,
                         UniqueFd out)
    : FdChardev(std::move(id), loop),
      filename_(std::move(filename)),
      in_(std::move(in)),
      out_(std::move(out)) {
  Connect(in_.get(), out_ ? out_.get() : in_.get());
}

Result<std::unique_ptr<Chardev>> FileChardev::Open(std::string id, io::EventLoop& loop,
                                                   const FileSpec& spec) {
  UniqueFd out = OpenQuietly(spec.out, O_WRONLY | O_CREAT | (spec.append ? O_APPEND : O_TRUNC));
  if (!out) return CannotOpen(spec.out);
  UniqueFd in;
  if (spec.in) {
    in = OpenQuietly(*spec.in, O_RDONLY);
    if (!in) return CannotOpen(*spec.in);
  }
  return std::unique_ptr<Chardev>(
      new FileChardev(std::move(id), loop, "file", std::move(in), std::move(out)));
}

// Read and write on both: so no end of file is seen when the other side goes, and none is needed
// now.
Result<std::unique_ptr<Chardev>> FileChardev::Open(std::string id, io::EventLoop& loop,
                                                   const PipeSpec& spec) {
  UniqueFd in = OpenQuietly(spec.device + ".in", O_RDWR);
  UniqueFd out = OpenQuietly(spec.device + ".out", O_RDWR);
  if (!in || !out) {
    out.reset();
    in = OpenQuietly(spec.device, O_RDWR);
    if (!in) return CannotOpen(spec.device);
  }
  return std::unique_ptr<Chardev>(
      new FileChardev(std::move(id), loop, "pipe", std::move(in), std::move(out)));
}

}  // namespace davit::backend
