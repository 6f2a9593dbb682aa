// routes: what the API has, who may call it and how often.
#include <CLI/App.hpp>

#include "app/composition.h"
#include "cli/words.h"

namespace tiltyard::cli {

void add_routes(Words& words) {
  auto* word = words.app.add_subcommand("routes", "Every route, who may call it and how often, as Markdown");
  words.does(word, [c = &words.context] {
    const auto page = app::routes_page(app::capabilities());
    if (!page) return complain(*c, page.error());
    print(*page);
    return static_cast<int>(kOk);
  });
}

}  // namespace tiltyard::cli
