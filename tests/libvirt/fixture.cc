// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See fixture.h.
#include "tests/libvirt/fixture.h"

#include <filesystem>
#include <fstream>
#include <iostream>

namespace davit::testing {

std::unique_ptr<DomainEvents> events;

void LibvirtTest::SetUp() {
  if (!why_no_host.empty()) GTEST_SKIP() << why_no_host;
  if (events == nullptr) Listen();
}

void LibvirtTest::TearDown() {
  for (const std::string& name : names_) {
    if (HasFailure()) std::cout << host->LogOf(name) << "\n";
    (void)Virsh({"destroy", name});
    (void)Virsh({"undefine", name});
  }
}

std::string LibvirtTest::File(const std::string& name, const std::string& text) {
  const std::string path = host->File(name);
  std::ofstream(path) << text;
  return path;
}

std::string LibvirtTest::Image(const std::string& name, uint64_t bytes) {
  const std::string path = File(name, "");
  std::filesystem::resize_file(path, bytes);
  return path;
}

DomainXml LibvirtTest::Named(const std::string& name) {
  names_.push_back(name);
  return {.name = name, .emulator = host->emulator()};
}

void LibvirtTest::Define(const DomainXml& domain) {
  VirshOk({"define", File(domain.name + ".xml", ToXml(domain))});
}

std::unique_ptr<DomainGuest> LibvirtTest::Create(const DomainXml& domain) {
  VirshOk({"create", "--paused", File(domain.name + ".xml", ToXml(domain))});
  return Resume(domain.name);
}

std::unique_ptr<DomainGuest> LibvirtTest::Resume(const std::string& name) {
  const std::string tty = VirshOk({"ttyconsole", name});
  auto guest = DomainGuest::Open(tty.substr(0, tty.find('\n')));
  EXPECT_OK(guest);
  if (!guest) return nullptr;
  VirshOk({"resume", name});
  EXPECT_OK((*guest)->AwaitReady());
  return std::move(*guest);
}

void LibvirtTest::Attach(const std::string& domain, const std::string& xml) {
  VirshOk({"attach-device", domain, File("device.xml", xml), "--live"});
}

void LibvirtTest::Listen() {
  auto listening = DomainEvents::Listen(host->File("events.log"));
  ASSERT_OK(listening);
  events = std::move(*listening);
}

std::string LibvirtTest::State(const std::string& name) {
  const std::string state = VirshOk({"domstate", "--reason", name});
  return state.substr(0, state.find('\n'));
}

}  // namespace davit::testing

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::string why = davit::testing::WhyNoLibvirt();
  if (why.empty()) why = davit::testing::WhyNoEvents();
  return davit::testing::RunTestsOnHost(why, [] { davit::testing::events.reset(); });
}
