// The list of the kinds of events, and the page that is made of it.
#include "app/event_kinds.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace tiltyard::app {
namespace {

TEST(R9_4, NoKindOfEventIsDeclaredTwice) {
  const auto kinds = kinds_of(capabilities());
  ASSERT_TRUE(kinds) << kinds.error().message;
  EXPECT_GT(kinds->kept().size(), 40U);
  ASSERT_NE(kinds->find("template.changed"), nullptr);
  EXPECT_EQ(kinds->find("template.changed")->rows, bus::Rows::kNone);
}

/// After a change of a declaration: UPDATE_DOCS=1 app_test --gtest_filter='*KindsIsTrue'
TEST(R9_4, ThePageOfKindsIsTrue) {
  const auto kinds = kinds_of(capabilities());
  ASSERT_TRUE(kinds) << kinds.error().message;
  const std::string path = std::string(TILTYARD_SOURCE_DIR) + "/docs/event-kinds.md";
  if (std::getenv("UPDATE_DOCS") != nullptr) std::ofstream(path) << kinds->markdown();
  std::ostringstream page;
  page << std::ifstream(path).rdbuf();
  EXPECT_EQ(page.str(), kinds->markdown());
}

}  // namespace
}  // namespace tiltyard::app
