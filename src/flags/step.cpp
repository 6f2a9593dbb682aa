#include "flags/step.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "engine/engine.h"
#include "flags/packing.h"
#include "flags/placing.h"
#include "privileged/own_files.h"

namespace tiltyard::flags {
namespace {

namespace fs = std::filesystem;
using labs::SpawnRef;
using PlanRef = std::shared_ptr<const Plan>;

void add_mount(labs::Additions& additions, engine::Mount mount) {
  std::erase_if(additions.mounts, [&](const engine::Mount& other) { return other.target == mount.target; });
  additions.mounts.push_back(std::move(mount));
}

void add_variable(labs::Additions& additions, std::string variable) {
  const auto name = variable.substr(0, variable.find('=') + 1);
  std::erase_if(additions.environment, [&](const std::string& other) { return other.starts_with(name); });
  additions.environment.push_back(std::move(variable));
}

/// The flag of an instance that waits: kept beside its files, so that it is the same after a restart. Blocking.
Result<Secret> waiting_flag(const std::string& folder, const Shape& shape) {
  const std::string path = folder + "/waiting";
  auto known = read_regular(path);
  if (known && known->ends_with('\n') && known->size() == shape.length() + 1) {
    known->pop_back();
    return Secret(std::move(*known));
  }
  std::error_code failure;
  fs::create_directories(folder, failure);
  Secret flag = draw_flag(shape);
  FileFacts facts;
  facts.uid = ::geteuid();
  facts.gid = ::getegid();
  facts.mode = 0600;
  auto written = write_in_place(path, flag.reveal() + "\n", facts);
  if (!written) return fail(std::move(written.error()));
  return flag;
}

using Texts = std::map<std::string, std::vector<engine::Rewrite>>;  // by service

/// False: the layers of its machines are not at hand.
asio::awaitable<Result<bool>> rewrite(SpawnRef spawn, engine::Engines& engines, Texts texts) {
  auto& engine = engines.of(spawn->plan().engine);
  engine::Archives* const archives = engine.archives();
  for (const auto& machine : spawn->plan().machines) {
    const auto own = texts.find(machine.service);
    if (own == texts.end()) continue;
    if (!archives) co_return engine::cannot(engine, "take files into its machines");
    auto rewritten = co_await archives->rewrite(machine.handle, std::move(own->second));
    if (!rewritten || !*rewritten) co_return rewritten;
  }
  co_return true;
}

class FlagsStep final : public labs::Step {
 public:
  FlagsStep(Service& flags, std::string folder, std::shared_ptr<const privileged::Files> files)
      : flags_(flags), folder_(std::move(folder)), files_(std::move(files)) {}

  std::string name() const override { return "flags"; }
  std::vector<std::string> before() const override { return {"machines"}; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    const auto tmpl = spawn->origin();
    if (!tmpl) co_return Result<>{};  // it ran before, with what it has
    auto plan = co_await flags_.plan_of(tmpl);
    if (!plan) co_return fail(std::move(plan.error()));
    auto flag = co_await flag_for(spawn, *plan);
    if (!flag) co_return fail(std::move(flag.error()));
    auto shared = co_await flags_.shares_files(spawn->plan().engine);
    if (!shared) co_return fail(std::move(shared.error()));
    // What has run belongs to its player: only what is gone is made again.
    const bool has_run = spawn->facts().started_at.has_value();
    if (*shared) {
      auto placed = co_await place(spawn, *plan, *flag, has_run ? Place::kMissing : Place::kMounted);
      if (!placed) co_return fail(std::move(placed.error()));
      add_mounts(*spawn, **plan);
    }
    if (!has_run) {
      auto packed = co_await pack(spawn, *plan, *flag, *shared ? Pack::kLayer : Pack::kAll);
      if (!packed) co_return fail(std::move(packed.error()));
      for (auto& [service, tar] : *packed) spawn->additions(service).archive = std::move(tar);
    }
    add_text(*spawn, **plan, *flag);
    for (const auto& service : (*plan)->set_user_id) spawn->additions(service).set_user_id = true;
    if (spawn->facts().pool == labs::PoolRole::kWaiting) spawn->remember(this, *plan);
    co_return Result<>{};
  }

  /// The owner's flag is made, or found, while the claim is being written.
  asio::awaitable<Result<>> prepare_claim(SpawnRef spawn, std::string owner) override {
    const auto tmpl = spawn->origin();
    if (!tmpl) co_return Result<>{};
    auto plan = co_await plan_at_make(spawn);
    if (!plan) co_return fail(std::move(plan.error()));
    auto flag = co_await flags_.flag_of(std::move(owner), tmpl, *plan);
    if (!flag) co_return fail(std::move(flag.error()));
    co_return Result<>{};
  }

