#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tiltyard::templates {

/// What a Dockerfile starts from and copies from, as far as `target` needs it.
struct DockerfileFacts {
  std::vector<std::string> bases;   ///< image references, without stages and `scratch`, each once
  std::vector<std::string> stages;  ///< names, in order; an unnamed one is empty
  bool has_from = false;
  int runs = 0;       ///< RUN instructions: roughly how long a build takes
  std::string fault;  ///< why it cannot be a Dockerfile; empty: none found
};

/// Reads `FROM` (with the ARGs before the first one and `args`), `COPY --from=` and `RUN --mount=from=` lines, with
/// continuations, comments and the escape directive. https://docs.docker.com/reference/dockerfile/
DockerfileFacts read_dockerfile(std::string_view text, const std::map<std::string, std::string>& args);

}  // namespace tiltyard::templates
