// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What each option means: machine, process, objects, config files.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "daemon/options/table.h"
#include "daemon/options/test_support.h"

namespace davit::daemon {
namespace {

machine::MachineConfig Machine(std::vector<const char*> words) {
  auto result = Parse(std::move(words));
  EXPECT_TRUE(result) << result.error().message;
  return result ? result->machine : machine::MachineConfig{};
}

template <typename T>
T Property(const control::ObjectSpec& spec, std::string_view name) {
  for (const auto& [key, value] : spec.properties) {
    if (key == name) return std::get<T>(value.value);
  }
  ADD_FAILURE() << "no property " << name;
  return {};
}

TEST(OptionsTest, OneOrTwoDashesAreTheSame) {
  EXPECT_TRUE(Machine({"--preconfig"}).preconfig);
  EXPECT_TRUE(Machine({"-preconfig"}).preconfig);
  EXPECT_TRUE(Machine({"--S"}).start_paused);
}

TEST(OptionsTest, MachineSplitsTypeAccelAndProperties) {
  const auto machine = Machine({"-machine", "microvm,accel=kvm:tcg,pit=off,kernel_irqchip=split"});
  EXPECT_EQ(machine.type, "microvm");
  ASSERT_EQ(machine.accels.size(), 2u);
  EXPECT_EQ(machine.accels[0].name, "kvm");
  EXPECT_EQ(machine.accels[1].name, "tcg");
  EXPECT_EQ(machine.machine_properties,
            (machine::PropertyTexts{{"pit", "off"}, {"kernel-irqchip", "split"}}));
}

TEST(OptionsTest, MachineMergesOverSeveralUses) {
  const auto machine = Machine({"-M", "none", "-machine", "pit=off", "-M", "microvm,rtc=on"});
  EXPECT_EQ(machine.type, "microvm");
  EXPECT_EQ(machine.machine_properties, (machine::PropertyTexts{{"pit", "off"}, {"rtc", "on"}}));
}

TEST(OptionsTest, MachineTakesJson) {
  const auto machine = Machine({"-machine", R"({"type":"microvm","pit":false})"});
  EXPECT_EQ(machine.type, "microvm");
  EXPECT_EQ(machine.machine_properties, (machine::PropertyTexts{{"pit", "off"}}));
}

TEST(OptionsTest, AccelsAddUp) {
  const auto machine = Machine({"-accel", "kvm,kernel-irqchip=split", "-accel", "qtest"});
  ASSERT_EQ(machine.accels.size(), 2u);
  EXPECT_EQ(machine.accels[0].properties, (machine::PropertyTexts{{"kernel-irqchip", "split"}}));
  EXPECT_EQ(machine.accels[1].name, "qtest");
}

TEST(OptionsTest, CpuIsKeptWhole) {
  EXPECT_EQ(Machine({"-cpu", "host,+x2apic"}).cpu, "host,+x2apic");
}

TEST(OptionsTest, SmpKeepsWhatWasGiven) {
  const auto smp = Machine({"-smp", "4,sockets=2,maxcpus=8"}).smp;
  EXPECT_EQ(smp.cpus, 4u);
  EXPECT_EQ(smp.sockets, 2u);
  EXPECT_EQ(smp.maxcpus, 8u);
  EXPECT_FALSE(smp.cores);
}

TEST(OptionsTest, MachineHasTheKeysOfItsParts) {
  const auto machine =
      Machine({"-smp", "4,cores=2", "-machine",
               "q35,smp.cpus=2,smp.maxcpus=8,boot.order=c,memory.size=64M,memory.slots=2,"
               "memory.max-size=1G,sata=off"});
  EXPECT_EQ(machine.smp.cpus, 2u);
  EXPECT_EQ(machine.smp.cores, 2u);
  EXPECT_EQ(machine.smp.maxcpus, 8u);
  EXPECT_EQ(machine.memory.size, uint64_t{64} << 20);
  EXPECT_EQ(machine.memory.slots, 2u);
  EXPECT_EQ(machine.memory.maxmem, uint64_t{1} << 30);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(Pairs(machine.boot.begin(), machine.boot.end()), (Pairs{{"order", "c"}}));
  EXPECT_EQ(Pairs(machine.machine_properties.begin(), machine.machine_properties.end()),
            (Pairs{{"sata", "off"}}));
  EXPECT_EQ(Machine({"-machine", "q35,smp.cpus=2", "-smp", "3"}).smp.cpus, 3u);
  // -m goes before it, wherever it stands.
  for (const auto& memory : {Machine({"-m", "1G", "-machine", "q35,memory.size=64M"}).memory,
                             Machine({"-machine", "q35,memory.size=64M", "-m", "1G"}).memory}) {
    EXPECT_EQ(memory.size, uint64_t{1} << 30);
  }
  const std::pair<const char*, const char*> cases[] = {
      {"q35,smp.foo=3", "Parameter 'smp.foo' is unexpected"},
      {"q35,smp.cpus=x", "Parameter 'smp.cpus' expects integer"},
      {"q35,smp=2", "Invalid parameter type for 'smp', expected: object"},
      {"q35,memory.size=x", "Parameter 'memory.size' expects size"},
      {"q35,memory.maxmem=1G", "Parameter 'memory.maxmem' is unexpected"},
      {"q35,boot.foo=1", "Parameter 'boot.foo' is unexpected"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(ErrorOf({"-machine", text}), std::string("-machine ") + text + ": " + message);
  }
}

TEST(OptionsTest, MemoryIsInMebibytesWithoutSuffix) {
  EXPECT_EQ(Machine({"-m", "512"}).memory.size, 512 * kMiB);
  EXPECT_EQ(Machine({"-m", "size=2G"}).memory.size, 2 * kGiB);
  EXPECT_FALSE(Machine({"-m", "0"}).memory.size);
  const auto memory = Machine({"-m", "1G,slots=2,maxmem=4G"}).memory;
  EXPECT_EQ(memory.slots, 2u);
  EXPECT_EQ(memory.maxmem, 4 * kGiB);
}

TEST(OptionsTest, KernelAndItsFiles) {
  const auto machine =
      Machine({"-kernel", "/k", "-initrd", "/i", "-append", "a=b c", "-dtb", "/d"});
  EXPECT_EQ(std::get<std::string>(machine.kernel), "/k");
  EXPECT_EQ(std::get<std::string>(machine.initrd), "/i");
  EXPECT_EQ(machine.append, "a=b c");
  EXPECT_EQ(machine.dtb, "/d");
}

TEST(OptionsTest, NameParts) {
  const auto options = Parse({"-name", "guest=a,,b,debug-threads=off,process=p"}).value();
  EXPECT_EQ(options.machine.name, "a,b");
  EXPECT_EQ(options.process_name, "p");
  EXPECT_FALSE(options.machine.debug_threads);
}

TEST(OptionsTest, UuidIsLowerCase) {
  EXPECT_EQ(Machine({"-uuid", "550E8400-e29b-41d4-a716-446655440000"}).uuid,
            "550e8400-e29b-41d4-a716-446655440000");
}

TEST(OptionsTest, ActionsAndTheirOldSpellings) {
  const auto old = Machine({"-no-reboot", "-no-shutdown"}).actions;
  EXPECT_EQ(old.reboot, control::RebootAction::kShutdown);
  EXPECT_EQ(old.shutdown, control::ShutdownAction::kPause);
  const auto all =
      Machine({"-action", "reboot=shutdown,shutdown=pause,panic=exit-failure,watchdog=inject-nmi"})
          .actions;
  EXPECT_EQ(all.reboot, control::RebootAction::kShutdown);
  EXPECT_EQ(all.panic, control::PanicAction::kExitFailure);
  EXPECT_EQ(all.watchdog, control::WatchdogAction::kInjectNmi);
  EXPECT_EQ(Machine({"-action", "watchdog=none", "-watchdog-action", "pause"}).actions.watchdog,
            control::WatchdogAction::kPause);
}

TEST(OptionsTest, RtcDateIsSecondsSince1970) {
  const auto files =
      Machine({"-fw_cfg", "opt/a,string=x,,y", "-fw_cfg", "name=opt/b,file=/f"}).fw_cfg;
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].name, "opt/a");
  EXPECT_EQ(files[0].text, "x,y");
  EXPECT_EQ(files[1].file, "/f");
  EXPECT_EQ(files[1].where, "-fw_cfg name=opt/b,file=/f");
  const auto rtc = Machine({"-rtc", "base=2006-06-17T16:01:21,clock=vm"}).rtc;
  EXPECT_EQ(rtc.base, machine::RtcConfig::Base::kDate);
  EXPECT_EQ(rtc.date, 1150560081);
  EXPECT_EQ(rtc.clock, machine::RtcConfig::ClockSource::kVm);
  EXPECT_EQ(Machine({"-rtc", "base=2024-02-29"}).rtc.date, 1709164800);
  EXPECT_EQ(Machine({"-rtc", "base=localtime"}).rtc.base, machine::RtcConfig::Base::kLocaltime);
}

TEST(OptionsTest, BootAndOvercommit) {
  const auto machine =
      Machine({"-boot", "order=c,strict=on,reboot-timeout=-1", "-overcommit", "mem-lock=on"});
  EXPECT_EQ(machine.boot,
            (machine::PropertyTexts{{"order", "c"}, {"strict", "on"}, {"reboot-timeout", "-1"}}));
  EXPECT_TRUE(machine.overcommit.mem_lock);
}

TEST(OptionsTest, ProcessOptions) {
  const auto options =
      Parse({"-pidfile", "/p", "-D", "/log", "-d", "guest_errors,debug", "-msg", "timestamp=on",
             "-daemonize", "-no-user-config", "-display", "none", "-monitor", "none"})
          .value();
  EXPECT_EQ(options.pidfile, "/p");
  EXPECT_TRUE(options.daemonize);
  EXPECT_EQ(options.log.file, "/log");
  EXPECT_EQ(options.log.items, (std::vector<std::string>{"guest_errors", "debug"}));
  EXPECT_TRUE(options.log.timestamps);
}

TEST(OptionsTest, ObjectTextHasTheTypesOfItsProperties) {
  const auto objects = Machine({"-object",
                                "memory-backend-file,id=m,size=1G,mem-path=/a,,b,share=on,"
                                "host-nodes=0-1,host-nodes=3,prealloc-threads=2"})
                           .objects;
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0].qom_type, "memory-backend-file");
  EXPECT_EQ(objects[0].id, "m");
  EXPECT_EQ(objects[0].properties.size(), 5u);
  EXPECT_EQ(Property<uint64_t>(objects[0], "size"), kGiB);
  EXPECT_EQ(Property<std::string>(objects[0], "mem-path"), "/a,b");
  EXPECT_TRUE(Property<bool>(objects[0], "share"));
  EXPECT_EQ(Property<control::PropertyList>(objects[0], "host-nodes").size(), 3u);
  EXPECT_EQ(Property<uint64_t>(objects[0], "prealloc-threads"), 2u);
}

