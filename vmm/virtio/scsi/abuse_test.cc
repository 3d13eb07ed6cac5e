// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The SCSI host under the abuse suite: a disk, and two request queues.
#include "vmm/backend/block/test_support.h"
#include "vmm/base/check.h"
#include "vmm/virtio/scsi/scsi.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio::scsi {
namespace {

// One image for all cases; each device attaches to it anew.
struct Disk {
  Disk() { DAVIT_CHECK(graph.AddNode(backend::FileSpec("f0", path))); }
  backend::TempDir dir;
  std::string path = dir.Image("a.img", 1 << 20);
  backend::PathOpener opener;
  backend::BlockGraph graph{opener};
};

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop&) {
  static Disk disk;
  ScsiConfig config;
  config.num_queues = 2;
  config.queue_size = 64;
  auto backend = disk.graph.Attach("f0", {.qdev = "/machine/d0"});
  DAVIT_CHECK(backend);
  auto device = ScsiDevice::Create(config);
  DAVIT_CHECK(device);
  DAVIT_CHECK((*device)->AddFirstUnit({}, std::move(*backend)));
  return std::move(*device);
}

DAVIT_VIRTIO_ABUSE_SUITE(Scsi, (AbuseTarget{
                                   .make = Make, .served = {0, 2, 3}, .settle = [](Driver& driver) {
                                     driver.frontend().device().Drain();
                                   }}));

}  // namespace
}  // namespace davit::virtio::scsi
