// A Dockerfile and the patterns of an ignore file, as an author's folder has them: whatever they are, they are refused
// or read; and a Dockerfile that is said in older words still is one, of the same stages and bases, on the same lines.
#include <cstdlib>
#include <string_view>

#include "engine/ignore.h"
#include "templates/dockerfile.h"
#include "templates/dockerfile_rewrite.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace tiltyard;
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const engine::Ignore ignore(text);
  (void)ignore.excludes(text.substr(0, 64));
  const auto facts = templates::read_dockerfile(text, {{"A", "b"}});
  if (!facts.fault.empty()) return 0;
  for (const int syntax : {0, 102, 104, 119}) {
    bool can = true;
    for (const auto& need : facts.needs) can = can && need.least <= syntax;
    if (!can) continue;
    engine::BuildSpec spec;
    spec.args = {{"A", "b"}};
    templates::rewrite_dockerfile(text, syntax, spec);
    const auto again = templates::read_dockerfile(spec.dockerfile_text, spec.args);
    if (!again.fault.empty() || again.stages != facts.stages || again.bases != facts.bases) std::abort();
    for (const auto& need : again.needs) {
      if (need.syntax > syntax) std::abort();
    }
  }
  return 0;
}
