// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The q35 board as a client of the qtest protocol sees it. The values are those of QEMU 7.2
// (-M q35,smm=off -accel tcg -S), read with the same accesses.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "vmm/backend/char/registry.h"
#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/vm_fixture.h"

namespace davit::machine {
namespace {

using Events = std::vector<std::string>;

class Q35Qtest : public testing::Test {
 protected:
  Q35Qtest() {
    config_.type = "q35";
    config_.accels = {{"qtest", {}, {}}};
    config_.memory.size = uint64_t{16} << 20;
    config_.qtest = QtestConfig{"fake0", "none"};
    auto chardev = std::make_unique<backend::FakeChardev>();
    chardev_ = chardev.get();
    EXPECT_TRUE(chardevs_.Add(std::move(chardev)));
  }
  ~Q35Qtest() override { vm_.reset(); }

  void Create() {
    auto vm = Vm::Create(
        config_, Deps{loop_, sink_, &chardevs_, [this](int code) { exit_ = code; }, nullptr});
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
    loop_.RunPosted();
    chardev_->Send(backend::ChardevEvent::kOpened);
    sink_.Take();
  }
  std::string Ask(const std::string& line) {
    chardev_->Feed(line + "\n");
    std::string answer = std::exchange(chardev_->written, {});
    if (answer.ends_with('\n')) answer.pop_back();
    return answer;
  }
  // A number that a read gives; size b, w or l.
  uint64_t In(char size, unsigned port) {
    const std::string answer = Ask(fmt::format("in{} {:#x}", size, port));
    return answer.starts_with("OK ") ? std::stoull(answer.substr(3), nullptr, 0) : ~uint64_t{0};
  }
  void Out(char size, unsigned port, uint64_t value) {
    EXPECT_EQ(Ask(fmt::format("out{} {:#x} {:#x}", size, port, value)), "OK");
  }
  uint64_t Config(unsigned slot, unsigned function, unsigned offset) {
    Out('l', 0xcf8, 0x80000000 | slot << 11 | function << 8 | offset);
    return In('l', 0xcfc);
  }
  void SetConfig(unsigned slot, unsigned function, unsigned offset, uint32_t value) {
    Out('l', 0xcf8, 0x80000000 | slot << 11 | function << 8 | offset);
    Out('l', 0xcfc, value);
  }
  void EnablePm() {
    SetConfig(31, 0, 0x40, 0x601);
    SetConfig(31, 0, 0x44, 0x80);
  }
  // Bytes of a fw_cfg item.
  std::string Item(unsigned key, size_t size) {
    Out('w', 0x510, key);
    std::string data;
    for (size_t i = 0; i < size; ++i) data += static_cast<char>(In('b', 0x511));
    return data;
  }
  // The key of a fw_cfg file; nullopt: no such file.
  std::optional<unsigned> File(const std::string& name) {
    const std::string head = Item(0x19, 4);
    const std::string all = Item(0x19, 4 + 64 * static_cast<uint8_t>(head[3]));
    for (size_t at = 4; at < all.size(); at += 64) {
      if (all.substr(at + 8, name.size() + 1) != name + '\0') continue;
      return static_cast<uint8_t>(all[at + 4]) << 8 | static_cast<uint8_t>(all[at + 5]);
    }
    return std::nullopt;
  }

