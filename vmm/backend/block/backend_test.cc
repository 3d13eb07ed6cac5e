// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests of each kind on real files, by io_uring and by threads, cached and direct.
#include "vmm/backend/block/backend.h"

#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "vmm/backend/block/file_node.h"
#include "vmm/backend/block/graph.h"
#include "vmm/backend/block/test_support.h"
#include "vmm/base/units.h"

namespace davit::backend {
namespace {

struct Way {
  const char* name;
  AioMode aio;
  bool direct;
};

class Backend : public ::testing::TestWithParam<Way> {
 protected:
  // False: this host cannot do it so.
  bool Open(const std::string& path, BlockNodeSpec spec = {}) {
    spec.driver = BlockDriver::kFile;
    spec.node_name = "f0";
    spec.filename = path;
    spec.aio = GetParam().aio;
    spec.direct = GetParam().direct;
    const Status added = graph_.AddNode(spec);
    if (!added && (added.error().message.find("io_uring") != std::string::npos ||
                   added.error().message.find("O_DIRECT") != std::string::npos)) {
      return false;
    }
    EXPECT_TRUE(added) << added.error().message;
    auto disk = graph_.Attach("f0", {.qdev = "/machine/d0"});
    EXPECT_TRUE(disk) << disk.error().message;
    if (disk) user_ = std::make_unique<DiskUser>(loop_, std::move(*disk));
    return user_ != nullptr;
  }

  TempDir dir_;
  io::AsioEventLoop loop_;
  PathOpener opener_;
  BlockGraph graph_{opener_};
  std::unique_ptr<DiskUser> user_;
};

#define OPEN_OR_SKIP(...) \
  if (!Open(__VA_ARGS__)) GTEST_SKIP() << "not on this host"

TEST_P(Backend, WhatWasWrittenIsRead) {
  const std::string path = dir_.Image("a.img", kMiB);
  OPEN_OR_SKIP(path);
  const std::string data(8192, 'x');
  EXPECT_EQ(user_->Write(4096, data), 0);
  EXPECT_EQ(user_->Read(4096, 8192), data);
  EXPECT_EQ(user_->Read(0, 4096), std::string(4096, '\0'));
  EXPECT_EQ(ReadFile(path).substr(4096, 8192), data);
}

TEST_P(Backend, SmallWritesToAFileInMemoryAreDoneAtOnce) {
  const char* const memory = "/dev/shm";
  struct statfs fs {};
  if (statfs(memory, &fs) != 0 || fs.f_type != TMPFS_MAGIC) GTEST_SKIP() << "no tmpfs there";
  const TempDir dir(memory);
  OPEN_OR_SKIP(dir.Image("a.img", kMiB));
  std::string data(4096, 'x');
  const iovec iov{data.data(), data.size()};
  BlockRequest request{
      .op = BlockOp::kWrite, .offset = 512, .bytes = data.size(), .iov = {&iov, 1}};
  int error;
  user_->Submit(request, &error);
  user_->disk().Kick();
  user_->disk().Reap();
  EXPECT_EQ(error, 0) << "no turn of the loop was needed";
  user_->Wait();
  EXPECT_EQ(user_->Read(512, 4096), data);
  const std::string large(kMiB, 'y');
  EXPECT_EQ(user_->Write(0, large), 0);
  EXPECT_EQ(user_->Read(0, kMiB), large);
}

TEST_P(Backend, OddMemoryAndSectorsWork) {
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB));
  std::string buffer(1 + 1536, 'y');
  const iovec iov[] = {{buffer.data() + 1, 7}, {buffer.data() + 8, 1529}};
  EXPECT_EQ(user_->Do({.op = BlockOp::kWrite, .offset = 512, .bytes = 1536, .iov = iov}), 0);
  EXPECT_EQ(user_->Read(0, 4096),
            std::string(512, '\0') + std::string(1536, 'y') + std::string(2048, '\0'));
}