  asio::awaitable<Result<>> claim(SpawnRef spawn) override {
    const auto tmpl = spawn->origin();
    if (!tmpl) co_return claimed_before(folder_of(*spawn));
    auto plan = co_await plan_at_make(spawn);
    if (!plan) co_return fail(std::move(plan.error()));
    if (!(*plan)->environment.empty() && pool_kind(*tmpl, **plan).kind == labs::PoolKind::kNone) {
      co_return fail(Code::kConflict, "flag-in-environment",
                     "What is each owner's is in the environment, which is fixed when a machine is made.");
    }
    auto flag = co_await flags_.flag_of(spawn->facts().owner, tmpl, *plan);
    if (!flag) co_return fail(std::move(flag.error()));
    auto shared = co_await flags_.shares_files(spawn->plan().engine);
    if (!shared) co_return fail(std::move(shared.error()));
    auto handing = *shared ? hand_over(spawn, *plan, *flag) : send(spawn, *plan, *flag);
    auto handed = co_await std::move(handing);
    if (!handed) co_return handed;
    wait_no_more(folder_of(*spawn));
    spawn->forget(this);
    if (*shared) add_mounts(*spawn, **plan);
    add_text(*spawn, **plan, *flag);
    co_return Result<>{};
  }

  /// The files go with all others of the instance.
  asio::awaitable<Result<>> undo(SpawnRef spawn) override {
    spawn->forget(this);
    co_return Result<>{};
  }

 private:
  /// Of a template that has changed since: a claim that was cut before the flag was written cannot be made good any
  /// more.
  static Result<> claimed_before(const std::string& folder) {
    std::error_code none;
    if (!fs::exists(folder + "/waiting", none)) return {};
    return fail(Code::kConflict, "template-changed",
                "The template changed while the instance was being handed over; start it again.");
  }

  static Secret password_of(const labs::Spawn& spawn) {
    return spawn.facts().credentials ? spawn.facts().credentials->password : Secret();
  }

  static std::string filled(const std::string& variable, const Secret& flag, const Secret& password) {
    return replace_text(replace_text(variable, kFlagMark, flag.reveal()), kPasswordMark, password.reveal());
  }

  std::string folder_of(const labs::Spawn& spawn) const {
    return fmt::format("{}/{}/flags", folder_, spawn.facts().id.str());
  }

  asio::awaitable<Result<Secret>> flag_for(SpawnRef spawn, PlanRef plan) {
    const bool waits = spawn->facts().pool == labs::PoolRole::kWaiting;
    if (!waits || !plan->dynamic) {
      const std::string owner = waits ? "nobody" : spawn->facts().owner;
      co_return co_await flags_.flag_of(owner, spawn->origin(), plan);
    }
    auto draw = [folder = folder_of(*spawn), shape = plan->shape] { return waiting_flag(folder, shape); };
    co_return co_await offload(flags_.files(), std::move(draw));
  }

  /// A claim writes the files that the machines were made with, whatever the template's images are by now.
  asio::awaitable<Result<PlanRef>> plan_at_make(SpawnRef spawn) {
    if (const auto plan = spawn->remembered(this)) co_return std::static_pointer_cast<const Plan>(plan);
    co_return co_await flags_.plan_of(spawn->origin(), Look::kForFlags);
  }

  asio::awaitable<Result<std::set<int>>> place(SpawnRef spawn, PlanRef plan, Secret flag, Place which) {
    auto work = [plan, flag, password = password_of(*spawn), which, files = files_, id = spawn->facts().id.str()] {
      return place_files(*plan, {flag.reveal(), password.reveal()}, *files, id, which);
    };
    co_return co_await offload(flags_.files(), std::move(work));
  }

  static void wait_no_more(const std::string& folder) {
    std::error_code none;
    fs::remove(folder + "/waiting", none);
  }

  asio::awaitable<Result<std::map<std::string, std::string>>> pack(SpawnRef spawn, PlanRef plan, Secret flag,
                                                                   Pack which) {
    auto work = [plan, flag, password = password_of(*spawn), which] {
      return pack_files(*plan, {flag.reveal(), password.reveal()}, which);
    };
    co_return co_await offload(flags_.files(), std::move(work));
  }