TEST(OptionsTest, ObjectJsonKeepsItsTypes) {
  const auto objects =
      Machine({"-object",
               R"({"qom-type":"memory-backend-ram","id":"m","size":4096,"host-nodes":[0,1]})"})
          .objects;
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(Property<uint64_t>(objects[0], "size"), 4096u);
  EXPECT_EQ(Property<control::PropertyList>(objects[0], "host-nodes").size(), 2u);
}

TEST(OptionsTest, HelpAndVersionEndTheParsing) {
  EXPECT_EQ(Parse({"-version", "-foo"}).value().show, Show::kVersion);
  EXPECT_EQ(Parse({"-h"}).value().show, Show::kHelp);
  EXPECT_EQ(Parse({"--help"}).value().show, Show::kHelp);
}

TEST(OptionsTest, ListsOfWhatExists) {
  EXPECT_EQ(Parse({"-machine", "help"}).value().show, Show::kMachines);
  EXPECT_EQ(Parse({"-machine", "microvm,help"}).value().show, Show::kMachineProperties);
  EXPECT_EQ(Parse({"-cpu", "help"}).value().show, Show::kCpus);
  EXPECT_EQ(Parse({"-accel", "help"}).value().show, Show::kAccels);
  EXPECT_EQ(Parse({"-device", "help"}).value().show, Show::kDevices);
  EXPECT_EQ(Parse({"-object", "help"}).value().show, Show::kObjects);
  EXPECT_EQ(Parse({"-chardev", "help"}).value().show, Show::kChardevs);
  EXPECT_EQ(Parse({"-d", "help"}).value().show, Show::kLogItems);
  for (const char* option : {"-smp", "-m", "-boot", "-rtc", "-overcommit", "-action", "-mon",
                             "-name", "-msg", "-display"}) {
    const Options options = Parse({option, "help"}).value();
    EXPECT_EQ(options.show, Show::kOptionKeys) << option;
    EXPECT_EQ(options.show_option, option + 1);
  }
}