TEST_P(Backend, NeighbouringSectorsWrittenAtOnceAllStay) {
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB));
  constexpr int kCount = 64;
  std::vector<std::string> data;
  std::vector<iovec> iovs(kCount);
  std::vector<BlockRequest> requests(kCount);
  std::vector<int> errors(kCount);
  for (int i = 0; i < kCount; ++i) data.push_back(std::string(512, static_cast<char>('A' + i)));
  for (int i = 0; i < kCount; ++i) {
    iovs[i] = {data[i].data(), 512};
    requests[i] = {.op = BlockOp::kWrite,
                   .offset = static_cast<uint64_t>(i) * 512,
                   .bytes = 512,
                   .iov = {&iovs[i], 1}};
    user_->Submit(requests[i], &errors[i]);
  }
  user_->Wait();
  std::string all;
  for (int i = 0; i < kCount; ++i) {
    EXPECT_EQ(errors[i], 0);
    all += data[i];
  }
  EXPECT_EQ(user_->Read(0, all.size()), all);
}

TEST_P(Backend, ReadBehindTheEndOfTheFileGivesZeros) {
  const std::string path = dir_ / "odd.img";
  std::ofstream(path) << std::string(700, 'e');
  OPEN_OR_SKIP(path);
  EXPECT_EQ(user_->disk().length(), 1024u);
  EXPECT_EQ(user_->Read(0, 1024), std::string(700, 'e') + std::string(324, '\0'));
}

TEST_P(Backend, MoreBuffersThanOneSystemCallTakes) {
  OPEN_OR_SKIP(dir_.Image("a.img", 4 * kMiB));
  constexpr size_t kCount = 1500;
  std::string data(kCount * 512, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 512);
  std::vector<iovec> iov;
  for (size_t i = 0; i < kCount; ++i) iov.push_back({data.data() + i * 512, 512});
  EXPECT_EQ(user_->Do({.op = BlockOp::kWrite, .bytes = data.size(), .iov = iov}), 0);
  std::string back(data.size(), '?');
  for (size_t i = 0; i < kCount; ++i) iov[i].iov_base = back.data() + i * 512;
  EXPECT_EQ(user_->Do({.op = BlockOp::kRead, .bytes = data.size(), .iov = iov}), 0);
  EXPECT_TRUE(back == data);
}

TEST_P(Backend, MoreRequestsThanTheRingHas) {
  OPEN_OR_SKIP(dir_.Image("a.img", 4 * kMiB));
  constexpr int kCount = 700;
  std::vector<std::string> data(kCount, std::string(512, 'n'));
  std::vector<iovec> iovs(kCount);
  std::vector<BlockRequest> requests(kCount);
  std::vector<int> errors(kCount);
  for (int i = 0; i < kCount; ++i) {
    iovs[i] = {data[i].data(), 512};
    requests[i] = {.op = BlockOp::kWrite,
                   .offset = static_cast<uint64_t>(i) * 4096,
                   .bytes = 512,
                   .iov = {&iovs[i], 1}};
    user_->Submit(requests[i], &errors[i]);
  }
  EXPECT_EQ(user_->disk().in_flight(), static_cast<size_t>(kCount));
  user_->Wait();
  for (int error : errors) EXPECT_EQ(error, 0);
  EXPECT_EQ(user_->disk().stats()[BlockCount::kWrite].operations, static_cast<uint64_t>(kCount));
}

TEST_P(Backend, FlushAndForcedWrites) {
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB));
  EXPECT_EQ(user_->Write(0, std::string(4096, 'z'), true), 0);
  EXPECT_EQ(user_->Flush(), 0);
  EXPECT_EQ(user_->disk().stats()[BlockCount::kFlush].operations, 1u);
}

// The kernel tells once, and then has nothing left to write. Without its cache it keeps nothing.
TEST_P(Backend, AFlushThatFailedOnceFailsForEver) {
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB));
  EXPECT_EQ(user_->Flush(), 0);
  std::dynamic_pointer_cast<FileNode>(graph_.FindNode("f0"))->NoteFlush(EIO);
  const int error = GetParam().direct ? 0 : EIO;
  EXPECT_EQ(user_->Flush(), error);
  EXPECT_EQ(user_->Write(0, std::string(4096, 'z'), true), error);
  EXPECT_EQ(user_->Flush(), error);
  EXPECT_EQ(user_->Read(0, 512).size(), 512u);
}

