// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The fixture of a kernel loader's tests: an image and an initrd as bytes that a test may break,
// and fresh guest memory for each load.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "vmm/base/units.h"
#include "vmm/boot/payload.h"
#include "vmm/boot/testing/test_images.h"

namespace davit::boot::testing {

class LoaderTest : public ::testing::Test {
 protected:
  using Loader = Result<LoadedKernel> (*)(const memory::GuestMemory&, const LoadRequest&);

  LoaderTest(Loader loader, Bytes image) : loader_(loader), bytes_(std::move(image)) {}

  Result<LoadedKernel> Load(uint64_t ram = 64 * kMiB) {
    memory_ = MakeMemory(ram);
    kernel_.emplace(KernelOf(bytes_));
    initrd_.emplace(InitrdOf(initrd_bytes_));
    request_.kernel = &*kernel_;
    request_.initrd = initrd_bytes_.empty() ? nullptr : &*initrd_;
    return loader_(memory_, request_);
  }

  std::string LoadErrorOf(uint64_t ram = 64 * kMiB) {
    const Result<LoadedKernel> loaded = Load(ram);
    return loaded ? "no error" : loaded.error().message;
  }

  const Loader loader_;
  Bytes bytes_;
  Bytes initrd_bytes_;
  LoadRequest request_;
  memory::GuestMemory memory_;
  std::optional<Image> kernel_, initrd_;
};

}  // namespace davit::boot::testing