TEST(OptionsTest, HelpIsNeverAnEmptyList) {
  for (const OptionRow& row : OptionTable()) {
    if (row.schema == nullptr || row.own_help) continue;
    const std::string option = "-" + std::string(row.name);
    const Result<Options> options = Parse({option.c_str(), "help"});
    if (row.schema->params.empty()) {
      ASSERT_FALSE(options) << option;
      EXPECT_EQ(options.error().message, option + " help: Help is not available for this option");
    } else {
      ASSERT_TRUE(options) << option << ": " << options.error().message;
      EXPECT_EQ(options->show, Show::kOptionKeys) << option;
    }
  }
}

TEST(OptionsTest, TheSilentAudioBackEndAsLibvirtWritesIt) {
  EXPECT_TRUE(Parse({"-audiodev", R"({"id":"audio1","driver":"none"})"}));
  EXPECT_TRUE(Parse({"-audiodev", "none,id=audio1"}));
  EXPECT_EQ(Parse({"-audiodev", "help"})->show, Show::kAudiodevs);
}

TEST(OptionsTest, SmbiosFieldsAreMergedAndTheLastWins) {
  const Options options =
      Parse({"-smbios", "type=1,serial=a,family=f", "-smbios",
             "type=1,serial=b,uuid=00112233-4455-6677-8899-AABBCCDDEEFF", "-smbios",
             "type=11,value=x,value=y,,z,path=/f", "-smbios",
             "type=8,internal_reference=i,external_reference=e,connector_type=1,port_type=2",
             "-smbios", "type=8,internal_reference=j", "-smbios", "type=4,max-speed=0x10"})
          .value();
  const machine::SmbiosFields& smbios = options.machine.smbios;
  EXPECT_EQ(smbios.where, "-smbios type=1,serial=a,family=f");
  EXPECT_EQ(smbios.values.at(1).at("serial"), "b");
  EXPECT_EQ(smbios.values.at(1).at("family"), "f");
  EXPECT_EQ(smbios.values.at(4).at("max-speed"), "16");
  EXPECT_EQ(smbios.oem_strings, (std::vector<machine::SmbiosFields::OemString>{
                                    {"x", false}, {"y,z", false}, {"/f", true}}));
  EXPECT_EQ(smbios.ports,
            (std::vector<machine::SmbiosFields::Port>{{"i", "e", 1, 2}, {"j", "", 0, 0}}));
  EXPECT_EQ(options.machine.uuid, "00112233-4455-6677-8899-aabbccddeeff");
}

