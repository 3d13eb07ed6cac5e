// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The reference compiler, dtc, reads what is written here and writes what is read here.
#include "vmm/boot/fdt/fdt.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

namespace davit::boot {
namespace {

using Bytes = std::vector<std::byte>;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

class FdtTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(access("/usr/bin/dtc", X_OK), 0) << "dtc is missing: package device-tree-compiler";
  }

  std::string Path(const std::string& name) const {
    return ::testing::TempDir() + "/" +
           ::testing::UnitTest::GetInstance()->current_test_info()->name() + "." + name;
  }

  // The tree as source. dtc must not complain.
  std::string Source(const Bytes& tree) {
    std::string blob(tree.size(), '\0');
    std::memcpy(blob.data(), tree.data(), tree.size());
    WriteFile(Path("dtb"), blob);
    const std::string command = "/usr/bin/dtc -I dtb -O dts -o '" + Path("dts") + "' '" +
                                Path("dtb") + "' >'" + Path("log") + "' 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0);
    EXPECT_EQ(ReadFile(Path("log")), "");
    return ReadFile(Path("dts"));
  }

  Bytes Compile(const std::string& source) {
    WriteFile(Path("src"), "/dts-v1/;\n" + source);
    const std::string command = "/usr/bin/dtc -q -I dts -O dtb -o '" + Path("out") + "' '" +
                                Path("src") + "' >'" + Path("log") + "' 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << ReadFile(Path("log"));
    const std::string blob = ReadFile(Path("out"));
    Bytes bytes(blob.size());
    std::memcpy(bytes.data(), blob.data(), blob.size());
    return bytes;
  }

  Result<Bytes> Complete(const Bytes& tree) {
    return CompleteFdt(config_, Image::FromBytes(ImageRole::kDtb, tree, "x.dtb"));
  }
  std::string CompletedSource(const std::string& source) {
    const Result<Bytes> tree = Complete(Compile(source));
    EXPECT_TRUE(tree) << tree.error();
    return tree ? Source(*tree) : "";
  }
  std::string CompleteErrorOf(const std::string& source) {
    const Result<Bytes> tree = Complete(Compile(source));
    return tree ? "no error" : tree.error().message;
  }

  static void ExpectHas(const std::string& source, std::initializer_list<const char*> parts) {
    for (const char* part : parts) {
      EXPECT_NE(source.find(part), std::string::npos) << part << " is not in\n" << source;
    }
  }
  static void ExpectHasNot(const std::string& source, const char* part) {
    EXPECT_EQ(source.find(part), std::string::npos) << part << " is in\n" << source;
  }

  FdtConfig config_{.apic_ids = {0, 1},
                    .ram = {{0, 3 * kGiB, MemoryType::kRam}, {4 * kGiB, kGiB, MemoryType::kRam}},
                    .bootargs = "console=ttyS0",
                    .virtio = MicrovmVirtioMmioMap(true, false)};
};

TEST_F(FdtTest, MicrovmDescribesItself) {
  config_.rtc = true;
  config_.initrd = {0x7f000000, 0x1234};
  config_.virtio_slots = {0, 7};
  const Bytes tree = BuildFdt(config_);
  EXPECT_TRUE(CheckFdt(tree));
  const std::string source = Source(tree);
  ExpectHas(source, {
                        "compatible = \"linux,microvm\";",
                        "bootargs = \"console=ttyS0\";",
                        "stdout-path = \"/bus/isa@0/serial@3f8\";",
                        "linux,initrd-start = <0x00 0x7f000000>;",
                        "linux,initrd-end = <0x00 0x7f001234>;",
                        "cpu@1 {",
                        "memory@0 {",
                        "reg = <0x00 0x00 0x00 0xc0000000>;",
                        "memory@100000000 {",
                        "reg = <0x01 0x00 0x00 0x40000000>;",
                        "interrupt-controller@fec00000 {",
                        "interrupt-controller@fee00000 {",
                        "compatible = \"ns16550a\";",
                        "reg = <0x01 0x3f8 0x08>;",
                        "interrupts = <0x04 0x00>;",
                        "compatible = \"motorola,mc146818\";",
                        "virtio_mmio@feb00000 {",
                        "virtio_mmio@feb00e00 {",
                        "interrupts = <0x17 0x02>;",
                        "value = <0x34>;",
                    });
}

