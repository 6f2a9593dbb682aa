// What one service of a project builds and another one uses: by its name as an image, or as what a build starts from.
#include <fmt/format.h>

#include <algorithm>

#include "templates/content.h"
#include "templates/service.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

/// "docker.io/library/app" → "app:latest": what an engine takes for the same name.
std::string whole_name(std::string_view image) {
  for (const std::string_view registry : {"docker.io/", "index.docker.io/", "library/"}) {
    if (image.starts_with(registry)) image.remove_prefix(registry.size());
  }
  const bool tagged = image.contains('@') || image.substr(image.rfind('/') + 1).contains(':');
  return std::string(image) + (tagged || image.empty() ? "" : ":latest");
}

/// Two services with the same build have the same image, under the first one's name.
void share_images(std::vector<ReadService>& services) {
  std::map<std::string, std::string> tags;
  for (auto& one : services) {
    auto& service = one.service;
    if (!service.build) continue;
    const std::string hash = service.build->tag.substr(service.build->tag.rfind(':'));
    const auto [first, fresh] = tags.emplace(hash, service.build->tag);
    service.build->tag = service.machine.image = first->second;
  }
}

class Chain {
 public:
  Chain(std::vector<ReadService>& services, const BuiltNames& all, ReadContext& context)
      : services_(services), all_(all), context_(context), state_(services.size(), Visit::kNot) {
    for (std::size_t i = 0; i < services.size(); ++i) by_name_.emplace(services[i].service.name, i);
  }

  void run() {
    for (std::size_t i = 0; i < services_.size(); ++i) visit(i);
  }

 private:
  enum class Visit : std::uint8_t { kNot, kNow, kDone };

  /// Whose build a base's name means; nullopt: nobody's here.
  std::optional<std::string> maker(const std::string& base) const {
    if (base.starts_with(kServiceContext)) return base.substr(kServiceContext.size());
    const auto found = all_.find(whole_name(base));
    return found == all_.end() ? std::nullopt : std::optional(found->second);
  }

  void visit(std::size_t index) {
    if (state_[index] != Visit::kNot) return;
    state_[index] = Visit::kNow;
    ReadService& one = services_[index];
    if (one.service.build) {
      std::string below;
      for (auto& base : one.service.base_images) {
        if (const auto who = maker(base)) below += use(one, base, *who);
      }
      if (!below.empty()) retag(one.service, below);
    }
    state_[index] = Visit::kDone;
  }

  /// Gives the name of what the other one builds, which stands for `base` from now on.
  std::string use(ReadService& one, std::string& base, const std::string& who) {
    const auto found = by_name_.find(who);
    if (found == by_name_.end()) {
      context_.problems.error(
          one.place,
          fmt::format("its build starts from what the service \"{0}\" builds, and no active service is that; "
                      "write {0} into `profiles` of instance.toml if it is one that is not active",
                      printable(who)));
      return {};
    }
    if (state_[found->second] == Visit::kNow) {
      context_.problems.error(one.place, fmt::format("the builds of \"{}\" and \"{}\" start from each other",
                                                     one.service.name, printable(who)));
      return {};
    }
    visit(found->second);
    const Service& other = services_[found->second].service;
    if (!other.build) {
      context_.problems.error(
          one.place, fmt::format("its build starts from \"{}\", which builds nothing; name its image", printable(who)));
      return {};
    }
    auto& contexts = one.service.build->contexts;
    bool named = false;
    for (auto& [name, stands_for] : contexts) {
      if (stands_for != base) continue;
      stands_for = other.build->tag;
      named = true;
    }
    if (!named) contexts[lower(base)] = other.build->tag;
    base = other.build->tag;
    return base;
  }

  static void retag(Service& service, const std::string& below) {
    ContentHash hash;
    hash.add(service.build->tag);
    hash.add(below);
    const std::string name = service.build->tag.substr(0, service.build->tag.rfind(':'));
    service.build->tag = service.machine.image = fmt::format("{}:{}", name, hash.hex(8));
  }

  std::vector<ReadService>& services_;
  const BuiltNames& all_;
  ReadContext& context_;
  std::vector<Visit> state_;
  std::map<std::string, std::size_t> by_name_;
};

}  // namespace

BuiltNames built_names(const std::vector<ReadService>& services) {
  BuiltNames out;
  for (const auto& one : services) {
    for (const auto& name : one.built_names) {
      if (!name.empty() && one.service.build) out.emplace(whole_name(name), one.service.name);
    }
  }
  return out;
}

void use_built_images(std::vector<ReadService>& services) {
  const BuiltNames built = built_names(services);
  for (auto& one : services) {
    if (one.service.build) continue;
    const auto found = built.find(whole_name(one.service.machine.image));
    if (found == built.end()) continue;
    const auto from = std::ranges::find(
        services, found->second, [](const ReadService& other) -> const std::string& { return other.service.name; });
    one.service.build = from->service.build;
    one.service.machine.image = from->service.machine.image;
    one.service.base_images = from->service.base_images;
    one.service.build_runs = from->service.build_runs;
    one.service.build_needs = from->service.build_needs;
  }
}

void chain_builds(std::vector<ReadService>& services, const BuiltNames& all, ReadContext& context) {
  share_images(services);
  Chain(services, all, context).run();
}

}  // namespace tiltyard::templates
