#include "privileged/files.h"

#include <fmt/format.h>

#include <filesystem>
#include <iterator>

#include "base/json.h"

namespace tiltyard::privileged {
namespace {

namespace json = boost::json;

Result<> outcome(Result<json::object> answer) {
  if (!answer) return fail(std::move(answer.error()));
  return {};
}

std::string hexadecimal(const std::string& bytes) {
  std::string out;
  for (const unsigned char byte : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", byte);
  return out;
}

}  // namespace

std::string whole(const std::string& path) { return std::filesystem::absolute(path).lexically_normal().string(); }

Result<> FilesApart::place(const std::string& instance, const std::string& path, const FileFacts& facts,
                           int content) const {
  return outcome(caller_.call("files.place",
                              {{"instance", instance},
                               {"path", path},
                               {"user", std::int64_t{facts.user}},
                               {"group", std::int64_t{facts.group}},
                               {"mode", std::int64_t{facts.mode}},
                               {"seconds", facts.seconds},
                               {"nanos", std::int64_t{facts.nanos}},
                               {"capability", hexadecimal(facts.capability)}},
                              content));
}

Result<> FilesApart::make_folder(const std::string& instance, const std::string& path, const FileFacts& facts) const {
  return outcome(caller_.call("files.folder", {{"instance", instance},
                                               {"path", path},
                                               {"user", std::int64_t{facts.user}},
                                               {"group", std::int64_t{facts.group}},
                                               {"mode", std::int64_t{facts.mode}}}));
}

Result<> FilesApart::link(const std::string& instance, const std::string& path, const std::string& target) const {
  return outcome(caller_.call("files.link", {{"instance", instance}, {"path", path}, {"target", target}}));
}

Result<> FilesApart::move(const std::string& instance, const std::string& from, const std::string& to) const {
  return outcome(caller_.call("files.move", {{"instance", instance}, {"from", from}, {"to", to}}));
}

Result<bool> FilesApart::there(const std::string& instance, const std::string& path) const {
  auto answer = caller_.call("files.there", {{"instance", instance}, {"path", path}});
  if (!answer) return fail(std::move(answer.error()));
  return flag_of(*answer, "there");
}

Result<> FilesApart::take(const std::string& instance) const {
  return outcome(caller_.call("files.take", {{"instance", instance}}));
}

}  // namespace tiltyard::privileged
