// Searching against a plain look at every flag.
#include <gtest/gtest.h>

#include <algorithm>

#include <rapidcheck/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "base/text.h"
#include "farm/books_test.h"
#include "farm/search.h"

namespace tiltyard::farm {
namespace {

using testing::Farm;

std::vector<std::uint32_t> run(const Books& books, Filter filter, std::uint32_t before, std::size_t most) {
  boost::asio::io_context loop;
  auto found = boost::asio::co_spawn(loop, search(&books, std::move(filter), before, most), boost::asio::use_future);
  loop.run();
  return found.get();
}

std::vector<std::uint32_t> plainly(const Books& books, const Filter& filter, std::uint32_t before, std::size_t most) {
  std::vector<std::uint32_t> out;
  for (auto flag = std::min(before, books.flags().end()); flag > books.flags().first() && out.size() < most; --flag) {
    const auto& entry = books.flags()[flag - 1];
    if (filter.sploit && books.sploits().text(entry.sploit) != *filter.sploit) continue;
    if (filter.statuses != 0 && (filter.statuses >> static_cast<unsigned>(entry.status) & 1) == 0) continue;
    if (lower(books.flags().text(flag - 1)).find(lower(filter.flag)) == std::string::npos) continue;
    out.push_back(flag - 1);
  }
  return out;
}

RC_GTEST_PROP(R6_5, ASearchFindsWhatAPlainLookFinds, ()) {
  Farm farm;
  // Few letters, so that parts run into each other and over the ends of flags.
  const auto letter = rc::gen::element('a', 'B', 'b', '0', '=');
  const auto texts =
      *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(rc::gen::container<std::string>(letter)));
  for (const auto& text : texts) farm.post({text}, text.size() % 2 == 0 ? "even" : "odd");
  farm.take(*rc::gen::inRange<std::size_t>(1, 10));
  Filter filter;
  filter.flag = *rc::gen::container<std::string>(letter);
  if (*rc::gen::arbitrary<bool>()) filter.sploit = *rc::gen::element<std::string>("even", "odd", "nobody's");
  if (*rc::gen::arbitrary<bool>()) filter.statuses = *rc::gen::inRange(1u, 4u);
  const auto before = *rc::gen::inRange<std::uint32_t>(0, 60);
  const auto most = *rc::gen::inRange<std::size_t>(1, 20);
  RC_ASSERT(run(*farm.books, filter, before, most) == plainly(*farm.books, filter, before, most));
}

TEST(R6_5, ASearchGoesThroughAllChunks) {
  Farm farm;
  std::vector<std::string> many;
  for (int i = 0; i < 10'000; ++i) many.push_back("flag-" + std::to_string(i) + "-X");
  farm.post(many);
  for (const auto* part : {"-777-", "9-x", "FLAG-12", "nothing of it"}) {
    Filter filter;
    filter.flag = part;
    EXPECT_EQ(run(*farm.books, filter, UINT32_MAX, 20'000), plainly(*farm.books, filter, UINT32_MAX, 20'000)) << part;
  }
}

}  // namespace
}  // namespace tiltyard::farm
