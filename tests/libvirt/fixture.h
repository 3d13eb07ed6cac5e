// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the cases of libvirt's scenario share. The guests are probe guests on the host's own
// /dev/kvm; one libvirtd serves all cases, each of which has domains of its own. Owner: the thread
// of the test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/libvirt/domain_xml.h"
#include "tests/libvirt/libvirt_host.h"
#include "tests/libvirt/run_on_host.h"
#include "tests/support/expect.h"

namespace davit::testing {

extern std::unique_ptr<DomainEvents> events;  // of all domains

class LibvirtTest : public ::testing::Test {
 protected:
  // Skips where there can be no libvirt.
  void SetUp() override;
  // No case leaves a domain to the next; what a failed one was doing is shown.
  void TearDown() override;

  std::string File(const std::string& name, const std::string& text);
  std::string Image(const std::string& name, uint64_t bytes);
  // A domain of this case, which ends with it.
  DomainXml Named(const std::string& name);
  void Define(const DomainXml& domain);
  // A transient domain whose guest is at its prompt; null after a failure.
  std::unique_ptr<DomainGuest> Create(const DomainXml& domain);
  // The same of one that is there and stands still.
  std::unique_ptr<DomainGuest> Resume(const std::string& name);
  void Attach(const std::string& domain, const std::string& xml);
  // Events from now on.
  static void Listen();
  static void Expect(const std::string& event) { EXPECT_OK(events->WaitFor(event)); }
  // As virsh says it, with the reason.
  static std::string State(const std::string& name);

 private:
  std::vector<std::string> names_;
};

}  // namespace davit::testing
