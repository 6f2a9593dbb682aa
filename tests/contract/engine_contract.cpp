#include "engine_contract.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>

#include "base/id.h"

namespace tiltyard::engine::contract {

void EngineSuite::SetUp() {
  bench_ = GetParam()(loop_);
  ASSERT_TRUE(bench_);
  const auto isolated = await(engine().ensure_isolation());
  ASSERT_TRUE(ok(isolated));
}

void EngineSuite::TearDown() {
  if (!bench_) return;
  bench_->restore();
  loop_.until([this] { return !engine().away(); }, std::chrono::seconds{10});
  const auto left = await(engine().list());
  EXPECT_TRUE(ok(left));
  // Machines first: what they use cannot go before them.
  for (const auto kind : {ResourceKind::kMachine, ResourceKind::kNetwork, ResourceKind::kVolume}) {
    if (!left) break;
    for (const auto& resource : *left) {
      if (resource.kind != kind) continue;
      if (kind == ResourceKind::kMachine) EXPECT_TRUE(ok(await(engine().destroy(resource.handle))));
      if (kind == ResourceKind::kNetwork) EXPECT_TRUE(ok(await(engine().destroy_network(resource.name))));
      if (kind == ResourceKind::kVolume) EXPECT_TRUE(ok(await(engine().destroy_volume(resource.name))));
    }
  }
  await(engine().close());
  bench_.reset();
}

std::string EngineSuite::unique(const std::string& what) const { return bench_->name_space() + "-" + what; }

MachineSpec EngineSuite::machine(const std::string& what) {
  MachineSpec spec;
  spec.name = unique(what);
  spec.image = bench_->image();
  spec.hostname = what;
  spec.labels = {{kLabelInstance, unique("instance")}, {kLabelMachine, what}};
  spec.resources.memory = 64 << 20;
  spec.resources.pids = 64;
  spec.resources.cpus = 0.5;
  spec.container().init = true;
  return spec;
}

std::string EngineSuite::address(int block, int host) const {
  return bench_->prefix() + "." + std::to_string(block * 16 + host);
}

NetworkSpec EngineSuite::network(const std::string& what, int block, bool shared, bool egress) {
  NetworkSpec spec;
  spec.name = unique(what);
  spec.subnet = address(block, 0) + "/28";
  spec.gateway = address(block, 1);
  spec.shared = shared;
  spec.egress = egress;
  spec.labels = {{kLabelInstance, unique("instance")}};
  return spec;
}

Result<Handle> EngineSuite::created(const MachineSpec& spec) {
  auto made = await(engine().create(spec));
  if (!made) return fail(std::move(made.error()));
  return std::move(made->handle);
}

Handle EngineSuite::running(const MachineSpec& spec) {
  const auto made = created(spec);
  EXPECT_TRUE(ok(made));
  if (!made) return {};
  EXPECT_TRUE(ok(await(engine().start(*made))));
  return *made;
}

std::string EngineSuite::read_all(ByteStream& stream) {
  std::string out;
  while (true) {
    const auto piece = await(stream.read());
    EXPECT_TRUE(ok(piece));
    if (!piece || piece->empty()) return out;
    out += *piece;
  }
}

EngineSuite::Ran EngineSuite::run(const Handle& handle, std::vector<std::string> command, std::string input) {
  Ran out;
  ExecSpec spec;
  spec.command = std::move(command);
  auto session = await(engine().shell()->exec(handle, spec));
  EXPECT_TRUE(ok(session));
  if (!session) return out;
  if (!input.empty()) EXPECT_TRUE(ok(await((*session)->write(input))));
  if (!input.empty()) (*session)->close_input();
  while (true) {
    const auto chunk = await((*session)->read());
    EXPECT_TRUE(ok(chunk));
    if (!chunk || chunk->data.empty()) break;
    (chunk->error_stream ? out.err : out.out) += chunk->data;
  }
  const auto code = await((*session)->exit_code());
  EXPECT_TRUE(ok(code));
  out.exit_code = code.value_or(-1);
  return out;
}

void EngineSuite::watch() {
  news_ = engine().on_event([this](const EngineEvent& event) { events_.push_back(event); });
  engine().run();
  // The stream of events opens on its own time.
  loop_.turn(std::chrono::milliseconds{300});
}

bool EngineSuite::told(const std::string& machine, Happening what) {
  auto is_it = [&](const EngineEvent& event) { return event.machine == machine && event.what == what; };
  return loop_.until([&] { return std::ranges::any_of(events_, is_it); }, std::chrono::seconds{10});
}

std::vector<std::string> EngineSuite::names(ResourceKind kind) {
  std::vector<std::string> out;
  const auto listed = await(engine().list());
  EXPECT_TRUE(ok(listed));
  if (!listed) return out;
  for (const auto& resource : *listed) {
    if (resource.kind == kind) out.push_back(resource.name);
  }
  std::ranges::sort(out);
  return out;
}

std::string tar_of(const std::string& name, const std::string& content) {
  std::string out(content.size() + 16384, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_ustar(writer);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_pathname(entry, name.c_str());
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0600);
  archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
  archive_write_header(writer, entry);
  archive_write_data(writer, content.data(), content.size());
  archive_entry_free(entry);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

}  // namespace tiltyard::engine::contract
