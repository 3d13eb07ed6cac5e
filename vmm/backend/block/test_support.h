// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests: a directory with images, files that fail, specs of nodes, a running loop, and one disk
// that is driven by hand.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "vmm/backend/block/graph.h"
#include "vmm/io/asio_event_loop.h"

namespace davit::backend {

class TempDir {
 public:
  // dir: of the file system to be tested.
  explicit TempDir(const std::string& parent = ::testing::TempDir()) {
    std::string name = parent + "/blockXXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // A file of `bytes` bytes, all zero and without storage.
  std::string Image(const std::string& name, uint64_t bytes) const {
    const std::string path = *this / name;
    std::ofstream(path).close();
    std::filesystem::resize_file(path, bytes);
    return path;
  }

 private:
  std::string path_;
};

// The file that it opened last cannot be read while it is blind (EBADF).
class BlindOpener final : public PathOpener {
 public:
  Result<UniqueFd> Open(const std::string& path, int flags, int* error) override {
    auto fd = PathOpener::Open(path, flags, error);
    if (fd) path_ = path, fd_ = fd->get();
    return fd;
  }
  void SetBlind(bool blind) {
    const UniqueFd other(open(path_.c_str(), (blind ? O_WRONLY : O_RDWR) | O_CLOEXEC));
    EXPECT_EQ(dup3(other.get(), fd_, O_CLOEXEC), fd_);
  }

 private:
  std::string path_;
  int fd_ = -1;
};

// Writes behind `limit` fail with EFBIG while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t limit) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit now{limit, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &old_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Nodes for a graph: null-co, and raw on a node of that name.
inline BlockNodeSpec Null(const std::string& name) {
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kNullCo;
  spec.node_name = name;
  return spec;
}

inline BlockNodeSpec Raw(const std::string& name, const std::string& file) {
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kRaw;
  spec.node_name = name;
  spec.file_node = file;
  return spec;
}

// A disk and its loop; requests are waited for one by one or together.
class DiskUser {
 public:
  explicit DiskUser(io::EventLoop& loop, std::shared_ptr<BlockBackend> disk)
      : loop_(loop), disk_(std::move(disk)) {
    disk_->Start(loop, [this] {
      disk_->Reap();
      if (waiting_ && pending_ == 0) loop_.Stop();
    });
  }
  BlockBackend& disk() { return *disk_; }

  // Submits without waiting; the result goes to *error.
  void Submit(BlockRequest& request, int* error) {
    *error = -1;
    ++pending_;
    request.done = [this, error](int result) {
      *error = result;
      --pending_;
    };
    disk_->Submit(request);
  }
  void Wait() {
    disk_->Kick();
    disk_->Reap();
    waiting_ = true;
    // A Stop() of an earlier wait may come late.
    while (pending_ != 0) loop_.Run();
    waiting_ = false;
  }
  int Do(BlockRequest request) {
    int error;
    Submit(request, &error);
    Wait();
    return error;
  }
  int Write(uint64_t offset, std::string_view bytes, bool fua = false) {
    std::string copy(bytes);
    const iovec iov{copy.data(), copy.size()};
    return Do({.op = BlockOp::kWrite,
               .offset = offset,
               .bytes = copy.size(),
               .iov = {&iov, 1},
               .fua = fua});
  }
  std::string Read(uint64_t offset, size_t bytes, int* error = nullptr) {
    std::string out(bytes, '?');
    const iovec iov{out.data(), out.size()};
    const int result =
        Do({.op = BlockOp::kRead, .offset = offset, .bytes = bytes, .iov = {&iov, 1}});
    if (error != nullptr) *error = result;
    return out;
  }
  int Flush() { return Do({.op = BlockOp::kFlush}); }

 private:
  io::EventLoop& loop_;
  std::shared_ptr<BlockBackend> disk_;
  int pending_ = 0;
  bool waiting_ = false;
};

// Owns the disk of a DiskUser. Writes by threads are held from its making until the disk is to
// stand still.
class GatedOwner final : public DiskOwner {
 public:
  GatedOwner(WorkerPool& workers, DiskUser& user) : user_(user) {
    const std::shared_future<void> open = gate_.get_future().share();
    for (int i = 0; i < 64; ++i) workers.Post([open] { open.wait(); });
  }
  ~GatedOwner() override { Open(); }
  void WhileQuiet(const std::function<void()>& fn) override {
    Open();
    user_.Wait();
    fn();
  }
  std::unique_lock<std::mutex> Lock() override { return std::unique_lock(mutex_); }
  void Open() {
    if (!std::exchange(opened_, true)) gate_.set_value();
  }

 private:
  DiskUser& user_;
  std::mutex mutex_;
  std::promise<void> gate_;
  bool opened_ = false;
};

inline BlockNodeSpec FileSpec(const std::string& name, const std::string& path) {
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kFile;
  spec.node_name = name;
  spec.filename = path;
  return spec;
}

inline std::string MessageOf(const Status& status) {
  return status ? std::string() : status.error().message;
}

}  // namespace davit::backend
