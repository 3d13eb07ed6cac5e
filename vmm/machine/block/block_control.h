// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// control::BlockControl over the block graph. Owner: control thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vmm/backend/block/graph.h"
#include "vmm/control/block_control.h"

namespace davit::machine {

class BlockControlImpl final : public control::BlockControl {
 public:
  // An empty id: none was given.
  using DriveParser = std::function<Result<control::DriveSpec>(const std::string& text)>;
  BlockControlImpl(backend::BlockGraph& graph, DriveParser parse_drive)
      : graph_(graph), parse_drive_(std::move(parse_drive)) {}

  Status AddNode(const control::BlockNodeSpec& spec) override;
  Status RemoveNode(const std::string& name) override { return graph_.RemoveNode(name); }
  Status ReopenNodes(const std::vector<control::BlockNodeSpec>& specs) override;
  Status AddDrive(const control::DriveSpec& spec) override;
  Status AddDriveText(const std::string& text) override;
  Status RemoveDrive(const std::string& id) override { return graph_.RemoveDrive(id); }
  std::vector<control::BlockNodeInfo> Nodes() const override;
  std::vector<control::BlockDiskInfo> Disks() const override;
  Status Resize(const std::string& device, const std::string& node_name, int64_t size) override;
  Status SetLimits(const control::BlockDiskName& disk, const control::BlockLimits& limits) override;
  // --- media.cc ---
  Status OpenTray(const control::BlockDiskName& disk, bool force) override;
  Status CloseTray(const control::BlockDiskName& disk) override;
  Status InsertMedium(const control::BlockDiskName& disk, const std::string& node_name) override;
  Status RemoveMedium(const control::BlockDiskName& disk) override;
  Status Eject(const control::BlockDiskName& disk, bool force) override;
  Status ChangeMedium(const control::BlockDiskName& disk, const control::BlockMedium& medium,
                      bool force) override;

 private:
  // Error: none or two were named, there is no such disk.
  Result<backend::BlockBackend*> Find(const control::BlockDiskName& disk) const;
  backend::BlockGraph& graph_;
  const DriveParser parse_drive_;
};

}  // namespace davit::machine