// cache.no-flush: the host is not asked, so that its fault is not told.
TEST_P(Backend, WhatNeedNotBeFlushedIsNot) {
  BlockNodeSpec spec;
  spec.no_flush = true;
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB), spec);
  std::dynamic_pointer_cast<FileNode>(graph_.FindNode("f0"))->NoteFlush(EIO);
  EXPECT_EQ(user_->Flush(), 0);
  EXPECT_EQ(user_->Write(0, std::string(4096, 'z'), true), 0);
}

TEST_P(Backend, DiscardGivesStorageBack) {
  const std::string path = dir_.Image("a.img", kMiB);
  BlockNodeSpec spec;
  spec.discard = DiscardMode::kUnmap;
  OPEN_OR_SKIP(path, spec);
  EXPECT_EQ(user_->Write(0, std::string(kMiB, 'd')), 0);
  EXPECT_EQ(user_->Flush(), 0);
  struct stat before, after;
  stat(path.c_str(), &before);
  EXPECT_EQ(user_->Do({.op = BlockOp::kDiscard, .offset = 0, .bytes = kMiB / 2}), 0);
  stat(path.c_str(), &after);
  EXPECT_LT(after.st_blocks, before.st_blocks);
  EXPECT_EQ(user_->Read(0, 4096), std::string(4096, '\0'));
  EXPECT_EQ(user_->Read(kMiB / 2, 4096), std::string(4096, 'd'));
}

TEST_P(Backend, DiscardThatTheNodeIgnoresKeepsTheBytes) {
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB));
  EXPECT_EQ(user_->Write(0, std::string(4096, 'd')), 0);
  EXPECT_EQ(user_->Do({.op = BlockOp::kDiscard, .bytes = 4096}), 0);
  EXPECT_EQ(user_->Read(0, 4096), std::string(4096, 'd'));
}

TEST_P(Backend, WriteZeroes) {
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB));
  EXPECT_EQ(user_->Write(0, std::string(16384, 'w')), 0);
  EXPECT_EQ(user_->Do({.op = BlockOp::kWriteZeroes, .offset = 512, .bytes = 8192}), 0);
  EXPECT_EQ(user_->Read(0, 16384),
            std::string(512, 'w') + std::string(8192, '\0') + std::string(16384 - 8704, 'w'));
}

TEST_P(Backend, DetectedZerosTakeNoStorage) {
  const std::string path = dir_.Image("a.img", kMiB);
  BlockNodeSpec spec;
  spec.discard = DiscardMode::kUnmap;
  spec.detect_zeroes = DetectZeroes::kUnmap;
  OPEN_OR_SKIP(path, spec);
  EXPECT_EQ(user_->Write(0, std::string(kMiB, '\0')), 0);
  struct stat st;
  stat(path.c_str(), &st);
  EXPECT_EQ(st.st_blocks, 0);
  EXPECT_EQ(user_->Write(0, std::string(4096, '\0') + std::string(4096, 'n')), 0);
  EXPECT_EQ(user_->Read(4096, 4096), std::string(4096, 'n'));
}

TEST_P(Backend, FullStorageIsEnospcAndNothingElseIsHurt) {
  // A file size limit gives EFBIG; a small file system gives ENOSPC. Without mounting, the limit
  // serves to see that an error comes back and a later request works.
  const std::string path = dir_.Image("a.img", 64 * kKiB);
  OPEN_OR_SKIP(path);
  {
    const FileSizeLimit limit(32 * kKiB);
    EXPECT_EQ(user_->Write(32 * kKiB, std::string(4096, 'f')), EFBIG);
    EXPECT_EQ(user_->Write(0, std::string(4096, 'g')), 0);
  }
  EXPECT_EQ(user_->Write(32 * kKiB, std::string(4096, 'f')), 0);
}

