// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Character devices on the command line: -chardev -serial -debugcon -mon -qmp -nographic
// -nodefaults.
#include <gtest/gtest.h>

#include "daemon/options/test_support.h"

namespace davit::daemon {
namespace {

using backend::InetAddress;
using backend::SocketSpec;
using backend::UnixAddress;

template <typename T>
const T& Spec(const Options& options, size_t index) {
  return std::get<T>(options.chardevs.at(index).spec.backend);
}

const SocketSpec& Socket(const Options& options, size_t index) {
  return Spec<SocketSpec>(options, index);
}

template <typename T>
bool Is(const Options& options, size_t index) {
  return std::holds_alternative<T>(options.chardevs.at(index).spec.backend);
}

Options Good(std::vector<const char*> words) {
  auto result = Parse(std::move(words));
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : Options{};
}

TEST(CharOptionsTest, SocketChardevs) {
  const auto options = Good({"-chardev", "socket,id=u,path=/s,,x,server=on,wait=off", "-chardev",
                             "socket,id=t,host=127.0.0.1,port=0,server=on", "-chardev",
                             "socket,id=f,fd=7,server=on,wait=off", "-nodefaults"});
  ASSERT_EQ(options.chardevs.size(), 3u);
  EXPECT_EQ(std::get<UnixAddress>(Socket(options, 0).address).path, "/s,x");
  EXPECT_TRUE(Socket(options, 0).server);
  EXPECT_FALSE(Socket(options, 0).wait);
  EXPECT_EQ(std::get<InetAddress>(Socket(options, 1).address).port, "0");
  EXPECT_TRUE(Socket(options, 1).wait);
  EXPECT_EQ(std::get<backend::FdAddress>(Socket(options, 2).address).fd, 7);
}

TEST(CharOptionsTest, OtherBackends) {
  const auto options = Good({"-chardev", "file,id=f,path=/x,append=on", "-chardev", "pty,id=p",
                             "-chardev", "stdio,id=s,signal=off", "-nodefaults"});
  EXPECT_EQ(Spec<backend::FileSpec>(options, 0).out, "/x");
  EXPECT_TRUE(Spec<backend::FileSpec>(options, 0).append);
  EXPECT_TRUE(Is<backend::PtySpec>(options, 1));
  EXPECT_FALSE(Spec<backend::StdioSpec>(options, 2).signal);
}

TEST(CharOptionsTest, RingsDatagramsAndReconnection) {
  const auto options = Good({"-chardev", "ringbuf,id=r,size=4k", "-chardev", "udp,id=u,port=4000",
                             "-chardev", "udp,id=v,host=h,port=4000,localport=1", "-chardev",
                             "socket,id=s,path=/s,abstract=on,reconnect=3", "-chardev",
                             "socket,id=t,path=/t,reconnect=-1", "-nodefaults"});
  EXPECT_EQ(Spec<backend::RingbufSpec>(options, 0).size, 4096u);
  EXPECT_EQ(Spec<backend::UdpSpec>(options, 1).remote.host, "localhost");
  EXPECT_FALSE(Spec<backend::UdpSpec>(options, 1).local);
  EXPECT_EQ(Spec<backend::UdpSpec>(options, 2).local.value().port, "1");
  EXPECT_EQ(Socket(options, 3).reconnect, 3u);
  EXPECT_EQ(Socket(options, 4).reconnect, 0u);
  EXPECT_TRUE(std::get<UnixAddress>(Socket(options, 3).address).abstract);
}

TEST(CharOptionsTest, MuxMakesABackEndAndAMultiplexer) {
  const auto options =
      Good({"-chardev", "stdio,id=a,mux=on", "-chardev", "null,id=b", "-chardev",
            "mux,id=c,chardev=b", "-serial", "chardev:a", "-debugcon", "chardev:c"});
  ASSERT_EQ(options.chardevs.size(), 4u);
  EXPECT_EQ(options.chardevs[0].spec.id, "a-base");
  EXPECT_TRUE(Is<backend::StdioSpec>(options, 0));
  EXPECT_EQ(options.chardevs[1].spec.id, "a");
  EXPECT_EQ(Spec<backend::MuxSpec>(options, 1).chardev, "a-base");
  EXPECT_EQ(Spec<backend::MuxSpec>(options, 3).chardev, "b");
}

TEST(CharOptionsTest, JsonFormOfAChardev) {
  const auto options =
      Good({"-chardev", R"({"backend": "ringbuf", "id": "r", "size": 8192})", "-nodefaults"});
  EXPECT_EQ(Spec<backend::RingbufSpec>(options, 0).size, 8192u);
}

TEST(CharOptionsTest, ShortFormOfUdp) {
  const auto options = Good({"-serial", "udp:h:1@a:2", "-serial", "udp::3", "-serial", "pipe:/p"});
  const auto& udp = Spec<backend::UdpSpec>(options, 0);
  EXPECT_EQ(udp.remote.host + " " + udp.remote.port, "h 1");
  EXPECT_EQ(udp.local.value().host + " " + udp.local->port, "a 2");
  EXPECT_EQ(Spec<backend::UdpSpec>(options, 1).remote.port, "3");
  EXPECT_EQ(Spec<backend::PipeSpec>(options, 2).device, "/p");
}

TEST(CharOptionsTest, ShortFlagsOfOldSpellingsWarn) {
  const auto options = Good({"-qmp", "unix:/q,server,nowait"});
  EXPECT_TRUE(Socket(options, 0).server);
  EXPECT_FALSE(Socket(options, 0).wait);
  ASSERT_EQ(options.warnings.size(), 2u);
  EXPECT_EQ(options.warnings[1],
            "-qmp unix:/q,server,nowait: warning: short-form boolean option 'nowait' deprecated\n"
            "Please use wait=off instead");
}

TEST(CharOptionsTest, QtestIsACharacterDeviceOfItsOwn) {
  const auto options = Good({"-qtest", "unix:/q", "-qtest-log", "none", "-nodefaults"});
  ASSERT_TRUE(options.machine.qtest);
  EXPECT_EQ(options.machine.qtest->chardev, "qtest");
  EXPECT_EQ(options.machine.qtest->log, "none");
  EXPECT_EQ(options.chardevs.at(0).spec.id, "qtest");
  EXPECT_FALSE(Socket(options, 0).server);
  const auto named = Good({"-qtest", "chardev:c", "-chardev", "socket,id=c,path=/q"});
  EXPECT_EQ(named.machine.qtest.value().chardev, "c");
  EXPECT_FALSE(Good({"-qtest-log", "x"}).machine.qtest);
}

TEST(CharOptionsTest, QtestErrors) {
  const auto error = [](std::vector<const char*> words) {
    auto result = Parse(std::move(words));
    return result ? "no error" : result.error().message;
  };
  EXPECT_EQ(error({"-qtest", "chardev:zz"}),
            "-qtest chardev:zz: Failed to initialize device for qtest: \"chardev:zz\"");
  EXPECT_EQ(error({"-qtest", "foo"}), "-qtest foo: 'foo' is not a valid char driver");
  EXPECT_EQ(error({"-qtest", "stdio", "-serial", "stdio"}),
            "-qtest stdio: cannot use stdio by multiple character devices");
  EXPECT_EQ(error({"-chardev", "null,id=c", "-serial", "chardev:c", "-qtest", "chardev:c"}),
            "-qtest chardev:c: Device 'c' is in use");
}

TEST(CharOptionsTest, QmpTakesAnInheritedSocket) {
  const auto options = Good({"-qmp", "unix:fd=7,server=on,wait=off"});
  EXPECT_EQ(std::get<backend::FdAddress>(Socket(options, 0).address).fd, 7);
  EXPECT_TRUE(Socket(options, 0).server);
}

TEST(CharOptionsTest, WarningsAreKeptWhenAnErrorFollows) {
  const std::vector<const char*> words = {"-qmp", "unix:/q,server,foo=1"};
  std::vector<std::string> warnings;
  EXPECT_FALSE(ParseCommandLine(words, &warnings));
  EXPECT_EQ(warnings.size(), 1u);
}

TEST(CharOptionsTest, QmpMakesAChardevAndAMonitor) {
  const auto options = Good({"-qmp", "unix:/a,server=on,wait=off", "-qmp-pretty",
                             "tcp:localhost:4444,server=on,wait=off"});
  ASSERT_EQ(options.monitors.size(), 2u);
  EXPECT_EQ(options.monitors[0].chardev, "compat_monitor0");
  EXPECT_FALSE(options.monitors[0].pretty);
  EXPECT_EQ(options.monitors[1].chardev, "compat_monitor1");
  EXPECT_TRUE(options.monitors[1].pretty);
  const auto& inet = std::get<InetAddress>(Socket(options, 1).address);
  EXPECT_EQ(inet.host, "localhost");
  EXPECT_EQ(inet.port, "4444");
}

TEST(CharOptionsTest, BracketsHoldAnIpv6Address) {
  const auto options = Good({"-qmp", "tcp:[::1]:0,server=on,wait=off"});
  EXPECT_EQ(std::get<InetAddress>(Socket(options, 0).address).host, "::1");
}

TEST(CharOptionsTest, MonUsesAChardevThatMayComeLater) {
  const auto options = Good({"-mon", "chardev=c,mode=control,pretty=on", "-chardev",
                             "socket,id=c,path=/a,server=on,wait=off"});
  EXPECT_EQ(options.monitors[0].chardev, "c");
  EXPECT_TRUE(options.monitors[0].pretty);
}

TEST(CharOptionsTest, SerialPortsAreNumbered) {
  const auto options = Good(
      {"-serial", "file:/log", "-serial", "none", "-serial", "chardev:c", "-chardev", "null,id=c"});
  EXPECT_EQ(options.machine.serials, (std::vector<std::string>{"serial0", "", "c"}));
  EXPECT_EQ(Spec<backend::FileSpec>(options, 0).out, "/log");
}

TEST(CharOptionsTest, DefaultSerialPort) {
  const auto silent = Good({});
  EXPECT_EQ(silent.machine.serials, std::vector<std::string>{"serial0"});
  EXPECT_TRUE(Is<backend::NullSpec>(silent, 0));
  EXPECT_TRUE(Is<backend::StdioSpec>(Good({"-nographic"}), 0));
  EXPECT_TRUE(Good({"-nodefaults"}).machine.serials.empty());
  EXPECT_TRUE(Good({"-nodefaults", "-nographic"}).machine.serials.empty());
  EXPECT_TRUE(Good({"-device", "isa-serial"}).machine.serials.empty());
  // Nothing is on stdio.
  EXPECT_TRUE(Good({"-nographic", "-daemonize", "-nodefaults"}).daemonize);
  EXPECT_TRUE(Good({"-nographic", "-daemonize", "-serial", "null", "-monitor", "none"}).daemonize);
  EXPECT_TRUE(Is<backend::NullSpec>(Good({"-nographic", "-serial", "null"}), 0));
}

TEST(CharOptionsTest, DebugconMakesAChardevOrUsesOne) {
  const auto file = Good({"-nodefaults", "-debugcon", "file:/log"});
  EXPECT_EQ(file.machine.debugcon, "debugcon");
  ASSERT_EQ(file.chardevs.size(), 1u);
  EXPECT_EQ(file.chardevs[0].spec.id, "debugcon");
  EXPECT_EQ(Spec<backend::FileSpec>(file, 0).out, "/log");
  const auto other = Good({"-nodefaults", "-debugcon", "chardev:c", "-chardev", "pty,id=c"});
  EXPECT_EQ(other.machine.debugcon, "c");
  EXPECT_EQ(other.chardevs.size(), 1u);
  EXPECT_EQ(Good({}).machine.debugcon, "");
}

struct Case {
  std::vector<const char*> words;
  const char* message;
};

TEST(CharOptionsTest, ChardevErrors) {
  const Case cases[] = {
      {{"-chardev", "null"}, "-chardev null: chardev: no id specified"},
      {{"-chardev", "foo,id=x"}, "-chardev foo,id=x: 'foo' is not a valid char driver name"},
      {{"-chardev", "null,id=x,foo=bar"}, "-chardev null,id=x,foo=bar: Invalid parameter 'foo'"},
      {{"-chardev", "null,id=x,path=/y"}, "-chardev null,id=x,path=/y: Invalid parameter 'path'"},
      {{"-chardev", "null,id=a", "-chardev", "null,id=a"},
       "-chardev null,id=a: Duplicate ID 'a' for chardev"},
      {{"-chardev", "null,id=1a"},
       "-chardev null,id=1a: Parameter 'id' expects an identifier\n"
       "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter."},
      {{"-chardev", "file,id=x"}, "-chardev file,id=x: chardev: file: no filename given"},
      {{"-chardev", "socket,id=x,path=/a,host=b"},
       "-chardev socket,id=x,path=/a,host=b: None or one of 'path', 'fd' or 'host' option "
       "required."},
      {{"-chardev", "socket,id=x,host=b"},
       "-chardev socket,id=x,host=b: chardev: socket: no port given"},
      {{"-chardev", "socket,id=x,path=/a,wait=off"},
       "-chardev socket,id=x,path=/a,wait=off: 'wait' option is incompatible with socket in client "
       "connect mode"},
      {{"-chardev", "socket,id=x,path=/a,server=on,reconnect=1"},
       "-chardev socket,id=x,path=/a,server=on,reconnect=1: 'reconnect' option is incompatible "
       "with "
       "socket in server listen mode"},
      {{"-chardev", "socket,id=x,fd=9,reconnect=1"},
       "-chardev socket,id=x,fd=9,reconnect=1: 'reconnect' option is incompatible with 'fd' "
       "address "
       "type"},
      {{"-chardev", "socket,id=x,path=/a,reconnect=x"},
       "-chardev socket,id=x,path=/a,reconnect=x: Parameter 'reconnect' expects a number"},
      {{"-chardev", "mux,id=x"}, "-chardev mux,id=x: chardev: mux: no chardev given"},
      {{"-chardev", "null,id=x,mux=z"},
       "-chardev null,id=x,mux=z: Parameter 'mux' expects 'on' or 'off'"},
      {{"-chardev", "null,id=x-base", "-chardev", "null,id=x,mux=on"},
       "-chardev null,id=x,mux=on: Duplicate ID 'x-base' for chardev"},
      {{"-chardev", "udp,id=x,host=h"},
       "-chardev udp,id=x,host=h: chardev: udp: remote port not specified"},
      {{"-chardev", "socket,id=x,host=h,port=1,tight=off"},
       "-chardev socket,id=x,host=h,port=1,tight=off: 'tight' option is incompatible with a socket "
       "without 'path'"},
      {{"-chardev", "socket,id=x,path=/a,allow-remote=on"},
       "-chardev socket,id=x,path=/a,allow-remote=on: 'allow-remote' option is incompatible with a "
       "socket without 'host'"},
      {{"-chardev", "socket,id=x,fd=foo"},
       "-chardev socket,id=x,fd=foo: Unable to parse FD number foo"},
      {{"-chardev", "socket,id=x,path=/a,telnet=on"},
       "-chardev socket,id=x,path=/a,telnet=on: Invalid parameter 'telnet'"},
      {{"-chardev", "stdio,id=a", "-chardev", "stdio,id=b"},
       "-chardev stdio,id=b: cannot use stdio by multiple character devices"},
      {{"-chardev", "stdio,id=a", "-daemonize"},
       "-chardev stdio,id=a: cannot use stdio with -daemonize"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

TEST(CharOptionsTest, DebugconErrors) {
  const Case cases[] = {
      {{"-debugcon"}, "-debugcon: requires an argument"},
      {{"-debugcon", "none"}, "-debugcon none: 'none' is not a valid char driver"},
      {{"-debugcon", "chardev:x"}, "-debugcon chardev:x: invalid character backend 'chardev:x'"},
      {{"-debugcon", "null", "-debugcon", "file:/x"},
       "-debugcon file:/x: already have a debugcon device"},
      {{"-chardev", "null,id=debugcon", "-debugcon", "null"},
       "-debugcon null: Duplicate ID 'debugcon' for chardev"},
      {{"-debugcon", "chardev:x", "-chardev", "null,id=x", "-serial", "chardev:x"},
       "-debugcon chardev:x: Property 'isa-debugcon.chardev' can't take value 'x': Device 'x' is "
       "in use"},
      {{"-debugcon", "chardev:x", "-chardev", "stdio,id=x", "-mon", "chardev=x,mode=control"},
       "-debugcon chardev:x: Property 'isa-debugcon.chardev' can't take value 'x': Device 'x' is "
       "in use"},
      {{"-serial", "chardev:debugcon", "-debugcon", "null"},
       "-serial chardev:debugcon: could not connect serial device to character backend "
       "'chardev:debugcon'"},
      {{"-debugcon", "stdio", "-nographic"},
       "-debugcon stdio: cannot use stdio by multiple character devices"},
      {{"-debugcon", "stdio", "-daemonize"}, "-debugcon stdio: cannot use stdio with -daemonize"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

TEST(CharOptionsTest, SerialAndMonitorErrors) {
  const Case cases[] = {
      {{"-serial", "foo"}, "-serial foo: 'foo' is not a valid char driver"},
      {{"-serial", "tcp:foo"}, "-serial tcp:foo: parse error: tcp:foo"},
      {{"-serial", "udp:"}, "-serial udp:: parse error: udp:"},
      {{"-serial", "udp:a:1@2"}, "-serial udp:a:1@2: parse error: udp:a:1@2"},
      {{"-serial", "mon:stdio"}, "-serial mon:stdio: 'mon:stdio' is not a valid char driver"},
      {{"-chardev", "socket,id=x,path=/a,reconnect=1", "-mon", "chardev=x,mode=control"},
       "-mon chardev=x,mode=control: 'reconnect' option is not available under a monitor"},
      {{"-serial", "chardev:foo"},
       "-serial chardev:foo: could not connect serial device to character backend 'chardev:foo'"},
      {{"-mon", "foo"}, "-mon foo: mode 'readline' is not available, only 'control' (QMP)"},
      {{"-mon", "chardev=x,mode=foo"},
       "-mon chardev=x,mode=foo: Parameter 'mode' does not accept value 'foo'"},
      {{"-mon", "mode=control"}, "-mon mode=control: Parameter 'chardev' is missing"},
      {{"-mon", "chardev=x,mode=control"}, "-mon chardev=x,mode=control: chardev \"x\" not found"},
      {{"-mon", "chardev=x,foo=y"}, "-mon chardev=x,foo=y: Invalid parameter 'foo'"},
      {{"-chardev", "null,id=x", "-mon", "chardev=x,mode=control"},
       "-mon chardev=x,mode=control: chardev \"x\" cannot carry a monitor, only a socket or "
       "stdio"},
      {{"-chardev", "stdio,id=x", "-serial", "chardev:x", "-mon", "chardev=x,mode=control"},
       "-mon chardev=x,mode=control: Device 'x' is in use"},
      {{"-qmp", "foo"}, "-qmp foo: 'foo' is not a valid char driver"},
      {{"-qmp", "unix:/a,foo=on"}, "-qmp unix:/a,foo=on: Invalid parameter 'foo'"},
      {{"-qmp", "stdio", "-serial", "stdio"},
       "-serial stdio: cannot use stdio by multiple character devices"},
  };
  for (const Case& c : cases) EXPECT_EQ(ErrorOf(c.words), c.message);
}

}  // namespace
}  // namespace davit::daemon
