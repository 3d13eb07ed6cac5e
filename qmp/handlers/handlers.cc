// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See handlers.h.
#include "qmp/handlers/handlers.h"

#include "qmp/handlers/parts.h"

namespace davit::qmp {

struct HandlerSet::Parts {
  explicit Parts(const HandlerDeps& deps)
      : control(deps.vm, deps.version),
        run_state(deps.vm),
        machine(deps.vm),
        machine_target(deps.vm),
        numa(deps.vm),
        misc(deps),
        qom(deps.vm, deps.chardevs),
        qdev(deps.vm, deps.device_globals),
        chardev(deps.chardevs),
        pci(deps.vm),
        acpi(deps.vm),
        block_nodes(deps.blocks),
        block_media(deps.blocks),
        block(deps.blocks),
        net(deps.net) {}

  ControlHandlers control;
  IntrospectHandlers introspect;
  RunStateHandlers run_state;
  MachineHandlers machine;
  MachineTargetHandlers machine_target;
  JobHandlers job;
  MigrationHandlers migration;
  NumaHandlers numa;
  MiscHandlers misc;
  QomHandlers qom;
  QdevHandlers qdev;
  CharHandlers chardev;
  PciHandlers pci;
  AcpiHandlers acpi;
  BlockNodesHandlers block_nodes;
  BlockMediaHandlers block_media;
  BlockHandlers block;
  NetHandlers net;
};

HandlerSet::HandlerSet(HandlerDeps deps) : parts_(std::make_unique<Parts>(deps)) {
  handlers_ = {.control = &parts_->control,
               .introspect = &parts_->introspect,
               .run_state = &parts_->run_state,
               .machine = &parts_->machine,
               .machine_target = &parts_->machine_target,
               .numa = &parts_->numa,
               .job = &parts_->job,
               .migration = &parts_->migration,
               .misc = &parts_->misc,
               .qom = &parts_->qom,
               .char_ = &parts_->chardev,
               .net = &parts_->net,
               .qdev = &parts_->qdev,
               .pci = &parts_->pci,
               .acpi = &parts_->acpi,
               .block_nodes = &parts_->block_nodes,
               .block_media = &parts_->block_media,
               .block = &parts_->block};
}

HandlerSet::~HandlerSet() = default;

}  // namespace davit::qmp
