// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// blockdev-reopen: what may change and what may not, all nodes or none, requests under way, and
// nothing left behind. The words are QEMU's (tests/conformance, reopen.txt).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "vmm/backend/block/file_node.h"
#include "vmm/backend/block/graph.h"
#include "vmm/backend/block/test_support.h"
#include "vmm/base/units.h"

namespace davit::backend {
namespace {

size_t Descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

class Reopen : public ::testing::Test {
 protected:
  Reopen() {
    EXPECT_TRUE(graph_.AddNode(f0_));
    EXPECT_TRUE(graph_.AddNode(f1_));
    EXPECT_TRUE(graph_.AddNode(Raw("r0", "f0")));
  }
  // The file system of the tests may have no O_DIRECT.
  static bool NoDirect(const std::string& error) {
    return error.ends_with(": filesystem does not support O_DIRECT");
  }
  std::string Error(const std::vector<BlockNodeSpec>& specs) {
    return MessageOf(graph_.Reopen(specs));
  }
  FileNode& File(const std::string& name) { return *graph_.FindNode(name)->Target().file; }
  int Flags(const std::string& name) { return fcntl(File(name).fd(), F_GETFL); }
  // Whether a user of the image in this process writes to it: byte 101 is such a one's.
  static bool WriteLocked(const BlockNodeSpec& file) {
    const UniqueFd fd(::open(file.filename.c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 101;
    lock.l_len = 1;
    EXPECT_EQ(fcntl(fd.get(), F_OFD_GETLK, &lock), 0);
    return lock.l_type != F_UNLCK;
  }
  void Attach(const std::string& node, AttachOptions options = {.qdev = "d"}) {
    auto disk = graph_.Attach(node, std::move(options));
    ASSERT_TRUE(disk) << disk.error().message;
    user_ = std::make_unique<DiskUser>(loop_, std::move(*disk));
  }

  TempDir dir_;
  io::AsioEventLoop loop_;
  PathOpener opener_;
  BlockNodeSpec f0_ = FileSpec("f0", dir_.Image("a", kMiB));
  BlockNodeSpec f1_ = FileSpec("f1", dir_.Image("b", 2 * kMiB));
  BlockGraph graph_{opener_};
  std::unique_ptr<DiskUser> user_;
};

TEST_F(Reopen, WhichNode) {
  EXPECT_EQ(Error({}), "");
  EXPECT_EQ(Error({FileSpec("", f0_.filename)}), "node-name not specified");
  EXPECT_EQ(Error({FileSpec("zz", f0_.filename)}), "Failed to find node with node-name='zz'");
}

TEST_F(Reopen, WhatIsFixed) {
  EXPECT_EQ(Error({FileSpec("f0", f1_.filename)}), "Cannot change the option 'filename'");
  BlockNodeSpec spec = f0_;
  spec.aio = AioMode::kThreads;
  EXPECT_EQ(Error({spec}), "Cannot change the option 'aio'");
  spec = f0_;
  spec.locking = ImageLocking::kOff;
  EXPECT_EQ(Error({spec}), "Cannot change the option 'locking'");
  spec = f0_;
  spec.force_share = spec.read_only = true;
  EXPECT_EQ(Error({spec}), "Cannot change the option 'force-share'");
  spec = f0_;
  spec.driver = BlockDriver::kHostDevice;
  EXPECT_EQ(Error({spec}), "Cannot change the option 'driver'");
  EXPECT_EQ(Error({Raw("f0", "f1")}), "Option 'filename' cannot be reset to its default value");
  BlockNodeSpec null = Null("n0");
  null.read_zeroes = true;
  ASSERT_TRUE(graph_.AddNode(null));
  EXPECT_EQ(Error({Null("n0")}), "Option 'read-zeroes' cannot be reset to its default value");
  null.latency_ns = 1;
  EXPECT_EQ(Error({null}), "Cannot change the option 'latency-ns'");
  null.latency_ns = 0;
  null.null_size = 512;
  EXPECT_EQ(Error({null}), "Cannot change the option 'size'");
}

TEST_F(Reopen, WhatIsNotSaidIsTheDefaultAgain) {
  BlockNodeSpec spec = f0_;
  spec.no_flush = true;
  spec.discard = DiscardMode::kUnmap;
  spec.detect_zeroes = DetectZeroes::kUnmap;
  ASSERT_EQ(Error({spec}), "");
  const BlockNode& node = *graph_.FindNode("f0");
  EXPECT_TRUE(node.no_flush() && node.discard());
  EXPECT_EQ(node.detect_zeroes(), DetectZeroes::kUnmap);
  spec.discard.reset();
  EXPECT_EQ(Error({spec}),
            "setting detect-zeroes to unmap is not allowed without setting discard operation to "
            "unmap");
  ASSERT_EQ(Error({f0_}), "");
  EXPECT_FALSE(node.no_flush() || node.discard());
  EXPECT_EQ(node.detect_zeroes(), DetectZeroes::kOff);
}

TEST_F(Reopen, ADiskUsesTheNewOptions) {
  Attach("r0");
  EXPECT_FALSE(user_->disk().discards());
  f0_.discard = DiscardMode::kUnmap;
  BlockNodeSpec raw = Raw("r0", "f0");
  raw.discard = DiscardMode::kUnmap;
  ASSERT_EQ(Error({f0_, raw}), "");
  EXPECT_TRUE(user_->disk().discards());
}

TEST_F(Reopen, DirectAndBack) {
  Attach("r0");
  EXPECT_EQ(user_->Write(512, std::string(512, 'a')), 0);
  const size_t before = Descriptors();
  BlockNodeSpec spec = f0_;
  spec.direct = true;
  const std::string error = Error({spec});
  if (NoDirect(error)) GTEST_SKIP() << error;
  ASSERT_EQ(error, "");
  EXPECT_TRUE(Flags("f0") & O_DIRECT);
  EXPECT_GE(File("f0").request_alignment(), 512u);
  EXPECT_EQ(user_->Read(0, 1024), std::string(512, '\0') + std::string(512, 'a'));
  EXPECT_EQ(user_->Write(1024, std::string(512, 'b')), 0);
  ASSERT_EQ(Error({f0_}), "");
  EXPECT_FALSE(Flags("f0") & O_DIRECT);
  EXPECT_EQ(File("f0").request_alignment(), 1u);
  EXPECT_EQ(user_->Read(512, 1024), std::string(512, 'a') + std::string(512, 'b'));
  EXPECT_EQ(Descriptors(), before);
}

TEST_F(Reopen, WhoWritesNeedsAWritableNode) {
  Attach("r0");
  f0_.read_only = true;
  EXPECT_EQ(Error({f0_}), "Read-only block node 'f0' cannot support read-write users");
  BlockNodeSpec raw = Raw("r0", "f0");
  raw.read_only = true;
  EXPECT_EQ(Error({raw}), "Read-only block node 'r0' cannot support read-write users");
  EXPECT_EQ(user_->Write(0, std::string(512, 'a')), 0);
  user_.reset();
  ASSERT_EQ(Error({f0_, raw}), "");
  EXPECT_EQ(Flags("f0") & O_ACCMODE, O_RDONLY);
  EXPECT_TRUE(graph_.FindNode("r0")->read_only());
  Attach("r0");
  EXPECT_TRUE(user_->disk().read_only());
  // A node that can be written to is no matter for a device that came to one that could not.
  f0_.read_only = false;
  ASSERT_EQ(Error({Raw("r0", "f0"), f0_}), "");
  EXPECT_EQ(Flags("f0") & O_ACCMODE, O_RDWR);
  EXPECT_TRUE(user_->disk().read_only());
}

TEST_F(Reopen, OtherProcessesAreKeptOutThroughout) {
  Attach("r0");
  f0_.direct = true;
  const std::string error = Error({f0_});
  if (NoDirect(error)) GTEST_SKIP() << error;
  ASSERT_EQ(error, "");
  BlockGraph other(opener_);
  ASSERT_TRUE(other.AddNode(FileSpec("g", f0_.filename)));
  const auto disk = other.Attach("g", {.qdev = "e"});
  ASSERT_FALSE(disk);
  EXPECT_EQ(disk.error().message, "Failed to get \"write\" lock");
}

TEST_F(Reopen, AllOrNone) {
  Attach("r0");
  const size_t before = Descriptors();
  BlockNodeSpec direct = f1_;
  direct.direct = direct.no_flush = true;
  BlockNodeSpec read_only = f0_;
  read_only.read_only = true;
  EXPECT_EQ(Error({direct, read_only}),
            "Read-only block node 'f0' cannot support read-write users");
  EXPECT_EQ(Error({direct, Raw("r0", "zz")}), "Cannot find device='' nor node-name='zz'");
  BlockNodeSpec window = Raw("r0", "f1");
  window.offset = 4 * kMiB;
  EXPECT_EQ(Error({direct, window}),
            "Offset (4194304) cannot be greater than size of the containing file (2097152)");
  EXPECT_FALSE(graph_.FindNode("f1")->direct() || graph_.FindNode("f1")->no_flush());
  EXPECT_FALSE(Flags("f1") & O_DIRECT);
  EXPECT_EQ(graph_.FindNode("r0")->child()->name(), "f0");
  EXPECT_FALSE(graph_.FindNode("f1")->in_use());
  EXPECT_EQ(Descriptors(), before);
}

TEST_F(Reopen, NativeInputAndOutputStaysDirect) {
  BlockNodeSpec native = FileSpec("f2", dir_.Image("c", kMiB));
  native.aio = AioMode::kNative;
  EXPECT_EQ(MessageOf(graph_.AddNode(native)),
            "aio=native was specified, but it requires cache.direct=on, which was not specified.");
  native.direct = true;
  const std::string error = MessageOf(graph_.AddNode(native));
  if (NoDirect(error) || error.starts_with("Unable to use aio=native by ")) GTEST_SKIP() << error;
  ASSERT_EQ(error, "");
  native.direct.reset();
  EXPECT_EQ(Error({native}),
            "aio=native was specified, but it requires cache.direct=on, which was not specified.");
  EXPECT_TRUE(Flags("f2") & O_DIRECT);
}

TEST_F(Reopen, AFileThatWasReplacedIsNotTheImage) {
  std::filesystem::rename(f0_.filename, dir_ / "moved");
  const size_t before = Descriptors();
  f0_.read_only = true;
  for (const auto& replace : std::vector<std::function<void()>>{
           [&] { dir_.Image("a", kMiB); }, [&] { mkfifo(f0_.filename.c_str(), 0600); },
           [&] { std::filesystem::create_directory(f0_.filename); }}) {
    replace();
    EXPECT_EQ(Error({f0_}), "Could not reopen '" + f0_.filename + "': it is another file now");
    std::filesystem::remove(f0_.filename);
  }
  EXPECT_EQ(Descriptors(), before);
  EXPECT_FALSE(graph_.FindNode("f0")->read_only());
}

TEST_F(Reopen, RawMovesToAnotherNode) {
  Attach("r0");
  int told = 0;
  user_->disk().set_resized([&] { ++told; });
  EXPECT_EQ(user_->Write(0, std::string(512, 'a')), 0);
  BlockNodeSpec window = Raw("r0", "f1");
  window.offset = kMiB;
  window.size = 512 * kKiB;
  ASSERT_EQ(Error({window}), "");
  EXPECT_EQ(told, 1);
  EXPECT_EQ(user_->disk().length(), 512 * kKiB);
  EXPECT_EQ(user_->Write(0, std::string(512, 'b')), 0);
  EXPECT_EQ(ReadFile(f1_.filename).substr(kMiB, 512), std::string(512, 'b'));
  EXPECT_TRUE(graph_.RemoveNode("f0"));
  EXPECT_EQ(MessageOf(graph_.RemoveNode("f1")), "Block device f1 is in use");
}

TEST_F(Reopen, TwoThatWriteChangePlaces) {
  ASSERT_TRUE(graph_.AddNode(Raw("r1", "f1")));
  Attach("r0");
  auto other = graph_.Attach("r1", {.qdev = "e"});
  ASSERT_TRUE(other);
  EXPECT_TRUE(Error({Raw("r0", "f1")}).starts_with("Permission conflict on node 'f1'"));
  ASSERT_EQ(Error({Raw("r0", "f1"), Raw("r1", "f0")}), "");
  EXPECT_EQ(user_->Write(0, std::string(512, 'x')), 0);
  EXPECT_EQ(ReadFile(f1_.filename)[0], 'x');
  EXPECT_EQ((*other)->length(), kMiB);
}

TEST_F(Reopen, AWriterDoesNotMoveToWhatIsReadOnly) {
  f1_.read_only = true;
  ASSERT_EQ(Error({f1_}), "");
  Attach("r0");
  EXPECT_EQ(Error({Raw("r0", "f1")}), "Block node is read-only");
  f1_.read_only = false;
  f0_.read_only = true;
  // All at once: what becomes writable, the move, and what needs no longer be.
  ASSERT_EQ(Error({f1_, Raw("r0", "f1"), f0_}), "");
  EXPECT_EQ(user_->Write(0, std::string(512, 'x')), 0);
  EXPECT_EQ(ReadFile(f1_.filename)[0], 'x');
}

// r0 comes to stand on r1, which itself moves to f2.
class ReopenChain : public Reopen {
 protected:
  ReopenChain() {
    EXPECT_TRUE(graph_.AddNode(Raw("r1", "f1")));
    EXPECT_TRUE(graph_.AddNode(f2_));
    Attach("r0");
  }
  std::string Locked() const {
    std::string names;
    for (const BlockNodeSpec* file : {&f0_, &f1_, &f2_}) {
      if (WriteLocked(*file)) names += file->node_name;
    }
    return names;
  }

  BlockNodeSpec f2_ = FileSpec("f2", dir_.Image("c", kMiB));
  const std::vector<BlockNodeSpec> upper_first_{Raw("r0", "r1"), Raw("r1", "f2")};
  const std::vector<BlockNodeSpec> lower_first_{Raw("r1", "f2"), Raw("r0", "r1")};
};

TEST_F(ReopenChain, AWriterTakesItsRightsAlong) {
  for (const auto& move : {upper_first_, lower_first_}) {
    ASSERT_EQ(Error(move), "");
    EXPECT_EQ(Locked(), "f2");
    EXPECT_EQ(user_->Write(0, std::string(512, 'c')), 0);
    EXPECT_EQ(ReadFile(f2_.filename)[0], 'c');
    ASSERT_EQ(Error({Raw("r1", "f1"), Raw("r0", "f0")}), "");
    EXPECT_EQ(Locked(), "f0");
  }
}

TEST_F(ReopenChain, AWriterStaysOffWhatIsReadOnly) {
  f2_.read_only = true;
  ASSERT_EQ(Error({f2_}), "");
  for (const auto& move : {upper_first_, lower_first_}) {
    EXPECT_EQ(Error(move), "Block node is read-only");
    EXPECT_EQ(Locked(), "f0");
    EXPECT_EQ(graph_.FindNode("r0")->child()->name(), "f0");
    EXPECT_EQ(graph_.FindNode("r1")->child()->name(), "f1");
  }
  EXPECT_EQ(user_->Write(0, std::string(512, 'a')), 0);
  EXPECT_EQ(ReadFile(f0_.filename)[0], 'a');
}

TEST_F(ReopenChain, TheNodeThatIsLeftMayBeAnothers) {
  const auto other = graph_.Attach("f1", {.qdev = "e"});
  ASSERT_TRUE(other);
  for (const auto& move : {upper_first_, lower_first_}) {
    ASSERT_EQ(Error(move), "");
    EXPECT_EQ(Locked(), "f1f2");
    ASSERT_EQ(Error({Raw("r0", "f0"), Raw("r1", "f1")}), "");
  }
}

TEST_F(ReopenChain, WhatAnotherProcessHasIsNotTaken) {
  BlockGraph process(opener_);
  ASSERT_TRUE(process.AddNode(FileSpec("g", f2_.filename)));
  auto disk = process.Attach("g", {.qdev = "e"});
  ASSERT_TRUE(disk);
  for (const auto& move : {upper_first_, lower_first_}) {
    EXPECT_EQ(Error(move), "Failed to get \"write\" lock");
    EXPECT_EQ(Locked(), "f0f2");
  }
  disk->reset();
  EXPECT_EQ(Locked(), "f0");
  EXPECT_EQ(Error(upper_first_), "");
}

// What a node on the way lets through counts no more when those above it have left.
TEST_F(ReopenChain, ANodeThatIsLeftHasNoRightsBelow) {
  ASSERT_EQ(Error({Raw("r0", "r1")}), "");
  ASSERT_EQ(Error({Raw("r0", "f1")}), "");
  EXPECT_EQ(Locked(), "f1");
  ASSERT_EQ(Error({Raw("r0", "r1")}), "");
  f1_.read_only = true;
  ASSERT_EQ(Error({Raw("r0", "f2"), f1_}), "");
  EXPECT_EQ(Locked(), "f2");
}

TEST_F(ReopenChain, NoCycleOfNewEdges) {
  EXPECT_EQ(Error({Raw("r0", "r1"), Raw("r1", "r0")}),
            "Making 'r0' a file child of 'r1' would create a cycle");
  EXPECT_EQ(Error({Raw("r1", "r0"), Raw("r0", "r1")}),
            "Making 'r1' a file child of 'r0' would create a cycle");
  EXPECT_EQ(graph_.FindNode("r0")->child()->name(), "f0");
  EXPECT_EQ(graph_.FindNode("r1")->child()->name(), "f1");
  // One after the other: what goes first is out of the way.
  ASSERT_EQ(Error({Raw("r0", "r1")}), "");
  EXPECT_EQ(Error({Raw("r1", "r0"), Raw("r0", "f0")}),
            "Making 'r0' a file child of 'r1' would create a cycle");
  EXPECT_EQ(Error({Raw("r0", "f0"), Raw("r1", "r0")}), "");
  EXPECT_EQ(graph_.FindNode("r1")->child()->name(), "r0");
}

TEST_F(ReopenChain, OneThrottleNodeOnNewEdges) {
  const auto g0 = graph_.MakeGroup("g0", {});
  const auto g1 = graph_.MakeGroup("g1", {});
  ASSERT_TRUE(g0 && g1);
  const auto throttle = [](const std::string& name, const std::string& file,
                           const std::string& group) {
    BlockNodeSpec spec = Raw(name, file);
    spec.driver = BlockDriver::kThrottle;
    spec.throttle_group = group;
    return spec;
  };
  ASSERT_TRUE(graph_.AddNode(throttle("t0", "f2", "g0")));
  ASSERT_TRUE(graph_.AddNode(throttle("t1", "f0", "g1")));
  for (const auto& move : {std::vector{throttle("t0", "r1", "g0"), Raw("r1", "t1")},
                           std::vector{Raw("r1", "t1"), throttle("t0", "r1", "g0")}}) {
    EXPECT_TRUE(Error(move).ends_with("is throttled already"));
    EXPECT_EQ(graph_.FindNode("t0")->child()->name(), "f2");
    EXPECT_EQ(graph_.FindNode("r1")->child()->name(), "f1");
  }
  // A limit that moves from above to below is one all the time.
  ASSERT_EQ(Error({throttle("t0", "r1", "g0")}), "");
  ASSERT_EQ(Error({throttle("t0", "f1", "g0"), Raw("r1", "t0")}), "");
  EXPECT_EQ(graph_.FindNode("r1")->Target().throttle, g0->get());
}

TEST_F(Reopen, CyclesAndLimits) {
  ASSERT_TRUE(graph_.AddNode(Raw("r1", "r0")));
  EXPECT_EQ(Error({Raw("r0", "r0")}), "Making 'r0' a file child of 'r0' would create a cycle");
  EXPECT_EQ(Error({Raw("r0", "r1")}), "Making 'r1' a file child of 'r0' would create a cycle");
  const auto g0 = graph_.MakeGroup("g0", {});
  const auto g1 = graph_.MakeGroup("g1", {});
  ASSERT_TRUE(g0 && g1);
  BlockNodeSpec limited = Raw("t0", "r0");
  limited.driver = BlockDriver::kThrottle;
  limited.throttle_group = "g0";
  ASSERT_TRUE(graph_.AddNode(limited));
  BlockNodeSpec also = limited;
  also.node_name = "t1";
  also.file_node = "f1";
  ASSERT_TRUE(graph_.AddNode(also));
  limited.throttle_group = "zz";
  EXPECT_EQ(Error({limited}), "Throttle group 'zz' does not exist");
  EXPECT_EQ(Error({Raw("r0", "t1")}), "Node 't1' is throttled already");
  limited.throttle_group = "g1";
  ASSERT_EQ(Error({limited}), "");
  EXPECT_EQ(graph_.FindNode("t0")->Target().throttle, g1->get());
}

TEST_F(Reopen, AnInlineChildFollowsItsParent) {
  BlockNodeSpec raw = Raw("ri", "");
  BlockNodeSpec file = FileSpec("fi", dir_.Image("c", kMiB));
  raw.file = std::make_shared<BlockNodeSpec>(file);
  ASSERT_TRUE(graph_.AddNode(raw));
  EXPECT_EQ(Error({[&] {
              BlockNodeSpec other = Raw("r0", "");
              other.file = raw.file;
              return other;
            }()}),
            "Cannot change the option 'file.driver'");
  BlockNodeSpec named = file;
  named.node_name = "other";
  raw.file = std::make_shared<BlockNodeSpec>(named);
  EXPECT_EQ(Error({raw}), "Cannot change the option 'node-name'");
  // By its name it keeps what was said of it, and inherits anew.
  raw = Raw("ri", "fi");
  raw.read_only = true;
  ASSERT_EQ(Error({raw}), "");
  EXPECT_TRUE(graph_.FindNode("fi")->read_only());
  // By itself, it is as it is told from then on.
  file.no_flush = true;
  ASSERT_EQ(Error({file}), "");
  EXPECT_FALSE(graph_.FindNode("fi")->read_only());
  ASSERT_EQ(Error({Raw("ri", "fi")}), "");
  EXPECT_TRUE(graph_.FindNode("fi")->no_flush());
  // Without a parent it is nobody's.
  ASSERT_EQ(Error({Raw("ri", "f1")}), "");
  EXPECT_EQ(graph_.FindNode("fi"), nullptr);
}

// Gives out one descriptor again and again, as a set does: its flags are common to all.
class OneDescriptor final : public FileOpener {
 public:
  explicit OneDescriptor(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
  Result<UniqueFd> Open(const std::string&, int, int*) override {
    ++open_;
    return UniqueFd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  }
  void Closing(int) override { --open_; }
  int open() const { return open_; }

 private:
  UniqueFd fd_;
  int open_ = 0;
};

TEST_F(Reopen, FlagsOfASharedDescriptorComeBack) {
  OneDescriptor opener(f1_.filename);
  BlockGraph graph(opener);
  BlockNodeSpec spec = FileSpec("f", f1_.filename);
  ASSERT_TRUE(graph.AddNode(spec));
  ASSERT_TRUE(graph.AddNode(Null("n")));
  const auto disk = graph.Attach("n", {.qdev = "d"});
  ASSERT_TRUE(disk);
  const int fd = graph.FindNode("f")->Target().file->fd();
  spec.direct = true;
  BlockNodeSpec null = Null("n");
  null.read_only = true;
  EXPECT_FALSE(graph.Reopen({spec, null}));
  EXPECT_FALSE(fcntl(fd, F_GETFL) & O_DIRECT);
  EXPECT_EQ(opener.open(), 1);
  const std::string error = MessageOf(graph.Reopen({spec}));
  if (NoDirect(error)) GTEST_SKIP() << error;
  ASSERT_EQ(error, "");
  EXPECT_TRUE(fcntl(graph.FindNode("f")->Target().file->fd(), F_GETFL) & O_DIRECT);
  EXPECT_EQ(opener.open(), 1);
}

TEST_F(Reopen, WritesUnderWayReachTheNodeThatTheyWereMeantFor) {
  BlockNodeSpec slow = FileSpec("f2", dir_.Image("c", kMiB));
  slow.aio = AioMode::kThreads;
  ASSERT_TRUE(graph_.AddNode(slow));
  ASSERT_EQ(Error({Raw("r0", "f2")}), "");
  Attach("r0");
  std::string data(64 * kKiB, 'w');  // more than is copied at once to a file in memory
  const iovec iov{data.data(), data.size()};
  BlockRequest request{.op = BlockOp::kWrite, .bytes = data.size(), .iov = {&iov, 1}};
  int error;
  GatedOwner owner(graph_.workers(), *user_);
  user_->disk().set_owner(&owner);
  user_->Submit(request, &error);
  ASSERT_EQ(Error({Raw("r0", "f1")}), "");
  EXPECT_EQ(error, 0);
  EXPECT_TRUE(ReadFile(slow.filename).starts_with(data));
  EXPECT_EQ(ReadFile(f1_.filename)[0], '\0');
  EXPECT_EQ(user_->Write(0, data), 0);
  EXPECT_TRUE(ReadFile(f1_.filename).starts_with(data));
  user_->disk().set_owner(nullptr);
}

}  // namespace
}  // namespace davit::backend
