// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the parser refuses, and in which words: QEMU 7.2's for the same command line, with the
// option before them.
#include <gtest/gtest.h>

#include "daemon/options/test_support.h"

namespace davit::daemon {
namespace {

struct Case {
  std::vector<const char*> words;
  const char* message;
};

TEST(OptionErrorsTest, UnknownOptionsAreNamedAsTyped) {
  EXPECT_EQ(ErrorOf({"-foo"}), "-foo: unknown option");
  EXPECT_EQ(ErrorOf({"--foo"}), "--foo: unknown option");
  EXPECT_EQ(ErrorOf({"-S", "-hda", "x"}), "-hda: unknown option");
  EXPECT_EQ(ErrorOf({"-"}), "-: unknown option");
}

TEST(OptionErrorsTest, EachOptionWithAnArgumentNeedsIt) {
  for (const char* option : {"-m", "-smp", "-machine", "-cpu", "-accel", "-kernel", "-qmp", "-D",
                             "-d", "-action", "-pidfile", "-object", "-readconfig", "-name"}) {
    EXPECT_EQ(ErrorOf({option}), std::string(option) + ": requires an argument");
  }
}

TEST(OptionErrorsTest, AnEmptyNameIsNoFile) {
  for (const char* option : {"-pidfile", "-D", "-dtb"}) {
    EXPECT_EQ(ErrorOf({option, ""}), std::string(option) + " : the file name is empty");
  }
  EXPECT_EQ(ErrorOf({"-cpu", ""}), "-cpu : option cannot be empty");
}

TEST(OptionErrorsTest, DiskImagesAreRefused) {
  EXPECT_EQ(ErrorOf({"disk.img"}),
            "disk.img: disk images are not supported, options begin with '-'");
}

TEST(OptionErrorsTest, MachineParts) {
  const Case cases[] = {
      {{"-m", "foo=1"}, "-m foo=1: Invalid parameter 'foo'"},
      {{"-m", "128,slots=x"}, "-m 128,slots=x: Parameter 'slots' expects a number"},
      {{"-m", "17179869184G"},
       "-m 17179869184G: Value '17179869184G' is out of range for parameter 'size'"},
      {{"-m", "1x"},
       "-m 1x: Parameter 'size' expects a non-negative number below 2^64\n"
       "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
       "and exabytes, respectively."},
      {{"-smp", "x"}, "-smp x: Parameter 'smp.cpus' expects integer"},
      {{"-smp", "2,foo=3"}, "-smp 2,foo=3: Parameter 'smp.foo' is unexpected"},
      {{"-smp", "2,cpus"}, "-smp 2,cpus: Expected '=' after parameter 'cpus'"},
      {{"-machine", "microvm,pit"}, "-machine microvm,pit: Expected '=' after parameter 'pit'"},
      {{"-machine", "type="},
       "-machine type=: unsupported machine type\n"
       "Use -machine help to list supported machines"},
      {{"-machine", "accel=kvm", "-accel", "kvm"},
       "The -accel and \"-machine accel=\" options are incompatible"},
      {{"-uuid", "x"}, "-uuid x: failed to parse UUID string: wrong format"},
      {{"-boot", "order=q"}, "-boot order=q: Invalid boot device 'q'"},
      {{"-boot", "cc"}, "-boot cc: Boot device 'c' was given twice"},
      {{"-boot", "menu=x"}, "-boot menu=x: Parameter 'boot.menu' expects 'on' or 'off'"},
      {{"-fw_cfg", "opt/a"},
       "-fw_cfg opt/a: name, plus exactly one of file and string, are needed"},
      {{"-fw_cfg", "opt/a,string=x,file=y"},
       "-fw_cfg opt/a,string=x,file=y: name, plus exactly one of file and string, are needed"},
      {{"-fw_cfg", "string=x"},
       "-fw_cfg string=x: name, plus exactly one of file and string, are needed"},
      {{"-fw_cfg", "opt/a,gen_id=x"}, "-fw_cfg opt/a,gen_id=x: Invalid parameter 'gen_id'"},
      {{"-rtc", "foo=bar"}, "-rtc foo=bar: Invalid parameter 'foo'"},
      {{"-rtc", "clock=x"}, "-rtc clock=x: invalid option value 'x'"},
      {{"-rtc", "base=x"},
       "-rtc base=x: invalid datetime format\n"
       "valid formats: '2006-06-17T16:01:21' or '2006-06-17'"},
      {{"-rtc", "base=2023-02-30"},
       "-rtc base=2023-02-30: invalid datetime format\n"
       "valid formats: '2006-06-17T16:01:21' or '2006-06-17'"},
      {{"-rtc", "base=2023-02-29"},
       "-rtc base=2023-02-29: invalid datetime format\n"
       "valid formats: '2006-06-17T16:01:21' or '2006-06-17'"},
      {{"-rtc", "base=2023-04-31T10:00:00"},
       "-rtc base=2023-04-31T10:00:00: invalid datetime format\n"
       "valid formats: '2006-06-17T16:01:21' or '2006-06-17'"},
      {{"-rtc", "driftfix=some"}, "-rtc driftfix=some: invalid option value 'some'"},
      {{"-boot", "reboot-timeout=-2"},
       "-boot reboot-timeout=-2: reboot timeout is invalid,it should be a value between -1 and "
       "65535"},
      {{"-boot", "reboot-timeout=--1"},
       "-boot reboot-timeout=--1: Parameter 'boot.reboot-timeout' expects integer"},
      {{"-smbios", "type=4,max-speed=-1"},
       "-smbios type=4,max-speed=-1: SMBIOS CPU speed is too large (> 65535)"},
      {{"-boot", "reboot-timeout=70000"},
       "-boot reboot-timeout=70000: reboot timeout is invalid,it should be a value between -1 and "
       "65535"},
      {{"-bios", "x"}, "-bios x: firmware is not supported, the machine boots what -kernel names"},
      {{"-overcommit", "foo=on"}, "-overcommit foo=on: Invalid parameter 'foo'"},
      {{"-overcommit", "cpu-pm=x"},
       "-overcommit cpu-pm=x: Parameter 'cpu-pm' expects 'on' or 'off'"},
      {{"-initrd", "x"}, "-initrd only allowed with -kernel option"},
      {{"-append", "x"}, "-append only allowed with -kernel option"},
      {{"-device", "foo,id=x"}, "-device foo,id=x: 'foo' is not a valid device model name"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

TEST(OptionErrorsTest, ProcessParts) {
  const Case cases[] = {
      {{"-name", "a,foo=b"}, "-name a,foo=b: Invalid parameter 'foo'"},
      {{"-name", "debug-threads=x"},
       "-name debug-threads=x: Parameter 'debug-threads' expects 'on' or 'off'"},
      {{"-action", "foo=bar"}, "-action foo=bar: Invalid parameter 'foo'"},
      {{"-action", "reboot=reset,panic=x"},
       "-action reboot=reset,panic=x: Parameter 'panic' does not accept value 'x'"},
      {{"-watchdog-action", "foo"},
       "-watchdog-action foo: Parameter 'watchdog' does not accept value 'foo'"},
      {{"-display", "foo"}, "-display foo: Parameter 'type' does not accept value 'foo'"},
      {{"-display", "sdl"}, "-display sdl: Display 'sdl' is not available."},
      {{"-display", "none,x=y"}, "-display none,x=y: Parameter 'x' is unexpected"},
      {{"-msg", "foo=bar"}, "-msg foo=bar: Invalid parameter 'foo'"},
      {{"-msg", "timestamp=x"}, "-msg timestamp=x: Parameter 'timestamp' expects 'on' or 'off'"},
      {{"-d", "guest_errors,foo"},
       "-d guest_errors,foo: unknown log item 'foo' (-d help lists them)"},
      {{"-monitor", "stdio"},
       "-monitor stdio: no human monitor is available, only 'none' (QMP has "
       "human-monitor-command)"},
      {{"-nographic", "-daemonize"}, "-nographic cannot be used with -daemonize"},
      {{"-nographic", "-daemonize", "-serial", "null"},
       "-nographic cannot be used with -daemonize"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

TEST(OptionErrorsTest, Smbios) {
  const Case cases[] = {
      {{"-smbios", "foo=1"}, "-smbios foo=1: Must specify type= or file="},
      {{"-smbios", "file=x"},
       "-smbios file=x: file= is not supported, only the fields of structures"},
      {{"-smbios", "type=99"},
       "-smbios type=99: Don't know how to build fields for SMBIOS type 99"},
      {{"-smbios", "type=x"}, "-smbios type=x: Parameter 'type' expects a number"},
      {{"-smbios", "type=1,foo=bar"}, "-smbios type=1,foo=bar: Invalid parameter 'foo'"},
      {{"-smbios", "type=1,value=a"}, "-smbios type=1,value=a: Invalid parameter 'value'"},
      {{"-smbios", "type=1,uuid=z"}, "-smbios type=1,uuid=z: Invalid UUID"},
      {{"-smbios", "type=0,release=x"}, "-smbios type=0,release=x: Invalid release"},
      {{"-smbios", "type=0,release=1.256"}, "-smbios type=0,release=1.256: Invalid release"},
      {{"-smbios", "type=4,max-speed=70000"},
       "-smbios type=4,max-speed=70000: SMBIOS CPU speed is too large (> 65535)"},
      {{"-smbios", "type=4,processor-id=x"},
       "-smbios type=4,processor-id=x: Parameter 'processor-id' expects a number"},
      {{"-smbios", "type=11,path="}, "-smbios type=11,path=: path= is empty"},
      {{"-smbios", "type=8,port_type=256"},
       "-smbios type=8,port_type=256: Value '256' is out of range for parameter 'port_type'"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

TEST(OptionErrorsTest, InheritedDescriptors) {
  const Case cases[] = {
      {{"-add-fd", "fd=-1,set=1"},
       "-add-fd fd=-1,set=1: fd option is required and must be non-negative"},
      {{"-add-fd", "fd=7,set=-1"},
       "-add-fd fd=7,set=-1: set option is required and must be non-negative"},
      {{"-add-fd", "fd=7"}, "-add-fd fd=7: set option is required and must be non-negative"},
      {{"-add-fd", "fd=2,set=0"}, "-add-fd fd=2,set=0: fd cannot be a standard I/O stream"},
      {{"-chardev", "null,id=a,logappend=on"},
       "-chardev null,id=a,logappend=on: chardev: a: no logfile given"},
      {{"-chardev", "socket,id=a,path=/x,server=on,wait=off,logfile=/y", "-mon",
        "chardev=a,mode=control"},
       "-mon chardev=a,mode=control: 'logfile' option is not available under a monitor"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

TEST(OptionErrorsTest, AudioBackEnds) {
  const Case cases[] = {
      {{"-audiodev", "none"}, "-audiodev none: Parameter 'id' is missing"},
      {{"-audiodev", "id=x"}, "-audiodev id=x: Parameter 'driver' is missing"},
      {{"-audiodev", "bad,id=x"},
       "-audiodev bad,id=x: Parameter 'driver' does not accept value 'bad'"},
      {{"-audiodev", R"({"driver":"none","id":"x","foo":1})"},
       R"(-audiodev {"driver":"none","id":"x","foo":1}: Parameter 'foo' is unexpected)"},
      {{"-audiodev", "none,id=x,out.frequency=44100"},
       "-audiodev none,id=x,out.frequency=44100: Parameter 'out.frequency' is unexpected"},
      {{"-audiodev", R"({"driver":"alsa","id":"x"})"},
       R"(-audiodev {"driver":"alsa","id":"x"}: )"
       "audio driver 'alsa' is not available, only 'none'"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

TEST(OptionErrorsTest, Objects) {
  const Case cases[] = {
      {{"-object", "foo,id=x"},
       "-object foo,id=x: Parameter 'qom-type' does not accept value 'foo'"},
      {{"-object", "memory-backend-ram,size=1M"},
       "-object memory-backend-ram,size=1M: Parameter 'id' is missing"},
      {{"-object", "memory-backend-ram,id=x"},
       "-object memory-backend-ram,id=x: Parameter 'size' is missing"},
      {{"-object", "memory-backend-file,id=x,size=1M"},
       "-object memory-backend-file,id=x,size=1M: Parameter 'mem-path' is missing"},
      {{"-object", "memory-backend-ram,id=x,size=q"},
       "-object memory-backend-ram,id=x,size=q: Parameter 'size' expects a size value"},
      {{"-object", "memory-backend-ram,id=x,size=1,foo=1"},
       "-object memory-backend-ram,id=x,size=1,foo=1: Invalid parameter 'foo'"},
      {{"-object", "memory-backend-ram,id=x,size=1M,share=maybe"},
       "-object memory-backend-ram,id=x,size=1M,share=maybe: Parameter 'share' expects 'on' or "
       "'off'"},
      {{"-object", "memory-backend-ram,id=x,size=1M,policy=foo"},
       "-object memory-backend-ram,id=x,size=1M,policy=foo: Parameter 'policy' does not accept "
       "value 'foo'"},
      {{"-object", "memory-backend-ram,id=9x,size=1M"},
       "-object memory-backend-ram,id=9x,size=1M: Parameter 'id' expects an identifier\n"
       "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter."},
      {{"-object", "memory-backend-ram,id=x,size=1M", "-object", "iothread,id=x"},
       "-object iothread,id=x: Duplicate ID 'x' for object"},
      {{"-object", R"({"id":"x"})"}, R"(-object {"id":"x"}: Parameter 'qom-type' is missing)"},
      {{"-object", R"({"qom-type":"memory-backend-ram","id":"x","size":"1M"})"},
       R"(-object {"qom-type":"memory-backend-ram","id":"x","size":"1M"}: )"
       "Parameter 'size' expects uint64"},
      {{"-object", R"({"qom-type":"memory-backend-ram","id":"x","size":1,"share":"on"})"},
       R"(-object {"qom-type":"memory-backend-ram","id":"x","size":1,"share":"on"}: )"
       "Invalid parameter type for 'share', expected: boolean"},
      {{"-object", R"({"qom-type":"memory-backend-ram","id":"x","size":1,"foo":1})"},
       R"(-object {"qom-type":"memory-backend-ram","id":"x","size":1,"foo":1}: )"
       "Parameter 'foo' is unexpected"},
      {{"-object", R"({"qom-type":"memory-backend-ram","id":1,"size":1})"},
       R"(-object {"qom-type":"memory-backend-ram","id":1,"size":1}: )"
       "Invalid parameter type for 'id', expected: string"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

}  // namespace
}  // namespace davit::daemon
