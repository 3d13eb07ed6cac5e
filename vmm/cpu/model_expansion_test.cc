// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// query-cpu-model-expansion: a model's features and identity, and what it was told beforehand.
#include "vmm/cpu/model_expansion.h"

#include <gtest/gtest.h>

#include "vmm/cpu/features.h"
#include "vmm/kvm/fake.h"

namespace davit::cpu {
namespace {

HostCpu Host() {
  HostCpu host;
  host.supported = kvm::FakeSystem().supported;
  host.brand = "A Host";
  return host;
}

ModelProperties Expand(const std::string& name, const ModelProperties& given, bool full) {
  auto props = ExpandModel(name, given, Host(), full);
  EXPECT_TRUE(props) << props.error();
  return props.value_or(ModelProperties());
}

std::optional<ModelValue> Find(const ModelProperties& props, const std::string& name) {
  for (const auto& [key, value] : props) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string ErrorOf(const std::string& name, const ModelProperties& given) {
  auto props = ExpandModel(name, given, Host(), false);
  return props ? "no error" : props.error().message;
}

TEST(ModelExpansion, NamesEveryFeatureThatCanBeSwitched) {
  const ModelProperties props = Expand("host", {}, false);
  for (const std::string& name : FeatureNames()) {
    EXPECT_TRUE(Find(props, name).has_value()) << name;
  }
  EXPECT_EQ(Find(props, "sse2"), ModelValue(true));
  EXPECT_EQ(Find(props, "avx512f"), ModelValue(false));
  EXPECT_EQ(Find(props, "model-id"), ModelValue(std::string("A Host")));
  EXPECT_EQ(Find(props, "vendor"), ModelValue(std::string("GenuineIntel")));
  EXPECT_FALSE(Find(props, "migratable").has_value());
}

TEST(ModelExpansion, WhatIsGivenIsSetFirst) {
  const ModelProperties given = {{"sse2", false},
                                 {"family", uint64_t{0x17}},
                                 {"model", uint64_t{0x31}},
                                 {"stepping", uint64_t{3}},
                                 {"vendor", std::string("AuthenticAMD")},
                                 {"model-id", std::string("Some, with commas")}};
  const ModelProperties props = Expand("max", given, false);
  for (const auto& [name, value] : given) EXPECT_EQ(Find(props, name), value) << name;
}

TEST(ModelExpansion, FullHasTheOtherPropertiesToo) {
  const ModelProperties props = Expand("host", {{"migratable", false}}, true);
  EXPECT_EQ(Find(props, "migratable"), ModelValue(false));
  EXPECT_EQ(Find(props, "pmu"), ModelValue(true));
  EXPECT_EQ(Find(props, "host-phys-bits"), ModelValue(true));
  EXPECT_EQ(Find(props, "phys-bits"), ModelValue(uint64_t{0}));
  EXPECT_TRUE(std::get<uint64_t>(*Find(props, "xlevel")) >= 0x80000008U);
  EXPECT_EQ(Find(Expand("max", {}, true), "pmu"), ModelValue(false));
}

TEST(ModelExpansion, EveryPropertyThatIsToldCanBeGivenBack) {
  for (const char* name : {"host", "max"}) {
    const ModelProperties props = Expand(name, {}, true);
    EXPECT_EQ(Expand(name, props, true), props) << name;
  }
}

TEST(ModelExpansion, MistakesAreNamed) {
  EXPECT_EQ(ErrorOf("qemu64", {}), "CPU model 'qemu64' not found");
  EXPECT_EQ(ErrorOf("host", {{"foo", true}}), "Property 'host-x86_64-cpu.foo' not found");
  EXPECT_EQ(ErrorOf("host", {{"sse2", uint64_t{1}}}),
            "Invalid parameter type for 'sse2', expected: boolean");
  EXPECT_EQ(ErrorOf("host", {{"family", true}}),
            "Invalid parameter type for 'family', expected: integer");
  EXPECT_EQ(ErrorOf("host", {{"vendor", true}}),
            "Invalid parameter type for 'vendor', expected: string");
  EXPECT_EQ(ErrorOf("host", {{"hv-passthrough", true}}),
            "Property 'host-x86_64-cpu.hv-passthrough' cannot be 'on': not supported");
}

}  // namespace
}  // namespace davit::cpu
