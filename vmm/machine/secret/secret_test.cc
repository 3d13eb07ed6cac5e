// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Secrets: what decrypts to what (NIST SP 800-38A, F.2.6, and openssl enc), QEMU's errors, and that
// no message has the bytes. The transcript `secret` holds both programs to the rest.
#include "vmm/machine/secret/secret.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "vmm/base/unique_fd.h"
#include "vmm/machine/secret/aes_cbc.h"

namespace davit::machine {
namespace {

using Given = std::map<std::string, std::string>;

// 00 01 02 ... in base64.
constexpr char kKey[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr char kIv[] = "AAECAwQFBgcICQoLDA0ODw==";
constexpr char kHunter[] = "5Oc1d6/9hbpDg7sQDpNVfw==";  // "hunter2", padded and encrypted so

std::string Text(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

class SecretTest : public ::testing::Test {
 protected:
  SecretTest() {
    Make("key", {{"data", kKey}, {"format", "base64"}});
    Make("short", {{"data", "abc"}});
  }
  ~SecretTest() override { std::filesystem::remove(file_); }

  Result<std::unique_ptr<Secret>> Try(const std::string& id, const Given& given,
                                      bool may_wait = false) {
    control::ObjectSpec spec{"secret", id, {}};
    for (const auto& [name, value] : given) {
      spec.properties.emplace_back(name, control::PropertyValue{value});
    }
    const auto find = [this](const std::string& other) -> Result<const Secret*> {
      const auto it = made_.find(other);
      if (it == made_.end()) return Fail(fmt::format("No secret with id '{}'", other));
      return it->second.get();
    };
    return Secret::Create(spec, find, may_wait);
  }
  void Make(const std::string& id, const Given& given) {
    auto secret = Try(id, given);
    ASSERT_TRUE(secret) << secret.error();
    made_[id] = std::move(*secret);
  }
  std::string BytesOf(const Given& given) {
    const auto secret = Try("s", given);
    return secret ? Text((*secret)->bytes()) : "error: " + secret.error().message;
  }
  std::string Decrypted(std::string data, std::string format = "base64") {
    return BytesOf(
        {{"data", std::move(data)}, {"format", std::move(format)}, {"keyid", "key"}, {"iv", kIv}});
  }
  std::string WriteFile(std::string_view bytes) {
    std::ofstream(file_, std::ios::binary) << bytes;
    return file_;
  }

  const std::string file_ = ::testing::TempDir() + "/secret_test_file";
  std::map<std::string, std::unique_ptr<Secret>> made_;
};

TEST(AesCbcTest, BlocksOfTheStandard) {
  constexpr std::array<uint8_t, 32> kStandardKey = {0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe,
                                                    0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d, 0x77, 0x81,
                                                    0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7,
                                                    0x2d, 0x98, 0x10, 0xa3, 0x09, 0x14, 0xdf, 0xf4};
  constexpr std::array<uint8_t, 16> kStandardIv = {0, 1, 2,  3,  4,  5,  6,  7,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
  constexpr std::array<uint8_t, 32> kCipher = {0xf5, 0x8c, 0x4c, 0x04, 0xd6, 0xe5, 0xf1, 0xba,
                                               0x77, 0x9e, 0xab, 0xfb, 0x5f, 0x7b, 0xfb, 0xd6,
                                               0x9c, 0xfc, 0x4e, 0x96, 0x7e, 0xdb, 0x80, 0x8d,
                                               0x67, 0x9f, 0x77, 0x7b, 0xc6, 0x70, 0x2c, 0x7d};
  constexpr std::array<uint8_t, 32> kPlain = {0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96,
                                              0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a,
                                              0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c,
                                              0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51};
  const auto plain = DecryptAes256Cbc(kStandardKey, kStandardIv, kCipher);
  ASSERT_TRUE(plain) << plain.error();
  EXPECT_EQ(Text(plain->span()), Text(kPlain));
}

TEST(WipedBytesTest, WhatIsCutOffIsOverwritten) {
  WipedBytes bytes("hunter2");
  const uint8_t* const at = bytes.data();
  bytes.Shrink(2);
  EXPECT_EQ(bytes.text(), "hu");
  EXPECT_EQ(Text({at + 2, 5}), std::string(5, '\0'));
}

TEST(WipedBytesTest, GrowsAndMoves) {
  WipedBytes bytes;
  for (int i = 0; i < 100; ++i) bytes.Append("0123456789", 10);
  EXPECT_EQ(bytes.size(), 1000u);
  EXPECT_EQ(bytes.text().substr(990), "0123456789");
  const WipedBytes other(std::move(bytes));
  EXPECT_EQ(other.size(), 1000u);
}

TEST_F(SecretTest, RawAndBase64) {
  EXPECT_EQ(BytesOf({{"data", "a\nb"}}), "a\nb");
  EXPECT_EQ(BytesOf({{"data", "aHVudGVyMg=="}, {"format", "base64"}}), "hunter2");
  EXPECT_EQ(BytesOf({{"data", "aHVu\ndGVyMg==\n"}, {"format", "base64"}}), "hunter2");
  EXPECT_EQ(BytesOf({{"data", ""}, {"format", "base64"}}), "");
  // As QEMU: an incomplete group is dropped, and one may be padded in the midst.
  EXPECT_EQ(BytesOf({{"data", "aHVudGVyMg"}, {"format", "base64"}}), "hunter");
  EXPECT_EQ(BytesOf({{"data", "YQ==YQ=="}, {"format", "base64"}}), "aa");
  EXPECT_EQ(BytesOf({{"file", WriteFile(std::string_view("a\0b", 3))}}), std::string("a\0b", 3));
}

TEST_F(SecretTest, EncryptedWithAnother) {
  EXPECT_EQ(Decrypted(kHunter), "hunter2");
  EXPECT_EQ(Decrypted(""), "");
  EXPECT_EQ(Decrypted("6cPvirI0U+bwdJzWNueojg=="), "") << "a block of padding";
  EXPECT_EQ(
      BytesOf({{"file", WriteFile(kHunter)}, {"format", "base64"}, {"keyid", "key"}, {"iv", kIv}}),
      "hunter2");
  constexpr std::string_view kRaw(
      "\xe4\xe7\x35\x77\xaf\xfd\x85\xba\x43\x83\xbb\x10\x0e\x93\x55\x7f");
  EXPECT_EQ(BytesOf({{"file", WriteFile(kRaw)}, {"keyid", "key"}, {"iv", kIv}}), "hunter2");
}

// QEMU looks at the last byte, and takes 0 for no padding at all.
TEST_F(SecretTest, PaddingIsJudgedAsQemuDoes) {
  EXPECT_EQ(Decrypted("Wm4EVwj7cZbwLlU9AsOmkg=="), std::string(16, '\0'));
  EXPECT_EQ(Decrypted("qyxIxwgXWy55Myvnstj6xA=="), "abcdefghijklmn");
  EXPECT_EQ(Decrypted("43uuyl/uOF58KspcVgvH+w=="),
            "error: Incorrect number of padding bytes (17) found on decrypted data");
}

TEST_F(SecretTest, MistakesAreWordedAsQemus) {
  const std::string iv3 = "AAEC";
  const std::pair<Given, std::string> cases[] = {
      {{}, "Either 'file' or 'data' must be provided"},
      {{{"data", "x"}, {"file", "y"}}, "'file' and 'data' are mutually exclusive"},
      {{{"data", "x"}, {"keyid", "nope"}}, "No secret with id 'nope'"},
      {{{"data", "x"}, {"keyid", ""}}, "No secret with id ''"},
      {{{"data", "x"}, {"keyid", "s"}}, "Secret with id 's' has no data"},
      {{{"data", "!!"}, {"format", "base64"}, {"keyid", "short"}},
       "Key should be 32 bytes in length"},
      {{{"data", "!!"}, {"format", "base64"}, {"keyid", "key"}},
       "IV is required to decrypt secret"},
      {{{"data", "x"}, {"keyid", "key"}, {"iv", "!!"}}, "Base64 data contains invalid characters"},
      {{{"data", "!!"}, {"format", "base64"}, {"keyid", "key"}, {"iv", iv3}},
       "IV should be 16 bytes in length not 3"},
      {{{"data", "!!"}, {"format", "base64"}, {"keyid", "key"}, {"iv", kIv}},
       "Base64 data contains invalid characters"},
      {{{"data", kHunter}, {"keyid", "key"}, {"iv", kIv}},
       "Length 24 must be a multiple of block size 16"},
  };
  for (const auto& [given, error] : cases) EXPECT_EQ(BytesOf(given), "error: " + error);
}

TEST_F(SecretTest, EncryptedWithTheWrongKeyNamesNoBytes) {
  Make("other", {{"data", "0123456789abcdef0123456789abcdef"}});
  EXPECT_EQ(BytesOf({{"data", kHunter}, {"format", "base64"}, {"keyid", "other"}, {"iv", kIv}}),
            "error: Incorrect number of padding bytes (32) found on decrypted data");
}

TEST_F(SecretTest, QueriesTellWhatWasGiven) {
  Make("s", {{"data", kHunter}, {"format", "base64"}, {"keyid", "key"}, {"iv", kIv}});
  const auto text = [&](const char* name) {
    return std::get<std::string>(made_["s"]->Property(name)->value);
  };
  EXPECT_EQ(text("data"), kHunter);
  EXPECT_EQ(text("format"), "base64");
  EXPECT_EQ(text("keyid"), "key");
  EXPECT_EQ(text("iv"), kIv);
  EXPECT_EQ(text("file"), "");
  EXPECT_FALSE(made_["s"]->Property("bytes"));
  // The key may go meanwhile.
  made_.erase("key");
  EXPECT_EQ(Text(made_["s"]->bytes()), "hunter2");
}

TEST_F(SecretTest, FilesThatAreNoneOrEndless) {
  EXPECT_EQ(BytesOf({{"file", "/dev/zero"}}),
            "error: Unable to read /dev/zero: Error reading file “/dev/zero”: File too large");
  EXPECT_EQ(
      BytesOf({{"file", "/nonexistent"}, {"keyid", "nope"}}),
      "error: Unable to read /nonexistent: Failed to open file “/nonexistent”: No such file or "
      "directory");
}

// One without a writer yet would be an empty secret.
TEST_F(SecretTest, FifosAreWaitedForOrRefused) {
  ASSERT_EQ(mkfifo(file_.c_str(), 0600), 0);
  EXPECT_EQ(BytesOf({{"file", file_}}),
            "error: Unable to read " + file_ + ": it is a FIFO, which only -object waits for");
  std::jthread writer([this] {
    const UniqueFd fd(open(file_.c_str(), O_WRONLY | O_CLOEXEC));
    for (const char byte : {'a', 'b', 'c'}) EXPECT_EQ(write(fd.get(), &byte, 1), 1);
  });
  const auto secret = Try("s", {{"file", file_}}, true);
  ASSERT_TRUE(secret) << secret.error();
  EXPECT_EQ(Text((*secret)->bytes()), "abc");
}

}  // namespace
}  // namespace davit::machine
