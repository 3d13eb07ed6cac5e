// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Object tree: ids, types, properties, use, and QEMU's words for what is wrong.
#include "vmm/machine/object_tree.h"

#include <gtest/gtest.h>

#include "vmm/backend/block/graph.h"
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
  backend::PathOpener opener_;
  backend::BlockGraph blocks_{opener_};
  ObjectTree objects_{{}, {&loop_, nullptr, nullptr, &blocks_}};
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

TEST_F(Objects, MemoryIsFoundByIdAndByPath) {
  ASSERT_TRUE(objects_.Add(Ram("m")));
  const auto memory = objects_.FindMemory("/objects/m", "memdev");
  ASSERT_TRUE(memory) << memory.error();
  EXPECT_EQ(*memory, *objects_.FindMemory("m", "memdev"));
  EXPECT_EQ(objects_.FindMemory("/objects/x", "memdev").error().message,
            "Device '/objects/x' not found");
  EXPECT_FALSE(objects_.Remove("/objects/m")) << "object-del takes ids alone";
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

TEST_F(Objects, ASecretIsCheckedWhenItIsMade) {
  using Text = std::string;
  EXPECT_EQ(ErrorOf({"secret", "s", {}}), "Either 'file' or 'data' must be provided");
  EXPECT_EQ(ErrorOf({"secret", "s", {{"data", {Text("x")}}, {"file", {Text("y")}}}}),
            "'file' and 'data' are mutually exclusive");
  EXPECT_EQ(ErrorOf({"secret", "s", {{"file", {Text("/nonexistent")}}}}),
            "Unable to read /nonexistent: Failed to open file “/nonexistent”: No such file or "
            "directory");
  EXPECT_EQ(ErrorOf({"secret", "s", {{"file", {Text("/dev/zero")}}}}),
            "Unable to read /dev/zero: Error reading file “/dev/zero”: File too large");
  EXPECT_EQ(ErrorOf({"secret", "s", {{"data", {Text("a-b")}}, {"format", {Text("base64")}}}}),
            "Base64 data contains invalid characters");
  ASSERT_TRUE(objects_.Add({"iothread", "io", {}}));
  EXPECT_EQ(ErrorOf({"secret", "s", {{"data", {Text("x")}}, {"keyid", {Text("k")}}}}),
            "No secret with id 'k'");
  EXPECT_EQ(ErrorOf({"secret", "s", {{"data", {Text("x")}}, {"keyid", {Text("io")}}}}),
            "Object with id 'io' is not a secret");
  EXPECT_FALSE(objects_.Has("s"));
  ASSERT_TRUE(
      objects_.Add({"secret", "s", {{"data", {Text("YQ==")}}, {"format", {Text("base64")}}}}));
  EXPECT_TRUE(objects_.Remove("s"));
}

TEST_F(Objects, LimitsAreReadAndChanged) {
  const control::PropertyMap limits{{"iops-total", {int64_t{50}}}, {"iops-size", {int64_t{512}}}};
  ASSERT_TRUE(objects_.Add({"throttle-group", "g", {{"limits", {limits}}}}));
  QomNode root{.name = "", .type = "container"};
  objects_.AddTo(root);
  const auto number = [&root](const char* name) {
    const auto value = ReadProperty(root, "g", name);
    const auto* n = value && *value ? std::get_if<int64_t>(&(*value)->value) : nullptr;
    return n != nullptr ? *n : int64_t{-1};
  };
  EXPECT_EQ(number("x-iops-total"), 50);
  EXPECT_EQ(number("x-iops-size"), 512);
  EXPECT_EQ(number("x-bps-read-max-length"), 1);
  EXPECT_EQ(number("x-bps"), -1);
  EXPECT_EQ(number("iops-total"), -1);
  const auto set = [&root](control::PropertyMap map) {
    const Status status = WriteProperty(root, "g", "limits", {std::move(map)});
    return status ? "" : status.error().message;
  };
  EXPECT_EQ(set({{"iops-total", {int64_t{60}}}}), "");
  EXPECT_EQ(number("x-iops-total"), 60);
  EXPECT_EQ(number("x-iops-size"), 512);  // was not given
  // One that is refused changes nothing.
  EXPECT_NE(set({{"bps-total", {int64_t{7}}}, {"iops-read", {int64_t{7}}}}), "");
  EXPECT_EQ(number("x-bps-total"), 0);
}

TEST_F(Objects, LimitsInUseCannotGo) {
  ASSERT_TRUE(objects_.Add({"throttle-group", "g", {{"x-iops-total", {uint64_t{5}}}}}));
  backend::BlockNodeSpec null;
  null.driver = backend::BlockDriver::kNullCo;
  null.node_name = "n";
  backend::BlockNodeSpec throttle;
  throttle.driver = backend::BlockDriver::kThrottle;
  throttle.node_name = "t";
  throttle.file_node = "n";
  throttle.throttle_group = "g";
  ASSERT_TRUE(blocks_.AddNode(null) && blocks_.AddNode(throttle));
  EXPECT_EQ(objects_.Remove("g").error().message, "object 'g' is in use, can not be deleted");
  ASSERT_TRUE(blocks_.RemoveNode("t"));
  EXPECT_TRUE(objects_.Remove("g"));
}

TEST_F(Objects, PropertiesReadAsTheObjectHasThem) {
  ASSERT_TRUE(objects_.Add({"iothread", "io", {{"poll-grow", {uint64_t{3}}}}}));
  ASSERT_TRUE(objects_.Add({"memory-backend-memfd", "m", {{"size", {uint64_t{4096}}}}}));
  QomNode root{.name = "", .type = "container"};
  objects_.AddTo(root);
  const auto number = [&root](const char* path, const char* name) {
    const auto value = ReadProperty(root, path, name);
    if (!value || !*value) return int64_t{-1};
    if (const auto* n = std::get_if<uint64_t>(&(*value)->value)) return static_cast<int64_t>(*n);
    if (const auto* b = std::get_if<bool>(&(*value)->value)) return int64_t{*b};
    const auto* n = std::get_if<int64_t>(&(*value)->value);
    return n != nullptr ? *n : int64_t{-1};
  };
  EXPECT_EQ(number("io", "poll-grow"), 3);
  EXPECT_EQ(number("io", "thread-pool-max"), 64);
  EXPECT_EQ(number("io", "size"), -1);
  EXPECT_EQ(number("m", "size"), 4096);
  EXPECT_EQ(number("m", "share"), 1);  // of a memfd
  EXPECT_EQ(number("m", "mem-path"), -1);

  ASSERT_TRUE(WriteProperty(root, "io", "poll-max-ns", {uint64_t{7}}));
  EXPECT_EQ(objects_.IoThreads().front().poll_max_ns, 7);
  ASSERT_TRUE(WriteProperty(root, "io", "aio-max-batch", {uint64_t{3}}));
  EXPECT_EQ(objects_.IoThreads().front().aio_max_batch, 3);
  EXPECT_EQ((*objects_.UseIoThread("io", "iothread"))->loop().max_batch(), 3);
  for (const auto& [path, name] : {std::pair("io", "thread-pool-max"), {"m", "share"}}) {
    const Status status = WriteProperty(root, path, name, {true});
    ASSERT_FALSE(status) << name;
    EXPECT_TRUE(status.error().message.ends_with("is not writable")) << status.error();
  }
}

}  // namespace
}  // namespace davit::machine
