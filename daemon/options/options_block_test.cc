// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -blockdev and -drive.
#include <gtest/gtest.h>

#include "daemon/options/test_support.h"

namespace davit::daemon {
namespace {

using control::BlockAio;
using control::BlockDriver;

TEST(Blockdev, TextAndJsonSayTheSame) {
  for (const char* text :
       {"driver=raw,node-name=r0,read-only=on,file.driver=file,file.filename=/a,,b,"
        "file.cache.direct=on,file.aio=threads,offset=512",
        R"({"driver": "raw", "node-name": "r0", "read-only": true, "offset": 512,
            "file": {"driver": "file", "filename": "/a,b", "cache": {"direct": true},
                     "aio": "threads"}})"}) {
    const Options options = Parse({"-blockdev", text}).value();
    ASSERT_EQ(options.blockdevs.size(), 1u);
    const control::BlockNodeSpec& spec = options.blockdevs[0].spec;
    EXPECT_EQ(spec.driver, BlockDriver::kRaw);
    EXPECT_EQ(spec.node_name, "r0");
    EXPECT_TRUE(spec.read_only);
    EXPECT_EQ(spec.offset, 512u);
    ASSERT_NE(spec.file, nullptr);
    EXPECT_EQ(spec.file->filename, "/a,b");
    EXPECT_EQ(spec.file->direct, true);
    EXPECT_EQ(spec.file->aio, BlockAio::kThreads);
  }
}

TEST(Blockdev, NodesByName) {
  const Options options = Parse({"-blockdev", "null-co,node-name=n0,size=1048576", "-blockdev",
                                 "raw,node-name=r0,file=n0,discard=unmap"})
                              .value();
  ASSERT_EQ(options.blockdevs.size(), 2u);
  EXPECT_EQ(options.blockdevs[0].spec.null_size, 1048576u);
  EXPECT_EQ(options.blockdevs[1].spec.file_node, "n0");
  EXPECT_EQ(options.blockdevs[1].spec.discard, control::BlockDiscard::kUnmap);
}

TEST(Blockdev, FaultsAreQemus) {
  EXPECT_EQ(ErrorOf({"-blockdev", "raw,node-name=r"}),
            "-blockdev raw,node-name=r: Parameter 'file' is missing");
  EXPECT_EQ(ErrorOf({"-blockdev", "qcow3,node-name=r"}),
            "-blockdev qcow3,node-name=r: Parameter 'driver' does not accept value 'qcow3'");
  EXPECT_EQ(ErrorOf({"-blockdev", "file,filename=/a,node-name=f,foo=1"}),
            "-blockdev file,filename=/a,node-name=f,foo=1: Parameter 'foo' is unexpected");
  EXPECT_EQ(ErrorOf({"-blockdev", "file,filename=/a,node-name=f,cache.direct=maybe"}),
            "-blockdev file,filename=/a,node-name=f,cache.direct=maybe: Parameter 'cache.direct' "
            "expects 'on' or 'off'");
  EXPECT_EQ(ErrorOf({"-blockdev", "file,filename=/a,node-name=f,aio=foo"}),
            "-blockdev file,filename=/a,node-name=f,aio=foo: Parameter 'aio' does not accept value "
            "'foo'");
  EXPECT_EQ(ErrorOf({"-blockdev", "file,node-name=f,filename=/a,filename.x=1"}),
            "-blockdev file,node-name=f,filename=/a,filename.x=1: Parameters 'filename.*' used "
            "inconsistently");
}

TEST(Drive, IsARawNodeOnAFile) {
  const Options options =
      Parse({"-drive",
             "file=/disk.img,if=none,id=d0,format=raw,cache=none,aio=io_uring,readonly=on,"
             "werror=stop,rerror=ignore,discard=unmap,detect-zeroes=on,bps=1000,iops_rd=5"})
          .value();
  ASSERT_EQ(options.drives.size(), 1u);
  const control::DriveSpec& drive = options.drives[0].spec;
  EXPECT_EQ(drive.id, "d0");
  EXPECT_EQ(drive.node.driver, BlockDriver::kRaw);
  ASSERT_NE(drive.node.file, nullptr);
  EXPECT_EQ(drive.node.file->driver, BlockDriver::kFile);
  EXPECT_EQ(drive.node.file->filename, "/disk.img");
  EXPECT_EQ(drive.node.file->aio, BlockAio::kIoUring);
  EXPECT_TRUE(drive.node.read_only);
  EXPECT_EQ(drive.node.direct, true);
  EXPECT_TRUE(drive.write_cache);
  EXPECT_EQ(drive.werror, control::BlockErrorPolicy::kStop);
  EXPECT_EQ(drive.rerror, control::BlockErrorPolicy::kIgnore);
  EXPECT_EQ(drive.limits.bps.average, 1000);
  EXPECT_EQ(drive.limits.iops_read.average, 5);
  EXPECT_TRUE(options.machine.devices.empty());
}

TEST(Drive, WithoutAFormatItIsRawToo) {
  const Options options = Parse({"-drive", "file=/a,if=none"}).value();
  EXPECT_EQ(options.drives.at(0).spec.node.driver, BlockDriver::kRaw);
  EXPECT_EQ(options.drives.at(0).spec.id, "none0");
  EXPECT_TRUE(options.drives[0].spec.id_made_up);
}

TEST(Drive, VirtioMakesTheDevice) {
  const Options options = Parse({"-machine", "microvm", "-drive", "file=/a,if=virtio", "-drive",
                                 "file=/b,if=virtio,id=x"})
                              .value();
  ASSERT_EQ(options.machine.devices.size(), 2u);
  EXPECT_EQ(options.machine.devices[0].spec.driver, "virtio-blk-device");
  EXPECT_EQ(options.drives[0].spec.id, "virtio0");
  EXPECT_EQ(options.drives[1].spec.id, "x");
  EXPECT_FALSE(options.drives[1].spec.id_made_up);
}

TEST(Drive, WithoutAMedium) {
  const Options options = Parse({"-drive", "if=none,id=a,media=cdrom,werror=stop", "-drive",
                                 "if=none,id=b", "-drive", "if=none,id=c,media=cdrom,file=/c"})
                              .value();
  ASSERT_EQ(options.drives.size(), 3u);
  EXPECT_TRUE(options.drives[0].spec.empty && options.drives[0].spec.node.read_only);
  EXPECT_TRUE(options.drives[1].spec.empty && !options.drives[1].spec.node.read_only);
  EXPECT_TRUE(!options.drives[2].spec.empty && options.drives[2].spec.node.read_only);
}

TEST(Drive, FaultsAreQemus) {
  const auto error = [](const std::string& text) {
    const std::string option = "-drive " + text + ": ";
    const std::string message = ErrorOf({"-drive", text.c_str()});
    return message.starts_with(option) ? message.substr(option.size()) : "?? " + message;
  };
  EXPECT_EQ(error("if=foo,file=/a"), "unsupported bus type 'foo'");
  EXPECT_EQ(error("file=/a"), "if=ide is not supported; use virtio or none");
  EXPECT_EQ(error("if=none,file=/a,cache=foo"), "invalid cache option");
  EXPECT_EQ(error("if=none,file=/a,aio=foo"), "invalid aio option");
  EXPECT_EQ(error("if=none,file=/a,werror=foo"), "'foo' invalid write error action");
  EXPECT_EQ(error("if=none,file=/a,rerror=enospc"), "'enospc' invalid read error action");
  EXPECT_EQ(error("if=none,file=/a,serial=x"),
            "Block format 'raw' does not support the option 'serial'");
  EXPECT_EQ(error("if=none,file=/a,format=zzz"), "Unknown driver 'zzz'");
  EXPECT_EQ(error("if=none,file=/a,media=tape"), "'tape' invalid media");
  EXPECT_EQ(error("if=none,file=/a,discard=foo"), "Invalid discard option");
  EXPECT_EQ(error("if=virtio"), "Device needs media, but drive is empty");
  EXPECT_EQ(error("if=none,format=raw"), "A block device must be specified for \"file\"");
  EXPECT_EQ(error("if=none,format=zzz"), "Unknown driver 'zzz'");
  EXPECT_EQ(error("if=none,cache=none"), "Must specify either driver or file");
  EXPECT_EQ(ErrorOf({"-drive", "if=none,id=a,file=/a", "-drive", "if=none,id=a,file=/b"}),
            "-drive if=none,id=a,file=/b: Duplicate ID 'a' for drive");
  EXPECT_EQ(ErrorOf({"-drive", "if=virtio,index=0,file=/a", "-drive", "if=virtio,index=0,file=/b"}),
            "-drive if=virtio,index=0,file=/b: drive with bus=0, unit=0 (index=0) exists");
}

}  // namespace
}  // namespace davit::daemon
