#include "cli/words.h"

#include <fmt/core.h>
#include <CLI/App.hpp>

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

namespace tiltyard::cli {
namespace {

/// The ids of a list, or nothing when the server does not answer at once.
std::vector<std::string> ids_of(Context& context, const std::string& path) {
  Api::Call call;
  call.path = path;
  call.deadline = std::chrono::seconds{2};
  const auto list = context.api().call(std::move(call));
  std::vector<std::string> out;
  if (!list) return out;
  for (const auto& item : items_of(*list)) out.push_back(harmless(text_of(item, "id")));
  return out;
}

}  // namespace

Words::Words(Context& its_context, CLI::App& app) : context(its_context), app_(app) {}

Words::~Words() = default;

CLI::App* Words::add(const std::string& name, const std::string& help) {
  const auto [place, fresh] = owners_.try_emplace(name, owner_);
  if (fresh) return app_.add_subcommand(name, help);
  faults_.push_back(fmt::format("The word {} is declared by {} and by {}.", name, place->second, owner_));
  return refused_.emplace_back(std::make_unique<CLI::App>(help, name)).get();
}

void Words::does(CLI::App* word, std::function<int()> work) {
  // The innermost word's callback is called first.
  word->callback([this, work = std::move(work)] {
    if (!act) act = work;
  });
}

void Words::takes_rest(CLI::App* word, std::vector<std::string>& rest) { rests_[word->get_name()] = &rest; }

void Words::cut_rest(std::vector<std::string>& words) const {
  const auto dashes = std::ranges::find(words, "--");
  if (dashes == words.end()) return;
  const auto named = std::find_if(words.begin(), dashes, [&](const auto& word) { return owners_.contains(word); });
  if (named == dashes) return;
  const auto rest = rests_.find(*named);
  if (rest == rests_.end()) return;
  rest->second->assign(dashes + 1, words.end());
  words.erase(dashes, words.end());
}

void Words::one_of(CLI::Option* option, std::vector<std::string> choices) {
  option->check(CLI::IsMember(choices));
  values_[option] = [choices = std::move(choices)] { return choices; };
}

void Words::one_thing(CLI::Option* option) {
  option->check([](const std::string& id) {
    const bool good = !id.empty() && id != "." && id != ".." && !id.contains('/');
    return good ? std::string() : fmt::format("\"{}\" is no id", harmless(id));
  });
}

void Words::one_of_list(CLI::Option* option, std::string path) {
  one_thing(option);
  values_[option] = [this, path = std::move(path)] { return ids_of(context, path); };
}

void Words::advise(std::string_view reason, std::string text) {
  const auto [place, fresh] = context.advice.try_emplace(std::string(reason), std::move(text));
  if (!fresh) faults_.push_back(fmt::format("The advice for {} is declared twice, at last by {}.", reason, owner_));
}

std::vector<std::string> Words::values_of(const CLI::Option* option) const {
  const auto found = values_.find(option);
  return found == values_.end() ? std::vector<std::string>() : found->second();
}

}  // namespace tiltyard::cli
