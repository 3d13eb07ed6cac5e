// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// davitd's tree of objects and the properties of its device types, beside those of Debian's QEMU on
// the same command line: each type, each default and each value of a property is QEMU's, but for
// those that are named here. (What davit does not have is told by transcripts and
// docs/differences.md.)
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "clients/lib/client.h"
#include "schema/runtime/json/json.h"
#include "tests/support/vm.h"

namespace davit::testing {
namespace {

using json::Object;
using json::Value;

constexpr const char* kQemu = "/usr/bin/qemu-system-x86_64";

// Each kind of device once, and each kind of object.
const std::vector<std::string>& Machine() {
  static const std::vector<std::string> args = {
      "-nodefaults", "-display", "none", "-S", "-M", "q35", "-accel", "kvm", "-m",
      "128M,slots=2,maxmem=1G",
      // Back ends.
      "-object", "iothread,id=io0", "-object", "rng-builtin,id=rb", "-object", "rng-random,id=rr",
      "-object", "memory-backend-ram,id=m0,size=32M", "-object",
      "memory-backend-memfd,id=m1,size=32M", "-object", "memory-backend-ram,id=m2,size=64M",
      "-object", "throttle-group,id=tg,x-iops-total=5", "-object", "secret,id=sec,data=abc",
      "-chardev", "null,id=c0", "-chardev", "ringbuf,id=c1", "-netdev", "user,id=net0", "-blockdev",
      "null-co,node-name=n0", "-blockdev", "null-co,node-name=n1",
      // Devices. QEMU's virtio is told to be the modern interface alone.
      "-device", "pcie-root-port,id=rp,chassis=1,slot=1", "-device",
      "virtio-balloon-pci,id=balloon,disable-legacy=on,modern-pio-notify=off", "-device",
      "pc-dimm,memdev=m1,id=dimm", "-device",
      "virtio-mem-pci,memdev=m2,id=mem,bus=rp,disable-legacy=on", "-device",
      "virtio-serial-pci,id=serial,disable-legacy=on,modern-pio-notify=off", "-device",
      "virtserialport,chardev=c0,id=vport,name=x", "-device", "virtconsole,id=vcon,chardev=c1",
      "-device", "virtio-scsi-pci,id=scsi,disable-legacy=on,modern-pio-notify=off", "-device",
      "scsi-hd,drive=n0,id=hd", "-device", "scsi-cd,id=cd", "-device",
      "virtio-blk-pci,id=blk,drive=n1,disable-legacy=on,modern-pio-notify=off", "-device",
      "virtio-net-pci,netdev=net0,id=net,disable-legacy=on,romfile=", "-device",
      "virtio-rng-pci,id=rng,rng=rb,disable-legacy=on,modern-pio-notify=off", "-device",
      "pvpanic-pci,id=panic", "-device", "i6300esb,id=watchdog", "-device", "vmcoreinfo,id=core"};
  return args;
}

std::string Text(const Result<Value>& value) {
  return value ? json::Write(*value) : "error: " + value.error().message;
}

// Of a list of properties: what is compared, by name.
using Properties = std::map<std::string, std::string>;
Properties ByName(const Value& list) {
  Properties properties;
  if (list.AsArray() == nullptr) return properties;
  for (const Value& property : *list.AsArray()) {
    const Value& otherwise = property["default-value"];
    properties[*property["name"].AsString()] =
        *property["type"].AsString() +
        (otherwise.is_null() ? "" : " (" + json::Write(otherwise) + ")");
  }
  return properties;
}

// A property of a type of device that QEMU's does not have: told in docs/differences.md.
bool IsOwn(std::string_view type, std::string_view name) {
  if (name == "in_order") return true;
  if (name == "ioeventfd" || name == "vectors") {
    return type.starts_with("virtio-balloon-pci") || type.starts_with("virtio-mem-pci");
  }
  return (name == "disable-legacy" || name == "disable-modern") &&
         type.ends_with("-non-transitional");
}

class TreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    if (access(kQemu, X_OK) != 0) GTEST_SKIP() << kQemu << " is not installed";
    Start(DavitdPath(), 1, davit_);
    Start(kQemu, 3, qemu_);  // which is not always there for a client of its first moment
  }
  static void Start(const std::string& program, int attempts, std::unique_ptr<Vm>& vm) {
    Result<Value> status = Value();
    for (int attempt = 0; attempt < attempts; ++attempt) {
      auto started = Vm::Start({.program = program, .args = Machine(), .serial_stdio = false});
      status = started ? (*started)->qmp().Execute("query-status")
                       : Result<Value>(Fail(std::move(started).error()));
      if (!status) continue;
      vm = std::move(*started);
      return;
    }
    FAIL() << program << ": " << status.error();
  }
  static Value Ask(Vm& vm, std::string_view command, const char* argument,
                   const std::string& value) {
    auto reply = vm.qmp().Execute(command, {{argument, value}});
    EXPECT_TRUE(reply) << command << " " << value << ": " << reply.error();
    return reply ? *reply : Value();
  }
  static std::string Get(Vm& vm, const std::string& path, const std::string& name) {
    return Text(vm.qmp().Execute("qom-get", {{"path", path}, {"property", name}}));
  }

