// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The schema's devices (schema/qapi/devices.json) and the machine's rows
// (vmm/machine/devices/table.cc) are the same ones.
#include <gtest/gtest.h>

#include <set>

#include "schema/qapi/devices.h"
#include "vmm/machine/devices/row.h"

namespace davit {
namespace {

TEST(DeviceTable, EveryDriverOfTheSchemaHasARow) {
  for (const qapi::DeviceType& type : qapi::DeviceTypes()) {
    EXPECT_NE(machine::FindDeviceRow(type.name), nullptr) << type.name;
    EXPECT_EQ(machine::BusTypeOf(type.name), type.bus) << type.name;
  }
}

TEST(DeviceTable, EveryRowIsInTheSchema) {
  std::set<const machine::DeviceRow*> used;
  for (const qapi::DeviceType& type : qapi::DeviceTypes()) {
    used.insert(machine::FindDeviceRow(type.name));
  }
  for (const machine::DeviceRow& row : machine::DeviceRows()) {
    EXPECT_TRUE(used.contains(&row)) << row.name;
  }
}

TEST(DeviceTable, EveryVirtioDeviceHasWhatTheMachineReads) {
  for (const qapi::DeviceType& type : qapi::DeviceTypes()) {
    const machine::DeviceRow* row = machine::FindDeviceRow(type.name);
    if (row == nullptr || row->make_virtio == nullptr) continue;
    for (const char* name : {"event_idx", "in_order", "indirect_desc", "packed", "queue_reset"}) {
      EXPECT_NE(type.Find(name), nullptr) << type.name << "." << name;
    }
    if (type.bus != "PCI") continue;
    for (const char* name :
         {"addr", "multifunction", "romfile", "disable-legacy", "disable-modern"}) {
      EXPECT_NE(type.Find(name), nullptr) << type.name << "." << name;
    }
  }
}

}  // namespace
}  // namespace davit
