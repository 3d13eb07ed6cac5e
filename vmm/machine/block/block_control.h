// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// control::BlockControl over the block graph. Owner: control thread.
#pragma once

#include <string>
#include <vector>

#include "vmm/backend/block/graph.h"
#include "vmm/control/block_control.h"

namespace davit::machine {

class BlockControlImpl final : public control::BlockControl {
 public:
  explicit BlockControlImpl(backend::BlockGraph& graph) : graph_(graph) {}

  Status AddNode(const control::BlockNodeSpec& spec) override;
  Status RemoveNode(const std::string& name) override { return graph_.RemoveNode(name); }
  Status ReopenNodes(const std::vector<control::BlockNodeSpec>& specs) override;
  Status AddDrive(const control::DriveSpec& spec) override;
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
};

}  // namespace davit::machine
