// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -cpu: names, values, errors; what reaches the guest; the topology leaves on Intel and AMD.
#include "vmm/cpu/model.h"

#include <gtest/gtest.h>

#include "vmm/cpu/features.h"
#include "vmm/kvm/fake.h"

namespace davit::cpu {
namespace {

HostCpu IntelHost() {
  HostCpu host;
  host.supported = kvm::FakeSystem().supported;
  host.tsc_deadline = true;
  return host;
}

HostCpu AmdHost() {
  HostCpu host = IntelHost();
  kvm::CpuidEntry* vendor = FindLeaf(host.supported, 0);
  vendor->ebx = 0x68747541;  // AuthenticAMD
  vendor->edx = 0x69746e65;
  vendor->ecx = 0x444d4163;
  host.supported.push_back({0x8000001d, 3, true, 0x04163, 0x03c0003f, 0x7fff, 1});
  host.supported.push_back({0x8000001e, 0, false, 0, 0, 0, 0});
  return host;
}

Topology Smp(SmpRequest request) { return *Topology::Create(request, {"microvm", 255, true}); }

std::string ErrorOf(const std::string& text) {
  auto model = BuildModel(text, IntelHost());
  return model ? "no error" : model.error().message;
}

bool Has(const CpuModel& model, const char* feature) {
  auto table = model.cpuid;
  return HasFeature(table, *FindFeature(feature));
}

struct Position {
  const char* name;
  uint32_t function;
  CpuidRegister reg;
  unsigned bit;
};

TEST(CpuFeatures, NamesLieWhereTheManualsPutThem) {
  using enum CpuidRegister;
  const Position kPositions[] = {
      {"pbe", 1, kEdx, 31},
      {"popcnt", 1, kEcx, 23},
      {"hypervisor", 1, kEcx, 31},
      {"avx512vl", 7, kEbx, 31},
      {"clwb", 7, kEbx, 24},
      {"la57", 7, kEcx, 16},
      {"rdpid", 7, kEcx, 22},
      {"pks", 7, kEcx, 31},
      {"ssbd", 7, kEdx, 31},
      {"serialize", 7, kEdx, 14},
      {"amx-bf16", 7, kEdx, 22},
      {"syscall", 0x80000001, kEdx, 11},
      {"nx", 0x80000001, kEdx, 20},
      {"lm", 0x80000001, kEdx, 29},
      {"3dnow", 0x80000001, kEdx, 31},
      {"topoext", 0x80000001, kEcx, 22},
      {"invtsc", 0x80000007, kEdx, 8},
      {"ibpb", 0x80000008, kEbx, 12},
      {"amd-no-ssb", 0x80000008, kEbx, 26},
      {"svme-addr-chk", 0x8000000a, kEdx, 28},
      {"vgif", 0x8000000a, kEdx, 16},
      {"kvmclock-stable-bit", 0x40000001, kEax, 24},
      {"kvm-pv-tlb-flush", 0x40000001, kEax, 9},
      {"avx512-bf16", 7, kEax, 5},
      {"xsaves", 0xd, kEax, 3},
      {"arat", 6, kEax, 2},
  };
  for (const Position& p : kPositions) {
    const auto found = FindFeature(p.name);
    ASSERT_TRUE(found) << p.name;
    EXPECT_EQ(found->word->function, p.function) << p.name;
    EXPECT_EQ(found->word->reg, p.reg) << p.name;
    EXPECT_EQ(found->bit, p.bit) << p.name;
  }
}

TEST(CpuFeatures, UnderscoresAndAliasesAreTheSameBit) {
  EXPECT_EQ(FindFeature("tsc_deadline")->bit, 24U);
  EXPECT_EQ(FindFeature("sse3")->bit, 0U);
  EXPECT_EQ(FindFeature("sse4_1")->bit, 19U);
  EXPECT_FALSE(FindFeature("SSE"));
}

TEST(CpuModel, ErrorsAreWordedAsQemus) {
  EXPECT_EQ(ErrorOf("nosuch"), "unable to find CPU model 'nosuch'");
  EXPECT_EQ(ErrorOf("host,+foo"), "Property 'host-x86_64-cpu.foo' not found");
  EXPECT_EQ(ErrorOf("max,foo=on"),
            "can't apply global max-x86_64-cpu.foo=on: Property 'max-x86_64-cpu.foo' not found");
  EXPECT_EQ(ErrorOf("host,foo"),
            "can't apply global host-x86_64-cpu.foo=on: Property 'host-x86_64-cpu.foo' not found");
  EXPECT_EQ(ErrorOf("host,x2apic=maybe"),
            "can't apply global host-x86_64-cpu.x2apic=maybe: Parameter 'x2apic' expects 'on' or "
            "'off'");
  EXPECT_EQ(ErrorOf("host,+avx512f,enforce").substr(0, 40),
            "Host doesn't support requested features\n");
}

TEST(CpuModel, WhatDavitLacksIsRefusedAndWhatItAlwaysDoesIsTaken) {
  EXPECT_EQ(ErrorOf("host,host-phys-bits=on,host-cache-info=on,migratable=on"), "no error");
  EXPECT_EQ(ErrorOf("host,host-phys-bits=off"),
            "can't apply global host-x86_64-cpu.host-phys-bits=off: Property "
            "'host-x86_64-cpu.host-phys-bits' cannot be 'off': not supported");
  EXPECT_EQ(ErrorOf("host,hv-relaxed"),
            "can't apply global host-x86_64-cpu.hv-relaxed=on: Property "
            "'host-x86_64-cpu.hv-relaxed' is not supported");
}

TEST(CpuModel, HostHasWhatKvmHas) {
  auto model = BuildModel("host", IntelHost());
  ASSERT_TRUE(model) << model.error();
  EXPECT_EQ(model->type_name, "host-x86_64-cpu");
  EXPECT_TRUE(Has(*model, "sse2"));
  EXPECT_TRUE(Has(*model, "hypervisor"));
  EXPECT_TRUE(Has(*model, "tsc-deadline"));
  EXPECT_TRUE(Has(*model, "arat"));
  EXPECT_FALSE(Has(*model, "avx512f"));
  EXPECT_TRUE(model->warnings.empty());
}

TEST(CpuModel, FeaturesCanBeTakenAway) {
  auto model = BuildModel("host,-sse2,x2apic=off,-kvmclock", IntelHost());
  ASSERT_TRUE(model) << model.error();
  EXPECT_FALSE(Has(*model, "sse2"));
  EXPECT_FALSE(Has(*model, "x2apic"));
  auto table = model->cpuid;
  EXPECT_EQ(FindLeaf(table, 0x40000001)->eax & 9, 0U);  // both bits of that name
}

TEST(CpuModel, MinusWinsOverPlus) {
  auto model = BuildModel("host,-sse2,+sse2", IntelHost());
  ASSERT_TRUE(model);
  EXPECT_FALSE(Has(*model, "sse2"));
}

TEST(CpuModel, WhatTheHostLacksIsWarnedOfAndLeftOut) {
  auto model = BuildModel("host,+avx512f", IntelHost());
  ASSERT_TRUE(model);
  ASSERT_EQ(model->warnings.size(), 1U);
  EXPECT_EQ(model->warnings[0],
            "host doesn't support requested feature: CPUID.07H:EBX.avx512f [bit 16]");
  EXPECT_FALSE(Has(*model, "avx512f"));
}

TEST(CpuModel, KvmOffHidesTheSignature) {
  auto model = BuildModel("host,kvm=off", IntelHost());
  ASSERT_TRUE(model);
  auto table = model->cpuid;
  EXPECT_EQ(FindLeaf(table, 0x40000000), nullptr);
  EXPECT_TRUE(Has(*model, "hypervisor"));
}

TEST(CpuModel, WithoutAvxItsSaveAreaGoes) {
  auto model = BuildModel("host,-avx", IntelHost());
  ASSERT_TRUE(model);
  auto table = model->cpuid;
  EXPECT_EQ(FindLeaf(table, 0xd, 0)->eax & 4, 0U);
}

TEST(CpuModel, BrandIsTheHostsUnlessGiven) {
  HostCpu host = IntelHost();
  host.brand = "Example CPU @ 1 GHz";
  auto model = BuildModel("host,model-id=Mine", host);
  ASSERT_TRUE(model);
  auto table = model->cpuid;
  EXPECT_EQ(FindLeaf(table, 0x80000002)->eax, 0x656e694dU);  // "Mine"
}

TEST(CpuidOfVcpu, Leaf1AndLeafBTellThePlace) {
  auto model = BuildModel("host", IntelHost());
  const Topology topology = Smp({.cpus = 8, .sockets = 2, .cores = 2, .threads = 2});
  auto table = CpuidOf(*model, topology, 5);  // socket 1, core 0, thread 1
  const auto* basic = FindLeaf(table, 1);
  EXPECT_EQ(basic->ebx >> 24, 5U);
  EXPECT_EQ(basic->ebx >> 16 & 0xff, 4U);
  EXPECT_NE(basic->edx & 1U << 28, 0U);
  const auto* smt = FindLeaf(table, 0xb, 0);
  EXPECT_EQ(smt->eax, 1U);
  EXPECT_EQ(smt->ebx, 2U);
  EXPECT_EQ(smt->ecx, 0x100U);
  EXPECT_EQ(smt->edx, 5U);
  const auto* core = FindLeaf(table, 0xb, 1);
  EXPECT_EQ(core->eax, 2U);
  EXPECT_EQ(core->ebx, 4U);
  EXPECT_EQ(core->ecx, 0x201U);
  EXPECT_EQ(FindLeaf(table, 0x1f), nullptr);
}

TEST(CpuidOfVcpu, OneCpuHasNoHyperthreading) {
  auto model = BuildModel("host", IntelHost());
  auto table = CpuidOf(*model, Smp({}), 0);
  EXPECT_EQ(FindLeaf(table, 1)->edx & 1U << 28, 0U);
}

TEST(CpuidOfVcpu, Leaf4SharesCachesByCoreAndDie) {
  auto model = BuildModel("host", IntelHost());
  auto table = CpuidOf(*model, Smp({.cpus = 8, .cores = 4, .threads = 2}), 0);
  EXPECT_EQ(FindLeaf(table, 4, 0)->eax >> 14 & 0xfff, 1U);
  EXPECT_EQ(FindLeaf(table, 4, 3)->eax >> 14 & 0xfff, 7U);
  EXPECT_EQ(FindLeaf(table, 4, 0)->eax >> 26, 3U);
}

TEST(CpuidOfVcpu, DiesGiveLeaf1F) {
  auto model = BuildModel("host", IntelHost());
  auto table = CpuidOf(*model, Smp({.cpus = 8, .dies = 2, .cores = 2, .threads = 2}), 7);
  EXPECT_EQ(FindLeaf(table, 0)->eax, 0x1fU);
  EXPECT_EQ(FindLeaf(table, 0x1f, 1)->ecx, 0x201U);
  EXPECT_EQ(FindLeaf(table, 0x1f, 1)->eax, 2U);
  EXPECT_EQ(FindLeaf(table, 0x1f, 2)->ecx, 0x502U);
  EXPECT_EQ(FindLeaf(table, 0x1f, 2)->eax, 3U);
  EXPECT_EQ(FindLeaf(table, 0x1f, 2)->ebx, 8U);
  EXPECT_EQ(FindLeaf(table, 0x1f, 3)->ecx, 3U);
}

TEST(CpuidOfVcpu, AmdLeavesTellThePlace) {
  auto model = BuildModel("host", AmdHost());
  ASSERT_TRUE(model);
  auto table = CpuidOf(*model, Smp({.cpus = 8, .cores = 4, .threads = 2}), 5);
  EXPECT_EQ(FindLeaf(table, 0x80000008)->ecx, 3U << 12 | 7U);
  EXPECT_EQ(FindLeaf(table, 0x8000001e)->eax, 5U);
  EXPECT_EQ(FindLeaf(table, 0x8000001e)->ebx, 0x102U);
  EXPECT_EQ(FindLeaf(table, 0x8000001d, 3)->eax >> 14 & 0xfff, 7U);
  EXPECT_NE(FindLeaf(table, 0x80000001)->ecx & 2U, 0U);  // CmpLegacy
}

}  // namespace
}  // namespace davit::cpu