TEST(OptionsTest, TheSandboxHasQemusGroups) {
  EXPECT_FALSE(Parse({"-sandbox", "off,spawn=deny"})->sandbox);
  const SandboxPolicy some = *Parse({"-sandbox", "on"})->sandbox;
  EXPECT_FALSE(some.obsolete);
  EXPECT_TRUE(some.spawn && some.resource_control);
  EXPECT_EQ(some.elevate_privileges, SandboxPolicy::Elevate::kAllow);
  const SandboxPolicy all =
      *Parse({"-sandbox",
              "on,obsolete=allow,elevateprivileges=children,spawn=deny,resourcecontrol=deny"})
           ->sandbox;
  EXPECT_TRUE(all.obsolete);
  EXPECT_FALSE(all.spawn || all.resource_control);
  EXPECT_EQ(all.elevate_privileges, SandboxPolicy::Elevate::kChildren);
  // Another lifts nothing.
  for (const char* later : {"off", "on", "on,elevateprivileges=children,obsolete=allow"}) {
    const SandboxPolicy both =
        *Parse({"-sandbox", "on,elevateprivileges=deny,spawn=deny", "-sandbox", later})->sandbox;
    EXPECT_FALSE(both.obsolete || both.spawn) << later;
    EXPECT_EQ(both.elevate_privileges, SandboxPolicy::Elevate::kDeny) << later;
  }
}

