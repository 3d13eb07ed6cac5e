// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See block_control.h: trays, and the media in them.
#include <fmt/format.h>

#include <memory>
#include <utility>

#include "vmm/machine/block/block_control.h"

namespace davit::machine {
namespace {

using backend::BlockBackend;
using backend::BlockNode;
using backend::Tray;
using control::BlockDiskName;
using control::BlockMedium;

// For errors: as the client called it.
const std::string& NameOf(const BlockDiskName& disk) {
  return disk.device ? *disk.device : *disk.id;
}

Status CheckRemovable(const BlockBackend& disk, const BlockDiskName& name) {
  if (disk.removable()) return {};
  return Fail(fmt::format("Device '{}' is not removable", NameOf(name)));
}

// Whether the tray can be opened now, or is open; a guest that has locked it is asked.
bool AskToOpen(Tray& tray, bool force) {
  if (tray.tray_open() || !tray.tray_locked()) return true;
  tray.RequestEject(force);
  return force;
}

tl::unexpected<Error> Locked(const BlockDiskName& name) {
  return Fail(
      fmt::format("Device '{}' is locked and force was not specified, wait for tray to open and "
                  "try again",
                  NameOf(name)));
}

void Open(Tray& tray) {
  if (!tray.tray_open()) tray.MoveTray(true);
}

void Close(Tray& tray) {
  if (tray.tray_open()) tray.MoveTray(false);
}

Result<backend::BlockNodeSpec> SpecOf(const BlockMedium& medium, const BlockBackend& disk) {
  const std::string format = medium.format.value_or("raw");
  if (format != "raw") return Fail(fmt::format("Unknown driver '{}'", format));
  const backend::MediumOptions before = disk.medium_options();
  auto file = std::make_shared<backend::BlockNodeSpec>();
  file->driver = backend::BlockDriver::kFile;
  file->filename = medium.filename;
  backend::BlockNodeSpec spec;
  spec.driver = backend::BlockDriver::kRaw;
  spec.file = std::move(file);
  spec.read_only = medium.mode == BlockMedium::Mode::kRetain
                       ? before.read_only
                       : medium.mode == BlockMedium::Mode::kReadOnly;
  spec.direct = before.direct;
  spec.no_flush = before.no_flush;
  if (before.discard) spec.discard = backend::DiscardMode::kUnmap;
  if (before.detect_zeroes) spec.detect_zeroes = backend::DetectZeroes::kOn;
  return spec;
}

}  // namespace

Status BlockControlImpl::OpenTray(const BlockDiskName& name, bool force) {
  DAVIT_ASSIGN(BlockBackend* const disk, Find(name));
  DAVIT_TRY(CheckRemovable(*disk, name));
  Tray* const tray = disk->tray();
  if (tray != nullptr && AskToOpen(*tray, force)) Open(*tray);
  return {};
}

Status BlockControlImpl::CloseTray(const BlockDiskName& name) {
  DAVIT_ASSIGN(BlockBackend* const disk, Find(name));
  DAVIT_TRY(CheckRemovable(*disk, name));
  if (disk->tray() != nullptr) Close(*disk->tray());
  return {};
}

Status BlockControlImpl::InsertMedium(const BlockDiskName& name, const std::string& node_name) {
  DAVIT_ASSIGN(BlockBackend* const disk, Find(name));
  std::shared_ptr<BlockNode> node = graph_.FindNode(node_name);
  if (node == nullptr) return Fail(fmt::format("Node '{}' not found", node_name));
  if (graph_.HasDisk(*node)) return Fail(fmt::format("Node '{}' is already in use", node_name));
  if (!disk->removable()) return Fail("Device is not removable");
  if (disk->tray() != nullptr && !disk->tray()->tray_open()) {
    return Fail("Tray of the device is not open");
  }
  if (disk->node() != nullptr) return Fail("There already is a medium in the device");
  return disk->ChangeMedium(std::move(node));
}

Status BlockControlImpl::RemoveMedium(const BlockDiskName& name) {
  DAVIT_ASSIGN(BlockBackend* const disk, Find(name));
  DAVIT_TRY(CheckRemovable(*disk, name));
  if (disk->tray() != nullptr && !disk->tray()->tray_open()) {
    return Fail(fmt::format("Tray of device '{}' is not open", NameOf(name)));
  }
  return disk->ChangeMedium(nullptr);
}

Status BlockControlImpl::Eject(const BlockDiskName& name, bool force) {
  DAVIT_ASSIGN(BlockBackend* const disk, Find(name));
  DAVIT_TRY(CheckRemovable(*disk, name));
  if (Tray* const tray = disk->tray()) {
    if (!AskToOpen(*tray, force)) return Locked(name);
    Open(*tray);
  }
  return disk->ChangeMedium(nullptr);
}

Status BlockControlImpl::ChangeMedium(const BlockDiskName& name, const BlockMedium& medium,
                                      bool force) {
  DAVIT_ASSIGN(BlockBackend* const disk, Find(name));
  DAVIT_ASSIGN(const backend::BlockNodeSpec spec, SpecOf(medium, *disk));
  DAVIT_ASSIGN(std::shared_ptr<BlockNode> node, graph_.OpenNode(spec));
  DAVIT_TRY(CheckRemovable(*disk, name));
  Tray* const tray = disk->tray();
  if (tray == nullptr) return disk->ChangeMedium(std::move(node));
  if (!force && !AskToOpen(*tray, false)) return Locked(name);
  DAVIT_TRY(disk->ChangeMedium(std::move(node), [tray, force] {
    if (force) (void)AskToOpen(*tray, true);
    Open(*tray);
  }));
  Close(*tray);
  return {};
}

}  // namespace davit::machine