// Requests of which each is submitted by the end of the one before, as the extents of an UNMAP; the
// loop does not run meanwhile. True when all have ended.
bool DrainsAChain(BlockBackend& disk, BlockRequest request) {
  int left = 20;
  const std::function<void()> submit = [&] {
    request.done = [&](int error) {
      EXPECT_EQ(error, 0);
      if (--left > 0) submit();
    };
    disk.Submit(request);
  };
  submit();
  disk.Kick();
  for (;;) {
    disk.Drain();
    disk.Reap();
    if (disk.in_flight() == 0) return left == 0;
    disk.WaitSome();
  }
}

TEST_P(Backend, RequestsThatEndAtOnceAreDrained) {
  OPEN_OR_SKIP(dir_.Image("a.img", kMiB));
  EXPECT_TRUE(DrainsAChain(user_->disk(), {.op = BlockOp::kDiscard, .bytes = 4096}));
  EXPECT_TRUE(DrainsAChain(user_->disk(), {.op = BlockOp::kFlush}));
}

INSTANTIATE_TEST_SUITE_P(Ways, Backend,
                         ::testing::Values(Way{"threads", AioMode::kThreads, false},
                                           Way{"threads_direct", AioMode::kThreads, true},
                                           Way{"native_direct", AioMode::kNative, true},
                                           Way{"io_uring", AioMode::kIoUring, false},
                                           Way{"io_uring_direct", AioMode::kIoUring, true}),
                         [](const auto& info) { return info.param.name; });

// Direct I/O writes whole blocks. tmpfs takes it, and is taken to want the largest.
TEST(BlockBackend, ADirectWriteAtAnOddEndDoesNotMakeTheImageLonger) {
  const TempDir memory("/dev/shm");
  io::AsioEventLoop loop;
  PathOpener opener;
  BlockGraph graph(opener);
  BlockNodeSpec spec = FileSpec("f0", memory.Image("a.img", 9 * 512));
  spec.direct = true;
  if (const Status added = graph.AddNode(spec); !added) GTEST_SKIP() << added.error().message;
  auto disk = graph.Attach("f0", {.qdev = "d"});
  ASSERT_TRUE(disk);
  DiskUser user(loop, std::move(*disk));
  ASSERT_EQ(graph.FindNode("f0")->Target().file->request_alignment(), 4096u);
  for (const bool fua : {false, true}) {
    EXPECT_EQ(user.Write(7 * 512, std::string(2 * 512, fua ? 'f' : 'x'), fua), 0);
    EXPECT_EQ(std::filesystem::file_size(spec.filename), 9u * 512);
  }
  EXPECT_TRUE(ReadFile(spec.filename) == std::string(7 * 512, '\0') + std::string(2 * 512, 'f'));
  // A last sector that the file has only a part of is there when it has been written.
  std::filesystem::resize_file(spec.filename, 8 * 512 + 10);
  EXPECT_EQ(user.Write(8 * 512, std::string(512, 'y')), 0);
  EXPECT_EQ(std::filesystem::file_size(spec.filename), 9u * 512);
}

TEST(BlockBackend, NullDiskAnswersAtOnceOrLater) {
  io::AsioEventLoop loop;
  PathOpener opener;
  BlockGraph graph(opener);
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kNullCo;
  spec.node_name = "n0";
  spec.null_size = kMiB;
  spec.read_zeroes = true;
  ASSERT_TRUE(graph.AddNode(spec));
  spec.node_name = "n1";
  spec.latency_ns = 1000;
  ASSERT_TRUE(graph.AddNode(spec));
  for (const char* name : {"n0", "n1"}) {
    auto disk = graph.Attach(name, {.qdev = "d"});
    ASSERT_TRUE(disk);
    DiskUser user(loop, std::move(*disk));
    EXPECT_EQ(user.disk().length(), kMiB);
    EXPECT_EQ(user.Write(0, std::string(512, 'x')), 0);
    EXPECT_EQ(user.Read(0, 512), std::string(512, '\0'));
    EXPECT_EQ(user.Flush(), 0);
  }
}

