// What Dockerfiles say of set-user-ID programs, for who lints without an engine.
#include "templates/rights.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace tiltyard::templates {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostDockerfile = 1024 * 1024;

std::string dockerfile_of(const engine::BuildSpec& build) {
  if (!build.dockerfile_text.empty()) return build.dockerfile_text;
  const auto path = fs::path(build.context) / build.dockerfile;
  std::error_code failure;
  if (const auto size = fs::file_size(path, failure); failure || size > kMostDockerfile) return {};
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// "4755", "u+s", "ug=rxs": a mode that gives an executable its owner's or its group's rights.
bool gives_rights(std::string_view mode) {
  if (mode.find_first_not_of("01234567") == std::string_view::npos) {
    while (mode.size() > 4 && mode.front() == '0') mode.remove_prefix(1);
    return mode.size() == 4 && ((mode.front() - '0') & 6) != 0;
  }
  const auto change = mode.find_first_of("+=");
  return change != std::string_view::npos && mode.find_first_not_of("ugoa") == change &&
         mode.substr(change).contains('s') && mode.find_first_not_of("ugoarwxXst+-=,") == std::string_view::npos;
}

/// What a line does that makes such a program; empty: nothing.
std::string deed_of(std::string_view line) {
  std::string_view command;
  for (std::size_t at = 0; at < line.size();) {
    const auto begin = line.find_first_not_of(" \t;&|()\"',[]", at);
    if (begin == std::string_view::npos || line[begin] == '#') break;
    const auto end = std::min(line.find_first_of(" \t;&|()\"',[]", begin), line.size());
    const auto word = line.substr(begin, end - begin);
    at = end;
    constexpr std::string_view kChmod = "--chmod=";
    if (word == "setcap") return "setcap";
    if (word.starts_with(kChmod) && gives_rights(word.substr(kChmod.size()))) return std::string(word);
    if (command == "chmod" && gives_rights(word)) return fmt::format("chmod {}", word);
    if (command == "install" && (word == "sudo" || word == "doas")) return fmt::format("install {}", word);
    // Options and further packages leave the command what it is.
    if (word == "chmod" || word == "install" || word == "add") command = word == "add" ? "install" : word;
    else if (command == "chmod" && !word.starts_with('-')) command = {};
  }
  return {};
}

Problem say(const Service& service, std::string file, int line, const std::string& deed) {
  if (service.set_user_id == SetUserId::kNo || service.set_user_id == SetUserId::kForbidden) {
    return {Problem::Severity::kWarning, std::move(file), line,
            fmt::format("\"{}\" will give nobody any rights: {}, so that what needs it cannot be solved. {}", deed,
                        service.set_user_id == SetUserId::kNo ? "the template switches set-user-ID programs off"
                                                              : "this site forbids set-user-ID programs",
                        service.set_user_id == SetUserId::kNo ? "Take setuid = false, or no-new-privileges:true, out"
                                                              : "An operator can allow \"setuid\" for this template")};
  }
  return {
      Problem::Severity::kNote, std::move(file), line,
      fmt::format("\"{}\" works: {} runs without no-new-privileges, with the same capabilities as any machine. setuid "
                  "= false in instance.toml switches it off",
                  deed, service.name)};
}

}  // namespace

std::vector<Problem> lint_rights(const Template& tmpl) {
  std::vector<Problem> out;
  for (const auto& service : tmpl.services) {
    if (!service.build || service.container.privileged_by_operator) continue;
    const std::string text = dockerfile_of(*service.build);
    auto file =
        service.build->dockerfile_text.empty()
            ? (fs::path(service.build->context) / service.build->dockerfile).lexically_relative(tmpl.folder).string()
            : std::string{};
    int line = 0;
    for (std::size_t at = 0; at < text.size(); ++line) {
      const auto end = std::min(text.find('\n', at), text.size());
      const auto deed = deed_of(std::string_view(text).substr(at, end - at));
      at = end + 1;
      if (!deed.empty()) {
        out.push_back(say(service, file, line + 1, deed));
        break;  // the first says it for the machine
      }
    }
  }
  return out;
}

}  // namespace tiltyard::templates