  // The objects below a path, of davit's tree.
  void Compare(const std::string& path) {
    const Properties mine = ByName(Ask(*davit_, "qom-list", "path", path));
    const Properties theirs = ByName(Ask(*qemu_, "qom-list", "path", path));
    for (const auto& [name, type] : mine) {
      const std::string whole = (path == "/" ? "" : path) + "/" + name;
      if (type.starts_with("child<")) Compare(whole);
      if (IsOther(whole)) continue;
      const auto found = theirs.find(name);
      EXPECT_EQ(type, found != theirs.end() ? found->second : "none") << whole;
      EXPECT_EQ(Get(*davit_, path, name), Get(*qemu_, path, name)) << whole;
      ++compared_;
    }
  }
  // Told in docs/differences.md.
  static bool IsOther(const std::string& property) {
    constexpr std::string_view kOthers[] = {
        "/in_order",  // davit's own
        "/balloon/ioeventfd",
        "/balloon/vectors",  // davit's own
        "/mem/ioeventfd",
        "/mem/vectors",                   // davit's own
        "/machine/unattached/device[0]",  // CPU model
        "/machine/unattached/device[0]/type",
        "/unavailable-features",
    };
    return std::any_of(std::begin(kOthers), std::end(kOthers),
                       [&](std::string_view other) { return property.ends_with(other); });
  }

  std::unique_ptr<Vm> davit_, qemu_;
  int compared_ = 0;
};

TEST_F(TreeTest, ValuesOfPropertiesAreQemus) {
  Compare("/");
  EXPECT_GT(compared_, 400) << "the tree is not what it was";
}

// QEMU has others, too: AHCI and SMBus.
TEST_F(TreeTest, PciDevicesAreQemus) {
  const auto mine = davit_->qmp().Execute("query-pci"), theirs = qemu_->qmp().Execute("query-pci");
  ASSERT_TRUE(mine && theirs);
  const json::Array* const devices = (*mine->AsArray())[0]["devices"].AsArray();
  const json::Array* const others = (*theirs->AsArray())[0]["devices"].AsArray();
  ASSERT_TRUE(devices != nullptr && others != nullptr);
  for (const Value& device : *devices) {
    const auto found = std::find_if(others->begin(), others->end(), [&](const Value& other) {
      return other["slot"] == device["slot"] && other["function"] == device["function"];
    });
    ASSERT_NE(found, others->end()) << json::Write(device);
    EXPECT_EQ(json::Write(device), json::Write(*found));
  }
  EXPECT_GE(devices->size(), 10U);
}

TEST_F(TreeTest, PropertiesOfDeviceTypesAreQemus) {
  int compared = 0;
  const Value types = Ask(*davit_, "qom-list-types", "implements", "device");
  ASSERT_NE(types.AsArray(), nullptr);
  for (const Value& row : *types.AsArray()) {
    const std::string& type = *row["name"].AsString();
    const Properties mine = ByName(Ask(*davit_, "device-list-properties", "typename", type));
    const Properties theirs = ByName(Ask(*qemu_, "device-list-properties", "typename", type));
    for (const auto& [name, kind] : mine) {
      if (IsOwn(type, name)) continue;
      // Chosen by the place where davit's default is not off.
      const std::string otherwise = name == "modern-pio-notify" ? " (false)" : "";
      const auto found = theirs.find(name);
      EXPECT_EQ(kind + otherwise, found != theirs.end() ? found->second : "none")
          << type << "." << name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 400) << "the types are not what they were";
}

}  // namespace
}  // namespace davit::testing