TEST(OptionsTest, LostTicksOfTheClock) {
  EXPECT_FALSE(Parse({"-rtc", "base=utc"})->machine.rtc.slew);
  EXPECT_TRUE(Parse({"-rtc", "base=utc,driftfix=slew"})->machine.rtc.slew);
  EXPECT_FALSE(Parse({"-rtc", "driftfix=none"})->machine.rtc.slew);
}

TEST(OptionsTest, DevicesOfTheBoardThatAreLeftOut) {
  const Options options = Parse({"-no-acpi", "-no-hpet"}).value();
  const machine::PropertyTexts expected = {{"acpi", "off"}, {"hpet", "off"}};
  EXPECT_EQ(options.machine.machine_properties, expected);
}

class ConfigFileTest : public testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_) << text; }
  void TearDown() override { std::remove(path_.c_str()); }
  std::string Error() {
    std::string message = ErrorOf({"-readconfig", path_.c_str()});
    const std::string prefix = "-readconfig " + path_ + ": " + path_;
    EXPECT_TRUE(message.starts_with(prefix)) << message;
    return message.size() > prefix.size() ? message.substr(prefix.size()) : message;
  }
  const std::string path_ =
      std::string(std::getenv("TEST_TMPDIR") ? std::getenv("TEST_TMPDIR") : "/tmp") + "/davit.cfg";
};

TEST_F(ConfigFileTest, GroupsAreTheOptionsOfTheSameName) {
  Write(
      "# a comment\n[machine]\n  type = \"microvm\"\n  pit = \"off\"\n\n[memory]\n"
      "  size = \"64M\"\n[chardev \"c\"]\n  backend = \"null\"\n[smp-opts]\n  cpus = \"2\"\n");
  const auto options = Parse({"-readconfig", path_.c_str()}).value();
  EXPECT_EQ(options.machine.type, "microvm");
  EXPECT_EQ(options.machine.memory.size, 64 * kMiB);
  EXPECT_EQ(options.machine.smp.cpus, 2u);
  EXPECT_EQ(options.chardevs[0].spec.id, "c");
}

TEST_F(ConfigFileTest, ErrorsNameFileAndLine) {
  Write("[chardevx \"c\"]\n");
  EXPECT_EQ(Error(), ":1: There is no option group 'chardevx'");
  Write("backend = \"null\"\n");
  EXPECT_EQ(Error(), ":1: no group defined");
  Write("[memory]\n  size = 64\n");
  EXPECT_EQ(Error(), ":2: parse error");
  Write("[chardev \"c\"]\n  backend = \"null\"\n  foo = \"x\"\n");
  EXPECT_EQ(Error(), ":3: Invalid parameter 'foo'");
}

TEST_F(ConfigFileTest, MissingFileIsNamed) {
  EXPECT_EQ(ErrorOf({"-readconfig", "/nonexistent"}),
            "-readconfig /nonexistent: Could not open '/nonexistent': No such file or directory");
  EXPECT_EQ(ErrorOf({"-readconfig", "/"}),
            "-readconfig /: Cannot read config file: Is a directory");
}

TEST(TableTest, EveryRowHasHelpAndOneParser) {
  for (const OptionRow& row : OptionTable()) {
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_NE(row.parse_text == nullptr, row.apply == nullptr) << row.name;
    EXPECT_EQ(row.apply == nullptr, row.schema == nullptr) << row.name;
    EXPECT_EQ(FindOption(row.name), &row);
  }
}

}  // namespace
}  // namespace davit::daemon