TEST_F(FdtTest, WhatIsNotThereIsNotDescribed) {
  config_.serial = config_.ged = false;
  const std::string source = Source(BuildFdt(config_));
  for (const char* part : {"isa@0", "rtc", "stdout", "initrd", "syscon", "fec10000"}) {
    ExpectHasNot(source, part);
  }
}

TEST_F(FdtTest, EmptySlotsAreDisabled) {
  config_.apic_ids.clear();
  config_.virtio_slots = {7};
  const std::string source = Source(BuildFdt(config_));
  const size_t first = source.find("virtio_mmio@feb00000 {");
  const size_t last = source.find("virtio_mmio@feb00e00 {");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(last, std::string::npos);
  ExpectHas(source.substr(first, last - first), {"status = \"disabled\";"});
  ExpectHasNot(source.substr(first, last - first), "okay");
  ExpectHas(source.substr(last), {"status = \"okay\";"});
}

TEST_F(FdtTest, SlotsOnTheSecondIoapicCountItsPins) {
  config_.ioapic2 = true;
  config_.virtio = MicrovmVirtioMmioMap(true, true);
  config_.virtio_slots = {23};
  ExpectHas(Source(BuildFdt(config_)), {"interrupt-controller@fec10000 {", "virtio_mmio@feb02e00 {",
                                        "interrupt-parent = <0x02>;", "interrupts = <0x17 0x02>;"});
}

TEST_F(FdtTest, LargestMachine) {
  config_.apic_ids.clear();
  for (uint32_t id = 0; id < 255; ++id) config_.apic_ids.push_back(id);
  const Bytes tree = BuildFdt(config_);
  EXPECT_GT(tree.size(), 16384u) << "it outgrew the first buffer";
  ExpectHas(Source(tree), {"cpu@fe {"});
}

TEST_F(FdtTest, EmptyTreeGetsMemoryAndChosen) {
  config_.initrd = {0x10000, 0x100};
  const std::string source =
      CompletedSource("/ { #address-cells = <2>; #size-cells = <2>; mine { a = <7>; }; };");
  ExpectHas(source, {"memory@0 {", "reg = <0x00 0x00 0x00 0xc0000000>;", "memory@100000000 {",
                     "bootargs = \"console=ttyS0\";", "linux,initrd-start = <0x00 0x10000>;",
                     "linux,initrd-end = <0x00 0x10100>;", "mine {", "a = <0x07>;"});
}

TEST_F(FdtTest, MemoryOfSizeZeroGetsTheRealSize) {
  const std::string source = CompletedSource(R"(/ {
      #address-cells = <2>; #size-cells = <2>;
      memory@0 { device_type = "memory"; reg = <0 0 0 0>; mark; }; };)");
  ExpectHas(source, {"reg = <0x00 0x00 0x00 0xc0000000>;", "mark;", "memory@100000000 {",
                     "reg = <0x01 0x00 0x00 0x40000000>;"});
}

TEST_F(FdtTest, SeveralZeroEntriesOfOneNode) {
  const std::string source = CompletedSource(R"(/ {
      #address-cells = <2>; #size-cells = <2>;
      memory@0 { device_type = "memory"; reg = <0 0 0 0 1 0 0 0>; }; };)");
  ExpectHas(source, {"reg = <0x00 0x00 0x00 0xc0000000 0x01 0x00 0x00 0x40000000>;"});
  ExpectHasNot(source, "memory@100000000");
}

TEST_F(FdtTest, StatedMemoryIsTheOperatorsWord) {
  const std::string source = CompletedSource(R"(/ {
      #address-cells = <1>; #size-cells = <1>;
      memory@0 { device_type = "memory"; reg = <0 0x8000000>; }; };)");
  ExpectHas(source, {"reg = <0x00 0x8000000>;"});
  ExpectHasNot(source, "memory@100000000");
}

TEST_F(FdtTest, OneCellTreeOnASmallMachine) {
  config_.ram = {{0, 256 * kMiB, MemoryType::kRam}};
  ExpectHas(CompletedSource(R"(/ { #address-cells = <1>; #size-cells = <1>;
      memory@0 { device_type = "memory"; reg = <0 0>; }; };)"),
            {"reg = <0x00 0x10000000>;"});
}

