#include <gtest/gtest.h>

#include "ssh/fetch.h"
#include "ssh/public_key.h"

namespace tiltyard::ssh {
namespace {

// Made by ssh-keygen; their private halves are gone. The fingerprints are what `ssh-keygen -lf` says.
const std::string kEd25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1Vwe8Sz4XHwsZEwl9B9K96mgFybbfj6Ne91h2Oso+I";
const std::string kEd25519Print = "SHA256:yvmA4M94M1nb73sjAgaqspg+9zGpW69o4QS69OWiGZk";
const std::string kEcdsa =
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAB+z9PVKCj4R4859C"
    "bvqwGKQydCW3a3xGe5YMIRm8il+LjC1e2KGqbrghDy30gbszrVfJ0BtHbslVFiBXv5WrQ=";
const std::string kEcdsaPrint = "SHA256:LXnS/9Kzp/49aGcRmm9aTq2sPW2KqYnkCHb/lmoOs1Q";
const std::string kRsa1024 =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDiVYJAYKfylvX5+hl8UVH6GCX/vcHcP4LA/byH6Gke9oY8Sb0Qi9"
    "A4Vt/yEKWMK2DrkfwU3/I/K2266SMhEDEiQpdZXxh+HORYjDVPcguSd5WkgynhMikjtF8zESDh7HVdLqDo5dLwLvfKXMB3oWRsAS"
    "4PIyqDYZq6vEeUuKaxZw==";

std::string reason_of(std::string_view line) {
  const auto key = read_public_key(line);
  return key ? "(a key)" : key.error().reason;
}

TEST(R3_4, KeysAreReadAsOpensshWritesThem) {
  const auto key = read_public_key(kEd25519 + " me@laptop\n");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->type, "ssh-ed25519");
  EXPECT_EQ(key->comment, "me@laptop");
  EXPECT_EQ(key->line(), kEd25519);
  EXPECT_EQ(fingerprint_of(key->blob), kEd25519Print);
  const auto other = read_public_key(kEcdsa);
  ASSERT_TRUE(other);
  EXPECT_EQ(fingerprint_of(other->blob), kEcdsaPrint);
  EXPECT_EQ(other->comment, "");
}

TEST(R3_4, WhatIsNoGoodKeyIsRefused) {
  for (const auto& line :
       {std::string(), std::string("ssh-ed25519"), std::string("ssh-ed25519 AAAA"), "command=\"x\" " + kEd25519,
        kEd25519.substr(0, kEd25519.size() - 4), kEd25519 + "\n" + kEcdsa, "ssh-rsa" + kEd25519.substr(11),
        std::string("-----BEGIN OPENSSH PRIVATE KEY-----"), kRsa1024, std::string("ssh-dss AAAAB3NzaC1kc3M="),
        std::string("ssh-ed25519-cert-v01@openssh.com AAAA")}) {
    EXPECT_EQ(reason_of(line), "key-invalid") << line;
  }
  const std::string wild = read_public_key(kEd25519 + " a\x1b[31m\x7f" + std::string(500, 'x'))->comment;
  EXPECT_EQ(wild.substr(0, 5), "a[31m");
  EXPECT_EQ(wild.size(), 100U);
}

TEST(R3_4, OfAPageOfKeysTheGoodOnesAreTaken) {
  const auto keys = read_public_keys("# mine\n\n" + kEd25519 + "\r\n" + kRsa1024 + "\nnonsense\n" + kEcdsa, 10);
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].line(), kEd25519);
  EXPECT_EQ(keys[1].line(), kEcdsa);
  EXPECT_EQ(read_public_keys(kEd25519 + "\n" + kEcdsa, 1).size(), 1U);
}

TEST(R3_4, KeysAreFetchedFromListedPlacesAlone) {
  const std::vector<std::string> from{"https://github.com/"};
  EXPECT_TRUE(may_be_asked("https://github.com/someone.keys", from));
  for (const auto* url :
       {"https://github.com/", "https://github.com.evil/x", "https://github.com@evil/x", "http://github.com/x",
        "https://github.com/../x", "https://github.com/x?y", "https://github.com/x#y", "https://github.com/%2e",
        "https://github.com/a b", "https://github.com/a\r\nHost: x", "file:///etc/passwd"})
    EXPECT_FALSE(may_be_asked(url, from)) << url;
  EXPECT_FALSE(may_be_asked("https://github.com/someone.keys", {}));
}

}  // namespace
}  // namespace tiltyard::ssh