TEST(BlockBackend, ANullDiskThatTakesItsTimeIsDrainedAtOnce) {
  io::AsioEventLoop loop;
  PathOpener opener;
  BlockGraph graph(opener);
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kNullCo;
  spec.node_name = "n";
  spec.null_size = kMiB;
  spec.latency_ns = 3'600'000'000'000;
  ASSERT_TRUE(graph.AddNode(spec));
  auto disk = graph.Attach("n", {.qdev = "d"});
  ASSERT_TRUE(disk);
  DiskUser user(loop, std::move(*disk));
  EXPECT_TRUE(DrainsAChain(user.disk(), {.op = BlockOp::kFlush}));
}

TEST(BlockBackend, ErrorsAreReportedByPolicy) {
  io::AsioEventLoop loop;
  PathOpener opener;
  BlockGraph graph(opener);
  std::vector<BlockIoError> seen;
  graph.SetErrorSink([&](const BlockIoError& error) { seen.push_back(error); });
  BlockNodeSpec spec;
  spec.driver = BlockDriver::kNullCo;
  spec.node_name = "n0";
  ASSERT_TRUE(graph.AddNode(spec));
  {
    auto disk = graph.Attach("n0", {.qdev = "d"});
    ASSERT_TRUE(disk);
    EXPECT_TRUE((*disk)->io_status_enabled());
    EXPECT_EQ((*disk)->OnError(true, EIO), ErrorAction::kReport);
    EXPECT_EQ((*disk)->OnError(false, EIO), ErrorAction::kReport);
    EXPECT_EQ((*disk)->io_status(), IoStatus::kOk);
    EXPECT_EQ((*disk)->OnError(false, ENOSPC), ErrorAction::kStop);
    EXPECT_EQ((*disk)->io_status(), IoStatus::kNoSpace);
    graph.ResetIoStatus();
    EXPECT_EQ((*disk)->io_status(), IoStatus::kOk);
  }
  auto disk = graph.Attach(
      "n0", {.qdev = "d", .rerror = ErrorPolicy::kIgnore, .werror = ErrorPolicy::kReport});
  ASSERT_TRUE(disk);
  EXPECT_FALSE((*disk)->io_status_enabled());
  EXPECT_EQ((*disk)->OnError(true, EIO), ErrorAction::kIgnore);
  EXPECT_EQ((*disk)->OnError(false, ENOSPC), ErrorAction::kReport);
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[2].node_name, "n0");
  EXPECT_TRUE(seen[2].nospace_known && seen[2].nospace);
  EXPECT_EQ(seen[2].reason, "No space left on device");
  EXPECT_FALSE(seen[4].nospace_known);
}

TEST(BlockBackend, EachPolicyForEachKindOfError) {
  PathOpener opener;
  BlockGraph graph(opener);
  ASSERT_TRUE(graph.AddNode(Null("n0")));
  using P = ErrorPolicy;
  using A = ErrorAction;
  const struct {
    P policy;
    A eio, enospc;
  } kRows[] = {{P::kReport, A::kReport, A::kReport},
               {P::kIgnore, A::kIgnore, A::kIgnore},
               {P::kStop, A::kStop, A::kStop},
               {P::kEnospc, A::kReport, A::kStop}};
  for (const auto& row : kRows) {
    for (const auto& other : kRows) {
      for (const bool read : {false, true}) {
        auto disk = graph.Attach("n0", {.qdev = "d",
                                        .rerror = read ? row.policy : other.policy,
                                        .werror = read ? other.policy : row.policy});
        ASSERT_TRUE(disk);
        EXPECT_EQ((*disk)->OnError(read, EIO), row.eio) << read;
        EXPECT_EQ((*disk)->io_status(), row.eio == A::kStop ? IoStatus::kFailed : IoStatus::kOk);
        graph.ResetIoStatus();
        EXPECT_EQ((*disk)->OnError(read, ENOSPC), row.enospc) << read;
        EXPECT_EQ((*disk)->io_status(),
                  row.enospc == A::kStop ? IoStatus::kNoSpace : IoStatus::kOk);
      }
    }
  }
}

}  // namespace
}  // namespace davit::backend