TEST_F(FdtTest, OneCellTreeCannotTellOfMemoryAbove4GiB) {
  EXPECT_EQ(CompleteErrorOf("/ { #address-cells = <1>; #size-cells = <1>; };"),
            "device tree x.dtb: 0x40000000 bytes of RAM at 0x100000000 do not fit into "
            "#address-cells 1 and #size-cells 1");
}

TEST_F(FdtTest, ZeroSizeWhereTheMachineHasNoRam) {
  EXPECT_EQ(CompleteErrorOf(R"(/ { #address-cells = <1>; #size-cells = <1>;
      memory@1000 { device_type = "memory"; reg = <0x1000 0>; }; };)"),
            "device tree x.dtb: /memory@1000 has size zero at 0x1000, where the machine has no "
            "RAM");
}

TEST_F(FdtTest, OddReg) {
  EXPECT_EQ(CompleteErrorOf(R"(/ { #address-cells = <2>; #size-cells = <2>;
      memory@0 { device_type = "memory"; reg = <0 0 0>; }; };)"),
            "device tree x.dtb: 'reg' of /memory@0 has 12 bytes, which is no multiple of 16");
}

TEST_F(FdtTest, TooManyCells) {
  EXPECT_EQ(CompleteErrorOf("/ { #address-cells = <3>; #size-cells = <2>; };"),
            "device tree x.dtb: #address-cells 3 and #size-cells 2 of the root are not supported");
}

TEST_F(FdtTest, OwnBootargsStayWithoutAppend) {
  config_.bootargs.clear();
  config_.ram = {{0, 256 * kMiB, MemoryType::kRam}};
  ExpectHas(CompletedSource(R"(/ { #address-cells = <1>; #size-cells = <1>;
      chosen { bootargs = "mine"; }; };)"),
            {"bootargs = \"mine\";"});
}

TEST_F(FdtTest, AppendReplacesBootargs) {
  const std::string source = CompletedSource(R"(/ { #address-cells = <2>; #size-cells = <2>;
      chosen { bootargs = "mine"; }; };)");
  ExpectHas(source, {"bootargs = \"console=ttyS0\";"});
  ExpectHasNot(source, "mine");
}

std::string Broken(const std::string& reason) {
  return "Device tree file loaded into memory is invalid: x.dtb: " + reason;
}

TEST_F(FdtTest, BrokenTreesAreRefusedWithLibfdtsReason) {
  const Bytes sound = Compile("/ { #address-cells = <2>; #size-cells = <2>; a { b = <1>; }; };");
  const auto error_of = [this](const Bytes& tree) {
    const Result<Bytes> completed = Complete(tree);
    return completed ? "no error" : completed.error().message;
  };
  EXPECT_EQ(error_of(Bytes{}), Broken("FDT_ERR_TRUNCATED"));
  EXPECT_EQ(error_of(Bytes(1000)), Broken("FDT_ERR_BADMAGIC"));
  Bytes cut(sound.begin(), sound.end() - 1);
  EXPECT_EQ(error_of(cut), Broken("FDT_ERR_TRUNCATED"));
  Bytes version = sound;
  version[23] = std::byte{1};
  EXPECT_EQ(error_of(version), Broken("FDT_ERR_BADVERSION"));
  version[23] = std::byte{15};  // found by fuzzing: libfdt crashed
  version[27] = std::byte{0};
  EXPECT_EQ(error_of(version), Broken("FDT_ERR_BADVERSION"));
  Bytes structure = sound;
  structure[0x38 + 3] = std::byte{5};  // the first token
  EXPECT_EQ(error_of(structure), Broken("FDT_ERR_BADSTRUCTURE"));
  structure[0x38 + 3] = std::byte{9};  // the end: no root
  EXPECT_EQ(error_of(structure), Broken("FDT_ERR_BADOFFSET"));
}

TEST_F(FdtTest, MissingFile) {
  const Result<Image> image = Image::Open(ImageRole::kDtb, "/nope.dtb");
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().message, "error reading dtb /nope.dtb: No such file or directory");
}

}  // namespace
}  // namespace davit::boot