  io::FakeEventLoop loop_;
  backend::ChardevRegistry chardevs_{loop_};
  backend::FakeChardev* chardev_ = nullptr;
  RecordingSink sink_;
  MachineConfig config_;
  std::optional<int> exit_;
  std::unique_ptr<control::VmControl> vm_;
};

TEST_F(Q35Qtest, ConfigurationSpaceAtResetIsQemus) {
  Create();
  EXPECT_EQ(Config(0, 0, 0x00), 0x29c08086U);
  EXPECT_EQ(Config(0, 0, 0x04), 0U);
  EXPECT_EQ(Config(0, 0, 0x60), 0xb0000000U) << "PCIEXBAR, off";
  EXPECT_EQ(Config(0, 0, 0x9c), 0x00380200U);
  EXPECT_EQ(Config(31, 0, 0x00), 0x29188086U);
  EXPECT_EQ(Config(31, 0, 0x0c), 0x00800000U);
  EXPECT_EQ(Config(31, 0, 0x40), 1U);
  EXPECT_EQ(Config(31, 0, 0x44), 0U);
  EXPECT_EQ(Config(31, 0, 0x60), 0x80808080U);
  EXPECT_EQ(Config(2, 0, 0x00), 0xffffffffU);
  EXPECT_EQ(Config(31, 1, 0x00), 0xffffffffU);
}

TEST_F(Q35Qtest, PortsAtResetAreQemus) {
  Create();
  for (unsigned port : {0x92, 0xb2, 0xb3, 0xcf9, 0x4d0, 0x4d1})
    EXPECT_EQ(In('b', port), 0U) << port;
  EXPECT_EQ(In('l', 0x514), 0x554d4551U) << "QEMU";
  EXPECT_EQ(In('l', 0x518), 0x47464320U) << " CFG";
  EXPECT_EQ(In('w', 0x600), 0xffffU) << "the PM block is off";
  EnablePm();
  EXPECT_EQ(In('w', 0x602), 0U);
  EXPECT_EQ(In('w', 0x604), 1U);
  EXPECT_EQ(In('l', 0x630), 0x20U);
}

TEST_F(Q35Qtest, EcamIsThereWhenPciexbarIsEnabled) {
  Create();
  EXPECT_EQ(Ask("readl 0xb0000000"), "OK 0x00000000ffffffff");
  SetConfig(0, 0, 0x60, 0xb0000001);
  EXPECT_EQ(Ask("readl 0xb0000000"), "OK 0x0000000029c08086");
  EXPECT_EQ(Ask("readl 0xb00f8000"), "OK 0x0000000029188086");
}

TEST_F(Q35Qtest, PmTimerFollowsTheVirtualClock) {
  Create();
  EnablePm();
  const uint64_t before = In('l', 0x608);
  EXPECT_EQ(Ask("clock_step 1000000000").substr(0, 2), "OK");
  EXPECT_EQ(In('l', 0x608) - before, 3579545U);
}

TEST_F(Q35Qtest, PowerButtonRaisesTheSciWhenEnabled) {
  Create();
  EnablePm();
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "OK");
  ASSERT_TRUE(vm_->SystemPowerdown());
  loop_.RunPosted();
  EXPECT_EQ(std::exchange(chardev_->written, {}), "");
  Out('w', 0x602, 0x100);
  ASSERT_TRUE(vm_->SystemPowerdown());
  loop_.RunPosted();
  EXPECT_EQ(std::exchange(chardev_->written, {}), "IRQ raise 9\n");
  EXPECT_EQ(In('w', 0x600) & 0x100, 0x100U);
  EXPECT_EQ(Ask("outw 0x600 0x100"), "IRQ lower 9\nOK");
}

TEST_F(Q35Qtest, ResetPortAndSleepControlReachTheMachine) {
  Create();
  EnablePm();
  Out('b', 0xcf9, 0x06);
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(), Events{"RESET guest-reset"});
  EXPECT_EQ(In('w', 0x604), 0xffffU) << "the reset has turned the PM block off";
  EnablePm();
  Out('w', 0x604, 0x2001);
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(), Events{"SHUTDOWN guest-shutdown"});
  EXPECT_EQ(exit_, 0);
}

TEST_F(Q35Qtest, FwCfgTellsSizesAndCounts) {
  config_.smp.cpus = 3;
  config_.smp.maxcpus = 4;
  config_.uuid = "550e8400-e29b-41d4-a716-446655440000";
  Create();
  EXPECT_EQ(Item(0x00, 4), "QEMU");
  EXPECT_EQ(Item(0x01, 4), std::string("\3\0\0\0", 4));
  EXPECT_EQ(Item(0x02, 4), std::string("\x55\x0e\x84\0", 4));
  EXPECT_EQ(Item(0x03, 8), std::string("\0\0\0\1\0\0\0\0", 8));
  EXPECT_EQ(Item(0x05, 2), std::string("\3\0", 2));
  EXPECT_EQ(Item(0x0f, 2), std::string("\4\0", 2));
}

TEST_F(Q35Qtest, FwCfgHasTheTablesAndTheirScript) {
  Create();
  for (const char* name : {"bootorder", "etc/acpi/rsdp", "etc/acpi/tables", "etc/e820",
                           "etc/system-states", "etc/table-loader"}) {
    EXPECT_TRUE(File(name)) << name;
  }
  EXPECT_EQ(Item(*File("etc/acpi/rsdp"), 8), "RSD PTR ");
  EXPECT_EQ(Item(*File("etc/acpi/tables"), 4), "FACS");
  EXPECT_EQ(Item(*File("etc/table-loader"), 17), std::string("\1\0\0\0etc/acpi/rsdp", 17));
}

TEST_F(Q35Qtest, FwCfgHasTheSmbiosTables) {
  config_.smbios.where = "-smbios type=1,serial=serial-of-ours";
  config_.smbios.values[1]["serial"] = "serial-of-ours";
  Create();
  EXPECT_EQ(Item(*File("etc/smbios/smbios-anchor"), 5), "_SM3_");
  const std::string tables = Item(*File("etc/smbios/smbios-tables"), 256);
  for (const char* text : {"davit", "pc-q35-7.2", "serial-of-ours"}) {
    EXPECT_NE(tables.find(std::string(1, '\0') + text + '\0'), std::string::npos) << text;
  }
}

