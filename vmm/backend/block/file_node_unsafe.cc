// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See file_node.h: the questions to a block device that only ioctl answers.
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "vmm/backend/block/file_node.h"

namespace davit::backend {

void FileNode::ProbeSectors() {
  int logical = 0;
  unsigned physical = 0;
  if (ioctl(fd_.get(), BLKSSZGET, &logical) == 0 && logical > 0) {
    logical_sector_ = static_cast<uint32_t>(logical);
  }
  if (ioctl(fd_.get(), BLKPBSZGET, &physical) == 0) physical_sector_ = physical;
}

}  // namespace davit::backend
