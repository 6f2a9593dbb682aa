// serve, and routes: what the API has, who may call it and how often.
#include <CLI/App.hpp>

#include "app/composition.h"
#include "app/words.h"
#include "base/failpoint.h"
#include "cli/words.h"

namespace tiltyard::app {

void add_serve(cli::Words& words, Serve serve) {
  auto* word = words.add("serve", "Run the server");
  auto points = std::make_shared<std::string>();
  // For the project's own tests: in no help, in no file, in no variable.
  word->add_option("--break-on-purpose", *points)->group("");
  words.does(word, [c = &words.context, serve = std::move(serve), points] {
    if (!points->empty()) cli::note("tiltyard: FAIL POINTS ARE ARMED (" + *points + "): this server breaks on purpose");
    arm_failpoints(*points);
    return serve(cli::config_path(*c));
  });
}

void add_routes(cli::Words& words) {
  auto* word = words.add("routes", "Every route, who may call it and how often, as Markdown");
  words.does(word, [c = &words.context] {
    const auto page = routes_page(capabilities());
    if (!page) return cli::complain(*c, page.error());
    cli::print(*page);
    return static_cast<int>(cli::kOk);
  });
}

}  // namespace tiltyard::app