// As systemd's credentials are given.
TEST_F(Q35Qtest, OemStringsAreReadFromFilesInTheirOrder) {
  const std::string path = testing::TempDir() + "/oem-string";
  const auto write = [&path](const std::string& text) { std::ofstream(path) << text; };
  config_.smbios.where = "-smbios type=11,...";
  config_.smbios.oem_strings = {{"first", false}, {path, true}, {"last", false}};
  write("io.systemd.credential:name=" + std::string(2000, 'v'));
  Create();
  const std::string tables = Item(*File("etc/smbios/smbios-tables"), 4096);
  EXPECT_NE(tables.find("first" + std::string(1, '\0') + "io.systemd.credential:name=vvv"),
            std::string::npos);
  EXPECT_NE(tables.find("vvv" + std::string(1, '\0') + "last" + std::string(2, '\0')),
            std::string::npos);
  vm_.reset();

  const auto error = [this] {
    auto vm = Vm::Create(config_, Deps{loop_, sink_, &chardevs_, {}, nullptr});
    return vm ? std::string("accepted") : vm.error().message;
  };
  write(std::string("a\0b", 3));
  EXPECT_EQ(error(), "-smbios type=11,...: NUL in OEM strings value in " + path);
  write("");
  EXPECT_EQ(error(), "-smbios type=11,...: '" + path + "' is empty");
  config_.smbios.oem_strings = {{"/nonexistent", true}};
  EXPECT_EQ(error(),
            "-smbios type=11,...: Could not open '/nonexistent': No such file or directory");
}

TEST_F(Q35Qtest, AMachineWithoutSmbiosTablesRefusesTheirFields) {
  config_.type = "microvm";
  config_.smbios.where = "-smbios type=1,serial=s";
  auto vm = Vm::Create(config_, Deps{loop_, sink_, &chardevs_, {}, nullptr});
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().message, "-smbios type=1,serial=s: machine 'microvm' has no SMBIOS tables");
}

TEST_F(Q35Qtest, FwCfgMemoryMapSplitsLargeRam) {
  config_.memory.size = uint64_t{6} << 30;
  Create();
  const std::string map = Item(*File("etc/e820"), 40);
  EXPECT_EQ(map.substr(0, 20), std::string("\0\0\0\0\0\0\0\0\0\0\0\x80\0\0\0\0\1\0\0\0", 20));
  EXPECT_EQ(map.substr(20), std::string("\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0", 20));
}

TEST_F(Q35Qtest, FilesOfTheOperatorAreReadByDma) {
  config_.fw_cfg = {{"", "opt/greeting", "", "hello"}};
  Create();
  const unsigned key = *File("opt/greeting");
  EXPECT_EQ(Ask(fmt::format("write 0x1000 16 0x{:04x}000a000000050000000000002000", key)), "OK");
  Out('l', 0x514, 0);
  Out('l', 0x518, 0x00100000);  // big-endian 0x1000
  EXPECT_EQ(Ask("read 0x1000 4"), "OK 0x00000000");
  EXPECT_EQ(Ask("read 0x2000 6"), "OK 0x68656c6c6f00");
}

TEST_F(Q35Qtest, TwoFilesOfOneNameAreRefused) {
  config_.fw_cfg = {{"", "opt/a", "", "1"}, {"-fw_cfg opt/a,string=2", "opt/a", "", "2"}};
  auto vm = Vm::Create(config_, Deps{loop_, sink_, &chardevs_, {}, nullptr});
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().message, "-fw_cfg opt/a,string=2: duplicate fw_cfg file name: opt/a");
}

TEST_F(Q35Qtest, MissingFileIsNamed) {
  config_.fw_cfg = {{"-fw_cfg opt/a,file=/nonexist", "opt/a", "/nonexist", ""}};
  auto vm = Vm::Create(config_, Deps{loop_, sink_, &chardevs_, {}, nullptr});
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().message,
            "-fw_cfg opt/a,file=/nonexist: can't load /nonexist: No such file or directory");
}

TEST_F(Q35Qtest, BrokenDeviceTreeIsRefused) {
  const std::string path = testing::TempDir() + "/broken.dtb";
  std::ofstream(path) << "no tree at all, but some bytes";
  const std::string kernel(4096, 'x');
  config_.kernel = std::as_bytes(std::span(kernel));
  config_.dtb = path;
  auto vm = Vm::Create(config_, Deps{loop_, sink_, &chardevs_, {}, nullptr});
  ASSERT_FALSE(vm);
  EXPECT_TRUE(vm.error().message.starts_with("Device tree file loaded into memory is invalid: "))
      << vm.error().message;
}

TEST_F(Q35Qtest, OptionsThatAreNotThereAreRefusedByName) {
  const auto error = [this](const char* name, const char* value) {
    MachineConfig config = config_;
    config.machine_properties = {{name, value}};
    auto vm = Vm::Create(config, Deps{loop_, sink_, &chardevs_, {}, nullptr});
    return vm ? "no error" : vm.error().message;
  };
  for (const char* name : {"hpet", "sata", "smbus", "vmport", "smm", "usb", "graphics"}) {
    EXPECT_EQ(error(name, "on"),
              fmt::format("Property 'pc-q35-7.2-machine.{}' cannot be 'on': not supported", name));
    EXPECT_EQ(error(name, "off"), "no error");
  }
  EXPECT_EQ(error("max-ram-below-4g", "1G"),
            "Property 'pc-q35-7.2-machine.max-ram-below-4g' is not supported");
  EXPECT_EQ(error("isa-serial", "on"), "Property 'pc-q35-7.2-machine.isa-serial' not found");
}

}  // namespace
}  // namespace davit::machine