  /// What waited has nobody's flag: the owner's takes its place, in files that are mounted and in the machines' layers.
  asio::awaitable<Result<>> hand_over(SpawnRef spawn, PlanRef plan, Secret flag) {
    auto placed = co_await place(spawn, plan, flag, Place::kClaimed);
    if (!placed) co_return fail(std::move(placed.error()));
    // Without the note a claim that is done once more finds the owner's there.
    const auto nobodys = read_regular(folder_of(*spawn) + "/waiting").value_or(flag.reveal() + "\n");
    Texts texts;
    for (const auto& patch : plan->patches) {
      if (!patch.in_layer || placed->contains(patch.file)) continue;
      engine::Rewrite text{patch.target, nobodys.substr(0, nobodys.size() - 1), flag.reveal()};
      if (patch.password) text = {patch.target, {}, password_of(*spawn).reveal() + "\n"};
      texts[patch.service].push_back(std::move(text));
    }
    auto rewritten = co_await rewrite(spawn, flags_.engines(), std::move(texts));
    if (!rewritten) co_return fail(std::move(rewritten.error()));
    co_return *rewritten ? Result<>{} : co_await send(spawn, plan, flag, Pack::kLayer);
  }

  /// Into machines whose layers are not at hand, whether they run or not.
  asio::awaitable<Result<>> send(SpawnRef spawn, PlanRef plan, Secret flag, Pack which = Pack::kAll) {
    auto packed = co_await pack(spawn, plan, flag, which);
    if (!packed) co_return fail(std::move(packed.error()));
    auto& engine = flags_.engines().of(spawn->plan().engine);
    engine::Archives* const archives = engine.archives();
    if (!archives) co_return engine::cannot(engine, "take files into its machines");
    for (const auto& machine : spawn->plan().machines) {
      const auto tar = packed->find(machine.service);
      if (tar == packed->end()) continue;
      auto put = co_await archives->put_archive(machine.handle, "/", std::move(tar->second));
      if (!put) co_return put;
    }
    co_return Result<>{};
  }

  void add_mounts(labs::Spawn& spawn, const Plan& plan) const {
    for (const auto& patch : plan.patches) {
      if (patch.in_layer) continue;
      engine::Mount mount;
      mount.kind = engine::Mount::Kind::kBind;
      mount.source = fmt::format("{}/{}/{}", files_->folder(), spawn.facts().id.str(), file_name(patch));
      mount.target = patch.target;
      mount.read_only = patch.read_only;
      add_mount(spawn.additions(patch.service), std::move(mount));
    }
  }

  static void add_text(labs::Spawn& spawn, const Plan& plan, const Secret& flag) {
    for (const auto* name : {"FLAG", "DYNAMIC_FLAG"}) spawn.words().insert_or_assign(name, flag);
    for (const auto& [service, variables] : plan.environment) {
      auto& additions = spawn.additions(service);
      for (const auto& variable : variables) add_variable(additions, filled(variable, flag, password_of(spawn)));
    }
  }

  Service& flags_;
  std::string folder_;
  std::shared_ptr<const privileged::Files> files_;
};

/// Whether what waits for an owner still has its flag where a claim will look for it, once its programs have started.
class KeptStep final : public labs::Step {
 public:
  KeptStep(Service& flags, std::string folder) : flags_(flags), folder_(std::move(folder)) {}

  std::string name() const override { return "flags-kept"; }
  std::vector<std::string> after() const override { return {"ready"}; }

  asio::awaitable<Result<>> make(SpawnRef spawn) override {
    const auto tmpl = spawn->origin();
    if (!tmpl || spawn->facts().pool != labs::PoolRole::kWaiting || spawn->starts_at_claim()) co_return Result<>{};
    auto plan = co_await flags_.plan_of(tmpl);
    if (!plan) co_return fail(std::move(plan.error()));
    const auto nobodys = read_regular(fmt::format("{}/{}/flags/waiting", folder_, spawn->facts().id.str()));
    if (!nobodys) co_return Result<>{};
    const std::string flag = nobodys->substr(0, nobodys->size() - 1);
    Texts texts;
    for (const auto& patch : (*plan)->patches) {
      if (patch.in_layer && !patch.password) texts[patch.service].push_back({patch.target, flag, flag});
    }
    auto looked = co_await rewrite(spawn, flags_.engines(), std::move(texts));
    if (looked) co_return Result<>{};
    if (looked.error().reason == "file-moved") flags_.note_moved(*tmpl);
    co_return fail(std::move(looked.error()));
  }

  asio::awaitable<Result<>> undo(SpawnRef) override { co_return Result<>{}; }

 private:
  Service& flags_;
  std::string folder_;
};

}  // namespace

std::unique_ptr<labs::Step> flags_step(Service& flags, std::string folder,
                                       std::shared_ptr<const privileged::Files> apart) {
  auto files = apart ? std::move(apart) : privileged::local_files(folder, {});
  return std::make_unique<FlagsStep>(flags, std::move(folder), std::move(files));
}

std::unique_ptr<labs::Step> flags_kept_step(Service& flags, std::string folder) {
  return std::make_unique<KeptStep>(flags, std::move(folder));
}

}  // namespace tiltyard::flags
