#include "tls/files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "observe/log.h"

namespace tiltyard::tls {
namespace {

constexpr std::size_t kLongestFile = 256 * 1024;

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kLongestFile + 1, '\0');
  if (!in) {
    return fail(Code::kInvalid, "tls-invalid",
                fmt::format("The file {} cannot be read: {}.", path, std::strerror(errno)));
  }
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad() || text.empty() || text.size() > kLongestFile)
    return fail(Code::kInvalid, "tls-invalid", fmt::format("The file {} is empty, too long, or no file.", path));
  return text;
}

/// Whether a certificate's name is that name, or a wildcard for it.
bool is_for(std::string_view name, const std::vector<std::string>& names) {
  const auto dot = name.find('.');
  return std::ranges::any_of(names, [&](std::string_view each) {
    if (each == name) return true;
    return each.starts_with("*.") && dot != std::string_view::npos && dot > 0 && name.substr(dot) == each.substr(1);
  });
}

}  // namespace

Files::Files(Certificates& shelf, std::map<std::string, FilePair> all) : shelf_(shelf) {
  for (auto& [source, files] : all) {
    if (files.fallback) shelf_.set_default(source);
    all_[source].files = std::move(files);
  }
}

Files::Stamp Files::stamp_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return {-1, 0, 0, 0};
  return {static_cast<std::int64_t>(found.st_ino), found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

void Files::look() {
  for (auto& [source, watched] : all_) {
    const std::array now{stamp_of(watched.files.chain), stamp_of(watched.files.key)};
    if (now == watched.seen) continue;
    watched.seen = now;
    say(source, watched, take_up(source, watched.files));
  }
}

/// What is wrong; empty: nothing.
std::string Files::take_up(const std::string& source, const FilePair& files) {
  auto chain = read_file(files.chain);
  auto key = read_file(files.key);
  const Secret secret(key ? std::move(*key) : std::string());
  if (!chain || !key) {
    auto problem = chain ? key.error().message : chain.error().message;
    shelf_.complain(source, problem);
    return problem;
  }
  if (auto put = shelf_.put(source, *chain, secret); !put) return put.error().message;
  const auto all = shelf_.list();
  const auto shown = std::ranges::find(all, source, &Shown::source);
  if (shown == all.end()) return {};
  std::string missing;
  for (const auto& name : files.names) {
    if (!is_for(name, shown->names)) missing += (missing.empty() ? "" : ", ") + name;
  }
  if (shown->problem.empty() && !missing.empty()) {
    auto problem = fmt::format("It is not for {}, but for {}.", missing, fmt::join(shown->names, ", "));
    shelf_.complain(source, problem);
    return problem;
  }
  return shown->problem;
}

void Files::say(const std::string& source, Watched& watched, std::string problem) {
  if (problem.empty()) {
    log::info("tls", "certificate loaded", {{"source", source}, {"file", watched.files.chain}});
  } else if (problem != watched.said) {
    log::warn("tls", "a certificate has a problem",
              {{"source", source}, {"file", watched.files.chain}, {"problem", problem}});
  }
  watched.said = std::move(problem);
}

}  // namespace tiltyard::tls
