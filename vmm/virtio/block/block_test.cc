// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Each kind of request, the configuration space, and what a driver may get wrong.
#include "vmm/virtio/block/block.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "vmm/base/units.h"
#include "vmm/virtio/block/test_support.h"

namespace davit::virtio::block {
namespace {

class Blk : public ::testing::Test, public BlockRig {};

TEST_F(Blk, ConfigurationSaysWhatTheDiskIs) {
  config.num_queues = 4;
  config.queue_size = 128;
  config.physical_block_size = 4096;
  config.opt_io_size = 65536;
  config.min_io_size = 4096;
  Open();
  const Config c = ReadConfig();
  EXPECT_EQ(c.capacity, kDiskBytes / 512);
  EXPECT_EQ(c.seg_max, 126u);
  EXPECT_EQ(c.blk_size, 512u);
  EXPECT_EQ(c.physical_block_exp, 3);
  EXPECT_EQ(c.min_io_size, 8);
  EXPECT_EQ(c.opt_io_size, 128u);
  EXPECT_EQ(c.writeback, 1);
  EXPECT_EQ(c.num_queues, 4);
  EXPECT_EQ(c.max_discard_sectors, 4194303u);
  EXPECT_EQ(c.max_discard_seg, 1u);
  EXPECT_EQ(c.discard_sector_alignment, 1u);
  EXPECT_EQ(c.max_write_zeroes_seg, 1u);
  EXPECT_EQ(c.write_zeroes_may_unmap, 1);
  EXPECT_EQ(driver->features() & 0xffffff,
            kFeatureSegMax | kFeatureBlkSize | kFeatureTopology | kFeatureFlush |
                kFeatureConfigWce | kFeatureMultiQueue | kFeatureDiscard | kFeatureWriteZeroes);
}

TEST_F(Blk, WriteThenRead) {
  Open();
  std::string data(4096, 'x');
  data[4095] = 'y';
  EXPECT_EQ(Write(8, data), kStatusOk);
  EXPECT_EQ(Read(8, 4096), data);
  EXPECT_EQ(backend::ReadFile(path).substr(4096, 4096), data);
  EXPECT_EQ(driver->interrupts().queue(0), 2);
}

TEST_F(Blk, HeaderAndDataInSingleBytes) {
  Open();
  const Header header{kTypeOut, 0u, uint64_t{1}};
  std::vector<uint8_t> bytes(sizeof(header));
  memcpy(bytes.data(), &header, sizeof(header));
  queue()
      .Add()
      .ReadablePieces(bytes, 1)
      .ReadablePieces(std::vector<uint8_t>(512, 's'), 8)
      .Writable(1)
      .Publish();
  EXPECT_EQ(RunOne(), kStatusOk);
  EXPECT_EQ(Read(1, 512), std::string(512, 's'));
}

TEST_F(Blk, HeaderAndDataInOneDescriptor) {
  Open();
  const Header header{kTypeOut, 0u, uint64_t{2}};
  std::string bytes(sizeof(header), '\0');
  memcpy(bytes.data(), &header, sizeof(header));
  queue().Add().Readable(bytes + std::string(512, 'o')).Writable(1).Publish();
  EXPECT_EQ(RunOne(), kStatusOk);
  queue().Add().Readable(Header{kTypeIn, 0u, uint64_t{2}}).Writable(513).Publish();
  std::string data;
  EXPECT_EQ(RunOne(&data), kStatusOk);
  EXPECT_EQ(data, std::string(512, 'o'));
}

TEST_F(Blk, ManyAtOnceOnPackedRings) {
  driver_options.frontend.packed = true;
  Open();
  for (int i = 0; i < 60; ++i) {
    AddWrite(static_cast<uint64_t>(i), std::string(512, static_cast<char>('A' + i)));
  }
  const auto used = Serve();
  ASSERT_EQ(used.size(), 60u);
  for (const auto& one : used) EXPECT_EQ(one.bytes.back(), kStatusOk);
  EXPECT_EQ(Read(59, 512), std::string(512, 'A' + 59));
}

TEST_F(Blk, FlushAndGetId) {
  config.serial = "disk-with-a-serial-that-is-long";
  Open();
  EXPECT_EQ(Simple(kTypeFlush), kStatusOk);
  queue().Add().Readable(Header{kTypeGetId, 0u, uint64_t{0}}).Writable(20).Writable(1).Publish();
  std::string id;
  EXPECT_EQ(RunOne(&id), kStatusOk);
  EXPECT_EQ(id, "disk-with-a-serial-t");
  queue().Add().Readable(Header{kTypeGetId, 0u, uint64_t{0}}).Writable(4).Writable(1).Publish();
  EXPECT_EQ(RunOne(&id), kStatusOk);
  EXPECT_EQ(id, "disk");
}

TEST_F(Blk, DiscardAndWriteZeroes) {
  node.discard = backend::DiscardMode::kUnmap;
  Open();
  EXPECT_EQ(Write(0, std::string(65536, 'd')), kStatusOk);
  EXPECT_EQ(Ranged(kTypeDiscard, 0, 64), kStatusOk);
  EXPECT_EQ(Ranged(kTypeWriteZeroes, 64, 8), kStatusOk);
  EXPECT_EQ(Ranged(kTypeWriteZeroes, 72, 8, kRangeUnmap), kStatusOk);
  EXPECT_EQ(Read(0, 40960), std::string(40960, '\0'));
  EXPECT_EQ(Read(80, 512), std::string(512, 'd'));
  EXPECT_EQ(back_end->stats()[backend::BlockCount::kUnmap].bytes, 32768u);
}

TEST_F(Blk, OddRangesAreRefused) {
  Open();
  EXPECT_EQ(Ranged(kTypeDiscard, 0, 8, kRangeUnmap), kStatusUnsupported);
  EXPECT_EQ(Ranged(kTypeWriteZeroes, 0, 8, 2), kStatusUnsupported);
  EXPECT_EQ(Ranged(kTypeDiscard, kDiskBytes / 512 - 1, 2), kStatusIoError);
  EXPECT_EQ(Ranged(kTypeDiscard, UINT64_MAX, 1), kStatusIoError);
  EXPECT_EQ(Ranged(kTypeWriteZeroes, 0, UINT32_MAX), kStatusIoError);
  queue()
      .Add()
      .Readable(Header{kTypeDiscard, 0u, uint64_t{0}})
      .Readable(std::string(32, '\0'))
      .Writable(1)
      .Publish();
  EXPECT_EQ(RunOne(), kStatusUnsupported);
  queue()
      .Add()
      .Readable(Header{kTypeDiscard, 0u, uint64_t{0}})
      .Readable(std::string(15, '\0'))
      .Writable(1)
      .Publish();
  EXPECT_EQ(RunOne(), kStatusIoError);
  EXPECT_FALSE(driver->needs_reset());
}

TEST_F(Blk, WhatWasNotNegotiatedIsNotServed) {
  driver_options.features = ~(kFeatureDiscard | kFeatureWriteZeroes);
  Open();
  EXPECT_EQ(Ranged(kTypeDiscard, 0, 8), kStatusUnsupported);
  EXPECT_EQ(Ranged(kTypeWriteZeroes, 0, 8), kStatusUnsupported);
}

TEST_F(Blk, BeyondTheEndIsAnError) {
  Open();
  const uint64_t end = kDiskBytes / 512;
  AddRead(end, 512);
  EXPECT_EQ(RunOne(), kStatusIoError);
  AddRead(end - 1, 1024);
  EXPECT_EQ(RunOne(), kStatusIoError);
  AddRead(UINT64_MAX, 512);
  EXPECT_EQ(RunOne(), kStatusIoError);
  AddRead(UINT64_MAX / 512 + 1, 512);
  EXPECT_EQ(RunOne(), kStatusIoError);
  EXPECT_EQ(Write(end - 1, std::string(1024, 'b')), kStatusIoError);
  EXPECT_EQ(std::filesystem::file_size(path), kDiskBytes);
  EXPECT_EQ(back_end->stats()[backend::BlockCount::kRead].invalid, 4u);
  EXPECT_EQ(Read(end - 1, 512), std::string(512, '\0'));
}

TEST_F(Blk, OddLengthsAreErrors) {
  config.logical_block_size = config.physical_block_size = 4096;
  Open();
  AddRead(0, 512);
  EXPECT_EQ(RunOne(), kStatusIoError);
  AddRead(1, 4096);
  EXPECT_EQ(RunOne(), kStatusIoError);
  EXPECT_EQ(Write(0, std::string(511, 'b')), kStatusIoError);
  EXPECT_EQ(Read(8, 4096), std::string(4096, '\0'));
}

TEST_F(Blk, EmptyTransfersSucceed) {
  Open();
  queue().Add().Readable(Header{kTypeIn, 0u, uint64_t{0}}).Writable(1).Publish();
  EXPECT_EQ(RunOne(), kStatusOk);
  queue().Add().Readable(Header{kTypeOut, 0u, uint64_t{0}}).Writable(1).Publish();
  EXPECT_EQ(RunOne(), kStatusOk);
}

TEST_F(Blk, UnknownTypesAreUnsupported) {
  Open();
  for (const uint32_t type : {2u, 3u, 5u, 9u, 12u, 14u, 0x80000000u, 0xffffffffu}) {
    EXPECT_EQ(Simple(type), kStatusUnsupported) << type;
  }
  EXPECT_FALSE(driver->needs_reset());
}

TEST_F(Blk, NoRoomForStatusNeedsReset) {
  Open();
  queue()
      .Add()
      .Readable(Header{kTypeOut, 0u, uint64_t{0}})
      .Readable(std::string(512, 'r'))
      .Publish();
  (void)Serve();
  EXPECT_TRUE(driver->needs_reset());
  EXPECT_EQ(backend::ReadFile(path).substr(0, 512), std::string(512, '\0'));
}

TEST_F(Blk, NoWholeHeaderNeedsReset) {
  Open();
  queue().Add().Readable(std::string(15, '\0')).Writable(513).Publish();
  (void)Serve();
  EXPECT_TRUE(driver->needs_reset());
  driver->Reset();
  ASSERT_TRUE(driver->Start());
  EXPECT_EQ(Write(0, std::string(512, 'a')), kStatusOk);
}

TEST_F(Blk, ReadOnlyDiskTakesNoWrites) {
  node.read_only = true;
  Open();
  EXPECT_TRUE(driver->features() & kFeatureReadOnly);
  EXPECT_EQ(Write(0, std::string(512, 'w')), kStatusIoError);
  EXPECT_EQ(Ranged(kTypeDiscard, 0, 8), kStatusIoError);
  EXPECT_EQ(Ranged(kTypeWriteZeroes, 0, 8), kStatusIoError);
  EXPECT_EQ(Read(0, 512), std::string(512, '\0'));
}

TEST_F(Blk, DriverSwitchesTheWriteCache) {
  Open();
  EXPECT_TRUE(back_end->write_cache());
  driver->SetConfig<uint8_t>(kConfigWriteback, 0);
  EXPECT_FALSE(back_end->write_cache());
  EXPECT_EQ(ReadConfig().writeback, 0);
  EXPECT_EQ(Write(0, std::string(512, 'c')), kStatusOk);
  driver->SetConfig<uint32_t>(0, 0xffffffff);  // nothing else can be written
  EXPECT_EQ(ReadConfig().capacity, kDiskBytes / 512);
  driver->Reset();
  EXPECT_TRUE(back_end->write_cache());
}

TEST_F(Blk, ADriverThatCannotFlushGetsNoCache) {
  driver_options.features = ~(kFeatureConfigWce | kFeatureFlush);
  Open();
  EXPECT_FALSE(back_end->write_cache());
  driver->SetConfig<uint8_t>(kConfigWriteback, 1);
  EXPECT_FALSE(back_end->write_cache());
}

TEST_F(Blk, ResizeIsTold) {
  Open();
  const int before = driver->interrupts().config();
  ASSERT_TRUE(graph.Resize(*graph.FindNode("f0"), 2 * kDiskBytes));
  EXPECT_EQ(driver->interrupts().config(), before + 1);
  EXPECT_EQ(ReadConfig().capacity, 2 * kDiskBytes / 512);
  EXPECT_EQ(Write(kDiskBytes / 512, std::string(512, 'n')), kStatusOk);
}

TEST_F(Blk, EachQueueServes) {
  config.num_queues = 3;
  Open();
  for (uint16_t i = 0; i < 3; ++i) {
    auto& q = driver->queue(i);
    q.Add()
        .Readable(Header{kTypeOut, 0u, uint64_t{i}})
        .Readable(std::string(512, 'q'))
        .Writable(1)
        .Publish();
    q.Kick();
    Drain();
    const auto used = q.CollectUsed();
    ASSERT_EQ(used.size(), 1u);
    EXPECT_EQ(used[0].bytes.back(), kStatusOk);
    EXPECT_EQ(driver->interrupts().queue(i), 1);
  }
  EXPECT_EQ(Read(0, 1536), std::string(1536, 'q'));
}

TEST_F(Blk, ResetWithRequestsInFlightWaitsForThem) {
  node.aio = backend::AioMode::kThreads;
  Open();
  for (int i = 0; i < 32; ++i) AddWrite(static_cast<uint64_t>(i), std::string(512, 'f'));
  queue().Kick();
  driver->frontend().SetStatus(0);
  Drain();
  EXPECT_EQ(driver->status(), 0);
  EXPECT_EQ(back_end->in_flight(), 0u);
  ASSERT_TRUE(driver->Start());
  EXPECT_EQ(Read(0, 512).size(), 512u);
}

TEST_F(Blk, ThrottledRequestsEndAtReset) {
  Open();
  backend::ThrottleConfig limits;
  limits.iops.average = 1;
  ASSERT_TRUE(graph.SetThrottle(*back_end, "", limits));
  for (int i = 0; i < 8; ++i) AddWrite(static_cast<uint64_t>(i), std::string(512, 't'));
  queue().Kick();
  EXPECT_GT(back_end->in_flight(), 0u);
  driver->frontend().Quiesce();
  EXPECT_EQ(driver->status(), 0);
  EXPECT_EQ(back_end->in_flight(), 0u);
}

TEST(BlkConfig, PropertiesAreChecked) {
  BlockConfig config;
  config.num_queues = 0;
  EXPECT_EQ(backend::MessageOf(BlockDevice::Check(config)),
            "num-queues property must be larger than 0");
  config = {.queue_size = 3};
  EXPECT_EQ(backend::MessageOf(BlockDevice::Check(config)),
            "invalid queue-size property (3), must be a power of 2 (max 1024)");
  config = {.queue_size = 2048};
  EXPECT_EQ(backend::MessageOf(BlockDevice::Check(config)),
            "invalid queue-size property (2048), must be a power of 2 (max 1024)");
  config = {.queue_size = 2};
  EXPECT_EQ(backend::MessageOf(BlockDevice::Check(config)),
            "invalid queue-size property (2), must be > 2");
}

TEST_F(Blk, BlockSizesMustFit) {
  ASSERT_TRUE(graph.AddNode(node));
  const auto error_of = [&](BlockConfig c) {
    auto disk = graph.Attach("f0", attach);
    auto device = BlockDevice::Create(c, std::move(*disk));
    return device ? std::string() : device.error().message;
  };
  EXPECT_EQ(error_of({.logical_block_size = 4096, .physical_block_size = 512}),
            "logical_block_size > physical_block_size not supported");
  EXPECT_EQ(error_of({.min_io_size = 100}), "min_io_size must be a multiple of logical_block_size");
  EXPECT_EQ(error_of({.opt_io_size = 100}), "opt_io_size must be a multiple of logical_block_size");
  // The physical size that nobody gave is the disk's, not the logical one.
  EXPECT_EQ(error_of({.logical_block_size = 4096}),
            "logical_block_size > physical_block_size not supported");
  EXPECT_EQ(error_of({.logical_block_size = 4096, .physical_block_size = 4096}), "");
}

}  // namespace
}  // namespace davit::virtio::block
