// Nobody locks out somebody else: what counts against whom when passwords are tried (row 7.1).
#include "identity/device.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <chrono>
#include <string>

#include "identity/attempts.h"
#include "identity/testing.h"

namespace tiltyard::identity::testing {
namespace {

namespace json = boost::json;

constexpr auto kPassword = "correct horse battery";

Ask attempt(const std::string& name, const std::string& password, const std::string& address,
            const std::string& device = {}) {
  auto ask = Ask("POST", "/api/v1/session",
                 json::serialize(json::object{{"strategy", "local"}, {"name", name}, {"password", password}}))
                 .from(address);
  if (!device.empty()) ask.header("Cookie", "tiltyard-device=" + device);
  return ask;
}

std::string device_of(const Answered& answer) {
  constexpr std::string_view kName = "tiltyard-device=";
  for (const auto& [name, value] : answer.headers) {
    if (name == "Set-Cookie" && value.starts_with(kName))
      return value.substr(kName.size(), value.find(';') - kName.size());
  }
  return {};
}

TEST(R7_1, WhatOthersTryDoesNotKeepAKnownBrowserOut) {
  Site site;
  site.user("victim", kPassword);
  const auto device = device_of(site(attempt("victim", kPassword, "10.0.0.1")));
  ASSERT_EQ(device.size(), 128U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(site(attempt("victim", "a guess", "10.0.0.1")).status, 401);
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.1")).status, 429)
      << "a browser that is new where guesses come from";
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.1", device)).status, 201);
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.2")).status, 201) << "and everybody elsewhere";
}

TEST(R7_1, AKnownBrowserHasTenTriesOfItsOwn) {
  Site site;
  site.user("victim", kPassword);
  site.user("other", kPassword);
  const auto device = device_of(site(attempt("victim", kPassword, "10.0.0.1")));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(site(attempt("victim", "a guess", "10.0.0.1", device)).status, 401);
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.9", device)).status, 429)
      << "a stolen one opens no door for guesses";
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.1")).status, 201) << "and closes none";
}

TEST(R7_1, ABrowserIsKnownForItsOwnNameAlone) {
  Site site;
  site.user("victim", kPassword);
  site.user("mallory", kPassword);
  const auto device = device_of(site(attempt("mallory", kPassword, "10.0.0.6")));
  auto forged = device;
  forged.back() = forged.back() == '0' ? '1' : '0';
  for (const auto& shown : {device, forged, std::string(128, '0')}) {
    for (int i = 0; i < 4; ++i) site(attempt("victim", "a guess", "10.0.0.6", shown));
  }
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.6", device)).status, 429) << "twelve guesses, all of one address";
}

TEST(R7_1, AnAddressOfTheSameNetworkIsNoFreshOne) {
  Site site;
  site.user("victim", kPassword);
  for (int i = 0; i < 10; ++i) site(attempt("victim", "a guess", "2001:db8:1:2::" + std::to_string(i + 1)));
  EXPECT_EQ(site(attempt("victim", kPassword, "2001:db8:1:2:ffff::1")).status, 429);
  EXPECT_EQ(site(attempt("victim", kPassword, "2001:db8:1:3::1")).status, 201);
}

TEST(R7_1, GuessesFromEverywhereMakeOneWaitAndNoMore) {
  EXPECT_EQ(delay_after(19).count(), 0);
  EXPECT_EQ(delay_after(20).count(), 250);
  EXPECT_EQ(delay_after(60).count(), 1000);
  EXPECT_EQ(delay_after(100'000'000).count(), 4000);
  Site site;
  site.user("victim", kPassword);
  const auto device = device_of(site(attempt("victim", kPassword, "10.0.0.1")));
  for (int i = 0; i < 20; ++i) site(attempt("victim", "a guess", "10.1.0." + std::to_string(i + 1)));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.2")).status, 201);
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds{250});
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.1", device)).status, 201);
  // An hour later all is forgotten.
  site.clock.advance(std::chrono::hours{1});
  EXPECT_EQ(site(attempt("victim", kPassword, "10.0.0.2")).status, 201);
}

TEST(R7_1, ABrowserIsKnownToServersOfTheSameToken) {
  Devices ours, again, others;
  ours.set_key(Secret("the admin token of all"));
  again.set_key(Secret("the admin token of all"));
  others.set_key(Secret("another admin's token"));
  const auto value = ours.issue("n victim");
  ASSERT_TRUE(again.read(value));
  EXPECT_EQ(again.read(value)->name, again.name_tag("n victim"));
  EXPECT_NE(ours.issue("n victim"), value) << "each browser has its own";
  EXPECT_FALSE(others.read(value));
  for (const auto* bad : {"", "x", "tiltyard"}) EXPECT_FALSE(ours.read(bad));
}

}  // namespace
}  // namespace tiltyard::identity::testing
