// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The block device under the abuse suite, on a small image with two queues.
#include "vmm/base/check.h"
#include "vmm/virtio/block/test_support.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio::block {
namespace {

// One image for all cases; each device attaches to it anew.
struct Disk {
  Disk() { DAVIT_CHECK(graph.AddNode(backend::FileSpec("f0", path))); }
  backend::TempDir dir;
  std::string path = dir.Image("a.img", kDiskBytes);
  backend::PathOpener opener;
  backend::BlockGraph graph{opener};
};

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop&) {
  static Disk disk;
  BlockConfig config;
  config.num_queues = 2;
  config.queue_size = 64;
  auto backend = disk.graph.Attach("f0", {.qdev = "/machine/d0"});
  DAVIT_CHECK(backend);
  auto device = BlockDevice::Create(config, std::move(*backend));
  DAVIT_CHECK(device);
  return std::move(*device);
}

DAVIT_VIRTIO_ABUSE_SUITE(Block,
                         (AbuseTarget{.make = Make, .served = {0, 1}, .settle = [](Driver& driver) {
                                        driver.frontend().device().Drain();
                                      }}));

}  // namespace
}  // namespace davit::virtio::block
