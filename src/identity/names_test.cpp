// Names that were given before normalisation decided which are the same.
#include <gtest/gtest.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <boost/json/serialize.hpp>

#include "identity/testing.h"

namespace tiltyard::identity::testing {
namespace {

namespace json = boost::json;

constexpr auto kPassword = "correct horse battery", kOther = "staple correct horse";
constexpr auto kComposed = "Ren\u00e9", kDecomposed = "Rene\u0301";

Ask make(Site& site, const char* name) {
  return Ask("POST", "/api/v1/admin/users", json::serialize(json::object{{"name", name}, {"password", kPassword}}))
      .bearer(site.admin());
}

Ask make_team(Site& site, const char* name) {
  return Ask("POST", "/api/v1/admin/teams", json::serialize(json::object{{"name", name}})).bearer(site.admin());
}

std::string whoever_signs_in(Site& site, const char* name, const char* password) {
  return site(Ask("GET", "/api/v1/me").cookie(site.sign_in(name, password))).text("id");
}

TEST(R7_1, OneNameIsOneUserHoweverItIsWritten) {
  Site site;
  EXPECT_EQ(site(make(site, kComposed)).status, 201);
  EXPECT_EQ(site(make(site, kDecomposed)).reason(), "user-exists");
  EXPECT_FALSE(whoever_signs_in(site, "RENE\u0301", kPassword).empty());
  EXPECT_EQ(site(make_team(site, kDecomposed)).status, 201);
  EXPECT_EQ(site(make_team(site, kComposed)).reason(), "team-exists");
}

TEST(R7_1, NobodyIsLockedOutByNamesThatAreTheSameNow) {
  Site site;
  const auto first = site.user(kComposed, kPassword), twin = site.user("twin", kOther),
             alone = site.user("alone", kPassword);
  {
    soci::session sql(soci::sqlite3, site.folder() + "/test.db");
    const std::string rename = "update users set name = :name, name_key = 'user:' || :folded where name = :before";
    sql << rename, soci::use(std::string(kDecomposed), "name"), soci::use(std::string("rene\u0301"), "folded"),
        soci::use(std::string("twin"), "before");
    sql << rename, soci::use(std::string("Zoe\u0308"), "name"), soci::use(std::string("zoe\u0308"), "folded"),
        soci::use(std::string("alone"), "before");
  }
  for (int starts = 0; starts < 2; ++starts) {
    site.restart(Site::fast());
    EXPECT_EQ(whoever_signs_in(site, kComposed, kPassword), first);
    EXPECT_EQ(whoever_signs_in(site, kDecomposed, kOther), twin) << "by exactly the name that it has";
    EXPECT_EQ(whoever_signs_in(site, "zo\u00eb", kPassword), alone)
        << "however it is written, as nobody else is called so";
    EXPECT_EQ(site(make(site, kDecomposed)).reason(), "user-exists");
  }
  const auto change = [&](const std::string& id, const char* body) {
    return site(Ask("PATCH", "/api/v1/admin/users/" + id, body).bearer(site.admin())).status;
  };
  EXPECT_EQ(change(twin, R"({"role":"author"})"), 200) << "a change that is none of the name";
  EXPECT_EQ(change(twin, R"({"name":"RENE"})"), 200);
  EXPECT_EQ(whoever_signs_in(site, "rene", kOther), twin);
  EXPECT_EQ(whoever_signs_in(site, kDecomposed, kPassword), first) << "and the name is the first one's alone";
}

}  // namespace
}  // namespace tiltyard::identity::testing
