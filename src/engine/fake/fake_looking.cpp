// The fake engine's verbs that look at machines, and what flows out of them.
#include <algorithm>

#include "engine/fake/fake_machine.h"
#include "engine/reasons.h"

namespace tiltyard::engine {

asio::awaitable<Result<MachineStatus>> FakeEngine::inspect(Handle handle) {
  auto entered = co_await enter("inspect");
  if (!entered) co_return fail(std::move(entered.error()));
  MachineStatus out;
  auto found = find(handle);
  if (!found) co_return out;
  const Machine& machine = **found;
  out.state = machine.state;
  out.health = machine.health;
  out.exit_code = machine.exit_code;
  out.out_of_memory = machine.out_of_memory;
  out.engine_id = machine.id;
  if (machine.state == MachineState::kRunning || machine.state == MachineState::kPaused) {
    for (const auto& each : machine.spec.networks) out.addresses[each.network] = each.address;
  }
  co_return out;
}

asio::awaitable<Result<std::optional<Handle>>> FakeEngine::recover(std::string machine_name) {
  auto entered = co_await enter("recover");
  if (!entered) co_return fail(std::move(entered.error()));
  const auto found = machines_.find(machine_name);
  if (found == machines_.end() || found->second->stranger) co_return std::nullopt;
  co_return handle_of(machine_name);
}

std::vector<Resource> FakeEngine::everything() const {
  std::vector<Resource> out;
  for (const auto& [name, machine] : machines_) {
    if (machine->stranger) continue;
    out.push_back(
        {ResourceKind::kMachine, name, machine->labels, machine->created_at, machine->state, handle_of(name)});
  }
  for (const auto& [name, network] : networks_) {
    if (!network.stranger)
      out.push_back({ResourceKind::kNetwork, name, network.spec.labels, network.created_at, {}, {}});
  }
  for (const auto& [name, volume] : volumes_) {
    if (!volume.stranger) out.push_back({ResourceKind::kVolume, name, volume.labels, volume.created_at, {}, {}});
  }
  return out;
}

asio::awaitable<Result<std::vector<Resource>>> FakeEngine::list() {
  auto entered = co_await enter("list");
  if (!entered) co_return fail(std::move(entered.error()));
  co_return everything();
}

asio::awaitable<Result<Stats>> FakeEngine::stats(Handle handle) {
  auto entered = co_await enter("stats");
  if (!entered) co_return fail(std::move(entered.error()));
  auto machine = find(handle);
  if (!machine) co_return fail(std::move(machine.error()));
  Stats out;
  out.memory_limit = (*machine)->spec.resources.memory;
  if ((*machine)->state != MachineState::kRunning) co_return out;
  // A machine that does nothing, and has done so since it was made.
  out.memory = 1024 * 1024;
  out.pids = 1;
  out.cpu_nanos = (clock_.now() - (*machine)->created_at).count();
  co_return out;
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> FakeEngine::logs(Handle handle, LogOptions options) {
  auto entered = co_await enter("logs");
  if (!entered) co_return fail(std::move(entered.error()));
  auto machine = find(handle);
  if (!machine) co_return fail(std::move(machine.error()));
  co_return fake::read_log((*machine)->log, options);
}

asio::awaitable<Result<std::unique_ptr<ExecSession>>> FakeEngine::exec(Handle handle, ExecSpec spec) {
  auto entered = co_await enter("exec");
  if (!entered) co_return fail(std::move(entered.error()));
  auto machine = find(handle);
  if (!machine) co_return fail(std::move(machine.error()));
  if ((*machine)->thawed) {
    if (auto resumed = resume_machine(**machine); !resumed) co_return fail(std::move(resumed.error()));
  }
  if ((*machine)->state != MachineState::kRunning) {
    co_return fail(Code::kInvalid, reason::kRefused, "The engine refused: the machine does not run");
  }
  const bool missing = !spec.command.empty() && options_.missing_programs.contains(spec.command.front());
  fake::Program program = fake::program_of(spec.command, missing);
  if (program.reads_input && spec.command.size() == 2) {
    const auto content = (*machine)->files.find(spec.command[1]);
    const bool there = content != (*machine)->files.end();
    program = {false, true, false, there ? 0 : 1, there ? content->second : std::string()};
  }
  co_return fake::run_program(executor_, std::move(program), spec.terminal);
}

asio::awaitable<Result<>> FakeEngine::put_archive(Handle handle, std::string path, std::string tar) {
  auto entered = co_await enter("put_archive");
  if (!entered) co_return fail(std::move(entered.error()));
  auto machine = find(handle);
  if (!machine) co_return fail(std::move(machine.error()));
  auto files = fake::unpack_files(tar, path);
  if (!files) co_return fail(std::move(files.error()));
  for (auto& [name, content] : *files) (*machine)->files[name] = std::move(content);
  co_return Result<>{};
}

asio::awaitable<Result<std::vector<ImageEntry>>> FakeEngine::list_images() {
  auto entered = co_await enter("list_images");
  if (!entered) co_return fail(std::move(entered.error()));
  std::vector<ImageEntry> out;
  for (const auto& [name, info] : images_) {
    const auto space = info.labels.find(kLabelNamespace);
    if (info.labels.contains(kLabelSnapshot)) continue;
    const bool built = space != info.labels.end();
    if (built ? space->second != options_.name_space : !info.labels.contains(kLabelBase)) continue;
    const auto same = std::ranges::find(out, info.id, &ImageEntry::id);
    if (same != out.end()) same->references.push_back(name);
    else out.push_back({info.id, {name}, info.size, info.created_at, info.labels});
  }
  co_return out;
}

asio::awaitable<Result<>> FakeEngine::remove_image(std::string reference) {
  auto entered = co_await enter("remove_image");
  if (!entered) co_return fail(std::move(entered.error()));
  for (const auto& [name, machine] : machines_) {
    if (machine->spec.image == reference)
      co_return fail(Code::kConflict, "image-in-use", "A machine is made of the image " + reference + ".");
  }
  images_.erase(reference);
  co_return Result<>{};
}

asio::awaitable<Result<bool>> FakeEngine::rewrite(Handle handle, std::vector<Rewrite> texts) {
  auto entered = co_await enter("rewrite");
  if (!entered) co_return fail(std::move(entered.error()));
  if (!options_.local) co_return false;
  auto machine = find(handle);
  if (!machine) co_return fail(std::move(machine.error()));
  for (const auto& text : texts) {
    const auto file = (*machine)->files.find(text.path);
    const bool there = file != (*machine)->files.end();
    const auto at = there ? file->second.find(text.was) : std::string::npos;
    if (there && text.was.empty()) file->second = text.becomes;
    else if (at != std::string::npos) file->second.replace(at, text.was.size(), text.becomes);
    else if (!there || !file->second.contains(text.becomes))
      co_return fail(Code::kConflict, "file-moved", "A file that was put into the machine is not there any more.");
  }
  co_return true;
}

asio::awaitable<Result<std::unique_ptr<ByteStream>>> FakeEngine::export_image(std::string reference) {
  auto entered = co_await enter("export_image");
  if (!entered) co_return fail(std::move(entered.error()));
  for (const auto& [name, info] : images_) {
    if (info.id == reference) reference = name;
  }
  if (!images_.contains(reference)) {
    co_return fail(Code::kNotFound, reason::kImageMissing, "There is no image " + reference + ".");
  }
  const auto known = image_tars_.find(reference);
  if (known != image_tars_.end()) co_return fake::read_text(known->second);
  co_return fake::read_text(fake::pack_files({{"manifest.json", R"([{"Layers":[]}])"}}));
}

}  // namespace tiltyard::engine
