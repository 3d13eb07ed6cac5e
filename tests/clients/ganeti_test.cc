// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Ganeti's KVM hypervisor: one connection an operation, answers cut at CR LF by hand, descriptors
// on a space of their own before the command that takes them. Where Ganeti is installed, its own
// module does the same.
#include <fcntl.h>
#include <glob.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/clients/fixture.h"

namespace davit::testing {
namespace {

class GanetiTest : public ClientTest {
 protected:
  // It takes the text up to the CR, and has the LF before the next one.
  Wire Open() {
    Wire wire = Connect();
    const std::string greeting = wire.ReadTo("\r\n").value_or("");
    EXPECT_EQ(greeting.find("\r\n"), greeting.size() - 2);
    EXPECT_DONE(Ask(wire, "{\"execute\": \"qmp_capabilities\"}\n"));
    EXPECT_TRUE(Ask(wire, "{\"execute\": \"query-commands\"}\n")["return"].is_array());
    return wire;
  }
};

TEST_F(GanetiTest, DescriptorsComeOnASpaceBeforeTheirCommand) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  Wire wire = Open();
  ASSERT_TRUE(wire.SendWithFd(" ", null.get()));
  EXPECT_DONE(Ask(wire, "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"hotnic-1-0\"}}\n"));
  ASSERT_TRUE(wire.SendWithFd(" ", null.get()));
  const json::Value added = Ask(wire, "{\"execute\": \"add-fd\"}\n");
  EXPECT_TRUE(added["return"]["fdset-id"].is_integer());
  EXPECT_REFUSED(Ask(wire, "{\"execute\": \"add-fd\"}\n"), "GenericError",
                 "No file descriptor supplied via SCM_RIGHTS");
  EXPECT_DONE(Ask(wire, "{\"execute\": \"remove-fd\", \"arguments\": {\"fdset-id\": 0}}\n"));
}

TEST_F(GanetiTest, ADescriptorIsOfTheSessionThatSentIt) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  {
    Wire wire = Open();
    ASSERT_TRUE(wire.SendWithFd(" ", null.get()));
    EXPECT_DONE(Ask(wire, "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"nic\"}}\n"));
  }
  Wire wire = Open();
  EXPECT_REFUSED(Ask(wire, "{\"execute\": \"closefd\", \"arguments\": {\"fdname\": \"nic\"}}\n"),
                 "GenericError", "File descriptor named 'nic' not found");
}

TEST_F(GanetiTest, EveryDeviceOfABusHasTheMembersThatItIndexes) {
  Wire wire = Open();
  const json::Value answer = Ask(wire, "{\"execute\": \"query-pci\"}\n");
  const json::Array* buses = answer["return"].AsArray();
  ASSERT_TRUE(buses != nullptr && !buses->empty());
  const json::Array* devices = (*buses)[0]["devices"].AsArray();
  ASSERT_TRUE(devices != nullptr && !devices->empty());
  for (const json::Value& device : *devices) {
    EXPECT_TRUE(device["qdev_id"].is_string());
    EXPECT_TRUE(device["slot"].is_integer());
  }
}

TEST_F(GanetiTest, ItsOldFormOfBlockdevAddIsRefusedByName) {
  Wire wire = Open();
  EXPECT_REFUSED(Ask(wire,
                     "{\"execute\": \"blockdev-add\", \"arguments\": {\"options\": {\"driver\": "
                     "\"raw\", \"id\": \"disk\", \"file\": {\"driver\": \"file\", \"filename\": "
                     "\"/dev/fdset/0\"}}}}\n"),
                 "GenericError", "Parameter 'driver' is missing");
}

TEST_F(GanetiTest, ItsOwnModule) {
  std::string module;
  glob_t found{};
  if (const char* path = std::getenv("DAVIT_GANETI_MONITOR")) {
    module = path;
  } else if (glob("/usr/share/ganeti/*/ganeti/hypervisor/hv_kvm/monitor.py", 0, nullptr, &found) ==
             0) {
    module = found.gl_pathv[0];
  }
  globfree(&found);
  if (module.empty()) GTEST_SKIP() << "Ganeti is not installed";
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const RunResult run =
      RunCommand({"python3", std::string(runfiles) + "/davit/tests/clients/ganeti_monitor.py",
                  module, socket()});
  EXPECT_EQ(run.status, 0) << run.out << run.err;
}

}  // namespace
}  // namespace davit::testing
