// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Object tree: ids, types, properties, use, and QEMU's words for what is wrong.
#include "vmm/machine/object_tree.h"

#include <gtest/gtest.h>

#include "vmm/io/testing/fake_event_loop.h"

namespace davit::machine {
namespace {

using control::ObjectSpec;
using control::PropertyValue;
using Properties = std::vector<std::pair<std::string, PropertyValue>>;

PropertyValue Number(uint64_t n) { return {n}; }

ObjectSpec Ram(const std::string& id, Properties properties = {{"size", Number(8192)}}) {
  return {"memory-backend-ram", id, std::move(properties)};
}

class Objects : public testing::Test {
 protected:
  std::string ErrorOf(const ObjectSpec& spec) {
    auto added = objects_.Add(spec);
    return added ? "no error" : added.error().message;
  }
  io::FakeEventLoop loop_;
  ObjectTree objects_{{}, {&loop_, nullptr}};
};

TEST_F(Objects, BackendIsListedWithItsProperties) {
  ASSERT_TRUE(objects_.Add(Ram("m", {{"size", Number(8192)},
                                     {"share", {true}},
                                     {"merge", {false}},
                                     {"prealloc", {true}},
                                     {"prealloc-threads", Number(2)}})));
  const auto infos = objects_.Memdevs();
  ASSERT_EQ(infos.size(), 1U);
  EXPECT_EQ(infos[0].id, "m");
  EXPECT_EQ(infos[0].size, 8192U);
  EXPECT_TRUE(infos[0].share);
  EXPECT_FALSE(infos[0].merge);
  EXPECT_TRUE(infos[0].prealloc);
  EXPECT_EQ(infos[0].policy, "default");
}

TEST_F(Objects, MistakesAreWordedAsQemus) {
  ASSERT_TRUE(objects_.Add(Ram("m")));
  EXPECT_EQ(ErrorOf(Ram("m")),
            "attempt to add duplicate property 'm' to object (type 'container')");
  EXPECT_EQ(ErrorOf(Ram("1m")), "Parameter 'id' expects an identifier");
  EXPECT_EQ(ErrorOf(Ram("a", {{"size", Number(0)}})),
            "property 'size' of memory-backend-ram doesn't take value '0'");
  EXPECT_EQ(ErrorOf(Ram("a", {})), "Parameter 'size' is missing");
  EXPECT_EQ(ErrorOf(Ram("a", {{"size", Number(1)}, {"prealloc-threads", Number(0)}})),
            "property 'prealloc-threads' of memory-backend-ram doesn't take value '0'");
  EXPECT_EQ(ErrorOf(Ram("a", {{"size", Number(1)}, {"hugetlb", {true}}})),
            "Parameter 'hugetlb' is unexpected");
  EXPECT_EQ(ErrorOf(Ram("a", {{"size", {std::string("x")}}})),
            "Invalid parameter type for 'size', expected: integer");
  EXPECT_EQ(ErrorOf({"memory-backend-file", "a", {{"size", Number(1)}}}),
            "Parameter 'mem-path' is missing");
  EXPECT_EQ(ErrorOf({"can-bus", "a", {}}), "Parameter 'qom-type' does not accept value 'can-bus'");
  EXPECT_EQ(ErrorOf({"rng-", "a", {}}), "Parameter 'qom-type' does not accept value 'rng-'");
  EXPECT_EQ(ErrorOf({"rng-builtin", "a", {{"opened", {false}}}}),
            "Property 'rng-builtin.opened' is not writable");
  EXPECT_EQ(ErrorOf({"rng-builtin", "a", {{"filename", {std::string("x")}}}}),
            "Parameter 'filename' is unexpected");
  EXPECT_EQ(ErrorOf({"rng-random", "a", {{"filename", {std::string("/nonexistent")}}}}),
            "Could not open '/nonexistent': No such file or directory");
  EXPECT_EQ(ErrorOf({"rng-egd", "a", {{"chardev", {std::string("x")}}}}), "Device 'x' not found");
  EXPECT_EQ(objects_.Remove("x").error().message, "object 'x' not found");
  EXPECT_EQ(objects_.Memdevs().size(), 1U);
}

TEST_F(Objects, UsedMemoryCannotGoNorBeUsedTwice) {
  ASSERT_TRUE(objects_.Add(Ram("m")));
  ASSERT_TRUE(objects_.UseMemory("m"));
  EXPECT_EQ(objects_.UseMemory("m").error().message,
            "memory backend 'm' can't be used multiple times.");
  EXPECT_EQ(objects_.Remove("m").error().message, "object 'm' is in use, can not be deleted");
}

TEST_F(Objects, UnusedObjectGoesAndItsIdIsFree) {
  ASSERT_TRUE(objects_.Add(Ram("m")));
  ASSERT_TRUE(objects_.Remove("m"));
  EXPECT_TRUE(objects_.Add(Ram("m")));
}

TEST_F(Objects, IothreadRunsAndIsNotMemory) {
  ASSERT_TRUE(objects_.Add({"iothread", "io", {{"poll-max-ns", Number(5)}}}));
  ASSERT_EQ(objects_.IoThreads().size(), 1U);
  EXPECT_GT(objects_.IoThreads()[0].thread_id, 0);
  EXPECT_EQ(objects_.IoThreads()[0].poll_max_ns, 5);
  EXPECT_EQ(objects_.UseMemory("io").error().message, "Memory backend 'io' not found");
  EXPECT_EQ(ErrorOf({"iothread", "b", {{"poll-max-ns", {int64_t{-5}}}}}),
            "poll-max-ns value must be in range [0, 9223372036854775807]");
  EXPECT_TRUE(objects_.Remove("io"));
}

TEST_F(Objects, ThreadPoolOfAnIothreadIsEmptyAndNothingElse) {
  ASSERT_TRUE(objects_.Add({"iothread", "io", {{"thread-pool-max", Number(1)}}}));
  EXPECT_EQ(ErrorOf({"iothread", "b", {{"thread-pool-min", Number(2)}}}),
            "property 'thread-pool-min' of iothread doesn't take value '2': it has no pool");
  EXPECT_EQ(ErrorOf({"iothread", "b", {{"thread-pool-min", Number(65)}}}),
            "bad thread-pool-min/thread-pool-max values");
  EXPECT_EQ(ErrorOf({"iothread", "b", {{"thread-pool-max", Number(0)}}}),
            "bad thread-pool-min/thread-pool-max values");
  EXPECT_EQ(objects_.IoThreads().size(), 1U);
}

TEST_F(Objects, PreallocContextNamesNoObjectThatDavitHas) {
  const auto with = [](const std::string& context) {
    return Ram("a", {{"size", Number(8192)}, {"prealloc-context", {context}}});
  };
  ASSERT_TRUE(objects_.Add(Ram("m")));
  const auto absent = objects_.Add(with("x"));
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::kDeviceNotFound);
  EXPECT_EQ(absent.error().message, "Device 'x' not found");
  for (const char* other : {"m", "/objects/m"}) {
    EXPECT_EQ(ErrorOf(with(other)),
              "Invalid parameter type for 'prealloc-context', expected: thread-context");
  }
  EXPECT_EQ(ErrorOf(with("")), "no error");
}

TEST_F(Objects, CanonicalPathForRamblocksIsRefusedByName) {
  const std::string name = "x-use-canonical-path-for-ramblock-id";
  EXPECT_EQ(ErrorOf(Ram("a", {{"size", Number(8192)}, {name, {true}}})),
            "property '" + name + "' of memory-backend-ram is not supported");
  EXPECT_EQ(ErrorOf(Ram("a", {{"size", Number(8192)}, {name, {false}}})), "no error");
}

TEST_F(Objects, SourceOfRandomNumbersLivesOnWithItsUser) {
  ASSERT_TRUE(objects_.Add({"rng-random", "r", {}}));
  EXPECT_EQ(objects_.UseRng("x", "rng").error().message, "Device 'x' not found");
  const auto source = objects_.UseRng("r", "rng");
  ASSERT_TRUE(source);
  EXPECT_EQ(objects_.UseIoThread("r", "iothread").error().message,
            "Invalid parameter type for 'iothread', expected: iothread");
  EXPECT_TRUE(objects_.Remove("r"));
  EXPECT_FALSE(objects_.Has("r"));
}

TEST_F(Objects, UsedIothreadCannotGo) {
  ASSERT_TRUE(objects_.Add({"iothread", "io", {}}));
  EXPECT_EQ(objects_.UseRng("io", "rng").error().message,
            "Invalid parameter type for 'rng', expected: rng-backend");
  {
    const auto thread = objects_.UseIoThread("io", "iothread");
    ASSERT_TRUE(thread);
    EXPECT_EQ(objects_.Remove("io").error().message, "object 'io' is in use, can not be deleted");
  }
  EXPECT_TRUE(objects_.Remove("io"));
}

}  // namespace
}  // namespace davit::machine
