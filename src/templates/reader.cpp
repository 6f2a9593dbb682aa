#include "templates/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "templates/compose.h"
#include "templates/content.h"
#include "templates/desktop_key.h"
#include "templates/handover.h"
#include "templates/project.h"
#include "templates/settings.h"
#include "templates/values.h"

namespace tiltyard::templates {
namespace {

constexpr std::array<const char*, 4> kComposeFiles{"compose.yaml", "compose.yml", "docker-compose.yaml",
                                                   "docker-compose.yml"};
constexpr std::array<const char*, 4> kOverrideFiles{"compose.override.yaml", "compose.override.yml",
                                                    "docker-compose.override.yaml", "docker-compose.override.yml"};
constexpr std::array<std::uint16_t, 7> kWebPorts{80, 443, 3000, 5000, 8000, 8080, 8888};

/// What a port's number says of it, which is little: 5000 is Flask's and the usual pwn jail's.
EndpointKind guess_kind(std::uint16_t port) {
  return std::ranges::find(kWebPorts, port) != kWebPorts.end() ? EndpointKind::kHttp : EndpointKind::kTcp;
}

std::string folder_name(const std::string& folder) {
  std::filesystem::path path(folder);
  if (path.filename().empty()) path = path.parent_path();
  return path.filename().string();
}

/// One folder being read.
class FolderReader {
 public:
  FolderReader(const std::string& folder, const Options& options) : options_(options), inside_(folder) {
    out_.folder = inside_.folder();
    out_.id = TemplateId(id_of_folder(folder_name(out_.folder)));
    out_.name = out_.id.str();
  }

  Template read() {
    if (!inside_.exists()) {
      problems_.error({}, "the folder cannot be opened");
    } else {
      read_all();
    }
    share_binds(out_.services, inside_.folder());
    finish_hash();
    out_.problems = problems_.take();
    return std::move(out_);
  }

 private:
  /// Whether there is anything of that name at all, so that a link that leaves is complained about and not passed over.
  bool named(const char* name) const {
    const auto found = inside_.locate({}, name);
    return !found || found->kind != Found::Kind::kAbsent;
  }

  void read_all() {
    read_toml();
    settle_identity();
    read_dotenv();
    ReadContext context{inside_, options_, settings_, variables_, problems_, out_.id.str(), false, {},
                        {},      {},       {},        {},         {}};
    settle_egress(context);
    const auto compose = compose_files();
    if (!compose) return;
    if (!compose->empty()) read_compose(*compose, context);
    else if (settings_.image) read_single_image(context);
    else if (named("Dockerfile")) read_single_build(context);
    else problems_.error({}, "no compose file, no Dockerfile, and no `image` in instance.toml: nothing to start");
    kinds_by_label_ = context.kinds_by_label;
    for (const auto& service : out_.services) take_port_labels(service.machine.labels, service.name, kinds_by_label_);
    settle_endpoints();
    settle_ready();
    note_guesses();
    settle_flag();
    read_solver(context);
    for (auto& [file, text] : context.files) files_.insert_or_assign(file, std::move(text));
  }

  /// The compose file and what is laid over it; nullopt: what is asked for is not there.
  std::optional<std::vector<std::string>> compose_files() {
    const std::string* said = variables_.find("COMPOSE_FILE");
    if (said && !said->empty()) return said_files(*said);
    std::vector<std::string> files;
    for (const char* name : kComposeFiles) {
      if (!named(name)) continue;
      if (files.empty()) files.emplace_back(name);
      else warn_of_second(name, files[0]);
    }
    if (files.empty()) return files;
    for (const char* name : kOverrideFiles) {
      if (!named(name)) continue;
      if (files.size() == 1) files.emplace_back(name);
      else warn_of_second(name, files[1]);
    }
    return files;
  }

  void warn_of_second(const char* name, const std::string& first) {
    problems_.warn(place_of(name), fmt::format("the file is ignored: {0} is there too, as with Compose; write "
                                               "COMPOSE_FILE={1} in .env if it is the one that is meant",
                                               first, name));
  }

  /// COMPOSE_FILE of .env or instance.toml names the files itself; then nothing is laid over them unasked.
  std::optional<std::vector<std::string>> said_files(const std::string& said) {
    const std::string* separator = variables_.find("COMPOSE_PATH_SEPARATOR");
    std::vector<std::string> files;
    for (const auto name : split(said, separator && !separator->empty() ? separator->front() : ':')) {
      if (name.empty()) continue;
      const auto found = inside_.locate({}, name);
      if (!found || found->kind != Found::Kind::kFile) {
        problems_.error(place_of(".env"),
                        fmt::format("COMPOSE_FILE: {}",
                                    found ? fmt::format("there is no file \"{}\"", printable(name)) : found.error()));
        return std::nullopt;
      }
      files.push_back(found->path);
    }
    return files;
  }

  void read_toml() {
    if (!named("instance.toml")) return;
    auto text = inside_.read({}, "instance.toml", 1024 * 1024);
    if (!text) return problems_.error(place_of("instance.toml"), text.error());
    settings_ = read_settings(*text, problems_);
    files_["instance.toml"] = std::move(*text);
  }

  void settle_identity() {
    if (settings_.id) {
      if (is_slug(settings_.id->value)) out_.id = TemplateId(settings_.id->value);
      else problems_.error(settings_.id->place, "an id has at most 40 lower-case letters, digits and single \"-\"");
    } else if (!is_slug(folder_name(out_.folder))) {
      problems_.warn(place_of("instance.toml"),
                     fmt::format("the folder's name \"{}\" is no id (at most 40 lower-case letters, digits and single "
                                 "\"-\"), so the id is \"{}\"; `id` in instance.toml says another",
                                 printable(folder_name(out_.folder)), out_.id.str()),
                     Fix{.deed = Fix::Deed::kSetting, .to = fmt::format("id = \"{}\"", out_.id.str())});
    }
    out_.name = settings_.name.empty() ? out_.id.str() : settings_.name;
    out_.category = settings_.category.empty() ? "misc" : settings_.category;
    out_.description = settings_.description;
    out_.active = settings_.active;
    out_.lease = lease_policy(settings_.lease, problems_);
    out_.expected_boot = settings_.expected_boot;
    out_.cost_centre = settings_.cost_centre;
    out_.dynamic_flags = settings_.dynamic_flags;
    out_.flag_prefix = settings_.flag_prefix;
    out_.flag = settings_.flag;
    out_.pool = settings_.pool;
    out_.open_ports = settings_.open_ports, out_.capture = settings_.capture;
    out_.record_terminals = settings_.record_terminals;
    out_.pause_after = settings_.pause_after;
    out_.max_instances = settings_.max_instances;
    out_.engine = settings_.engine;
    out_.credentials = settings_.credentials;
  }

  void read_dotenv() {
    variables_.add_layer(Variables::Layer(settings_.variables));
    read_env();
    // Compose sets it, and files name networks and containers with it.
    // The folder that Compose is called in is the template's: "${PWD}/data" is "./data".
    variables_.add_layer(Variables::Layer{{"COMPOSE_PROJECT_NAME", out_.id.str()}, {"PWD", "."}});
  }

  void read_env() {
    if (!named(".env")) return;
    auto text = inside_.read({}, ".env", 256 * 1024);
    if (!text) return problems_.error(place_of(".env"), text.error());
    Variables::Layer layer;
    const auto source = std::make_shared<const Source>(Source{".env", {}});
    for (auto& line : parse_env(*text, variables_, source, false, problems_)) {
      if (line.value) layer[line.name] = std::move(*line.value);
    }
    variables_.add_layer(std::move(layer));
    files_[".env"] = std::move(*text);
  }

  void settle_egress(ReadContext& context) {
    if (!settings_.egress || !settings_.egress->value) return;
    if (context.allows("egress")) out_.egress = context.egress = true;
    else
      problems_.error(settings_.egress->place,
                      fmt::format("egress is refused: machines reach nothing outside; an operator can allow it, with "
                                  "allow.{} = [\"egress\"] below [templates] of the server's configuration",
                                  out_.id.str()));
  }

  void read_compose(const std::vector<std::string>& files, ReadContext& context) {
    if (settings_.image)
      problems_.error(settings_.image->place, fmt::format("`image` and {} exclude each other", files[0]));
    ComposeLoader loader(inside_, problems_);
    const auto root = loader.load(files, variables_);
    for (const auto& [name, text] : loader.files()) files_[name] = text;
    if (!root) return;
    Project project = read_project(*root, context);
    for (auto& one : project.services) {
      for (auto& port : one.published) published_.emplace_back(one.service.name, std::move(port));
      out_.services.push_back(std::move(one.service));
    }
    out_.networks = std::move(project.networks);
    out_.volumes = std::move(project.volumes);
  }

  Service single(ReadContext& context) {
    Service service;
    service.name = "main";
    read_limits(nullptr, context, service.machine.resources);
    service.set_user_id = set_user_id(nullptr, context);
    service.container.capabilities.assign(kept_capabilities().begin(), kept_capabilities().end());
    for (const auto& port : settings_.ports) service.ports.push_back(port.value);
    for (const auto& endpoint : settings_.endpoints) {
      auto& ports = service.*ports_by(endpoint.kind);
      if (std::ranges::find(ports, endpoint.port) == ports.end()) ports.push_back(endpoint.port);
    }
    service.machine.exposed = service.ports;
    return service;
  }

  void read_single_image(ReadContext& context) {
    Service service = single(context);
    service.machine.image = settings_.image->value;
    if (service.machine.image.empty() || service.machine.image.find_first_of(" \t\n\"'") != std::string::npos ||
        service.machine.image.starts_with('-')) {
      problems_.error(settings_.image->place, fmt::format("\"{}\" is no image", printable(service.machine.image)));
    }
    if (named("Dockerfile"))
      problems_.warn(settings_.image->place,
                     "the Dockerfile is ignored, because `image` is said: take `image` out to build it");
    out_.services.push_back(std::move(service));
  }

  void read_single_build(ReadContext& context) {
    Service service = single(context);
    engine::BuildSpec build;
    build.context = inside_.folder();
    finish_build(build, service.name, {}, place_of("Dockerfile"), context, service);
    out_.services.push_back(std::move(service));
  }

  /// The solver runs as confined as any machine.
  void read_solver(ReadContext& context) {
    if (!settings_.solver) return;
    const auto& said = *settings_.solver;
    Solver solver;
    Service& service = solver.service;
    service.name = "solve";
    solver.timeout = said.timeout;
    read_limits(nullptr, context, service.machine.resources);
    if (!said.command.empty()) service.container.command = said.command;
    if (said.image) {
      service.machine.image = said.image->value;
    } else {
      const auto found = inside_.locate({}, said.build->value);
      if (!found) return problems_.error(said.build->place, found.error());
      engine::BuildSpec build;
      build.context = fmt::format("{}/{}", inside_.folder(), found->path);
      if (!finish_build(build, service.name, found->path, said.build->place, context, service)) return;
    }
    out_.solver = std::move(solver);
  }

  // Endpoints

  const Service* service_named(std::string_view name) const {
    const auto found = std::ranges::find(out_.services, name, &Service::name);
    return found == out_.services.end() ? nullptr : &*found;
  }

  /// Which of a service's ports are of what carries this kind.
  static std::vector<std::uint16_t> Service::* ports_by(std::optional<EndpointKind> kind) {
    return kind && transport_of(*kind) == Transport::kUdp ? &Service::udp_ports : &Service::ports;
  }

  bool some_service_has(std::uint16_t port, std::optional<EndpointKind> kind) const {
    return std::ranges::any_of(out_.services, [&](const Service& service) {
      const auto& ports = service.*ports_by(kind);
      return std::ranges::find(ports, port) != ports.end();
    });
  }

  /// The machine that a bare port number means; reports when that is not clear.
  const Service* machine_for(std::uint16_t port, const Place& place, std::optional<EndpointKind> kind = {}) {
    if (out_.services.size() == 1) return &out_.services.front();
    const Service* found = nullptr;
    for (const auto& service : out_.services) {
      const auto& ports = service.*ports_by(kind);
      if (std::ranges::find(ports, port) == ports.end()) continue;
      if (found) {
        problems_.error(place, fmt::format("port {} is both of {} and of {}; say which with [[endpoint]] machine", port,
                                           found->name, service.name));
        return nullptr;
      }
      found = &service;
    }
    if (!found && !out_.services.empty()) {
      problems_.error(place,
                      fmt::format("no service has port {}; say which machine's it is with [[endpoint]] machine", port));
    }
    return found;
  }

  bool name_taken(std::string_view name) const {
    return std::ranges::find(out_.endpoints, name, &Endpoint::name) != out_.endpoints.end();
  }

  std::string endpoint_name(const Endpoint& endpoint) const {
    const bool datagrams = endpoint.kind == EndpointKind::kUdp;
    const std::string number = fmt::format("{}-{}", datagrams ? "udp" : "port", endpoint.port);
    if (speaks_http(endpoint.kind) && !name_taken("web")) return "web";
    if (endpoint.port == 22 && !datagrams && !name_taken("ssh")) return "ssh";
    if (!name_taken(number)) return number;
    return fmt::format("{}-{}{}", to_slug(endpoint.machine, 20), datagrams ? "udp-" : "", endpoint.port);
  }

  /// `said`: its kind, where the template has a word for it.
  void add_endpoint(Endpoint endpoint, std::optional<EndpointKind> said, const Place& place) {
    const auto only = only_kind();
    if (!said && (only == EndpointKind::kTcp || only == guess_kind(endpoint.port))) said = only;
    endpoint.kind = said.value_or(guess_kind(endpoint.port));
    const bool twice = std::ranges::any_of(out_.endpoints, [&](const Endpoint& other) {
      return other.machine == endpoint.machine && other.port == endpoint.port &&
             transport_of(other.kind) == transport_of(endpoint.kind);
    });
    if (twice)
      return problems_.error(place, fmt::format("port {} of {} is an endpoint twice", endpoint.port, endpoint.machine));
    if (endpoint.name.empty()) endpoint.name = endpoint_name(endpoint);
    if (name_taken(endpoint.name))
      return problems_.error(place, fmt::format("two endpoints have the name \"{}\"", endpoint.name));
    if (!said) by_number_.emplace(out_.endpoints.size(), place);
    out_.endpoints.push_back(std::move(endpoint));
  }

  /// Whoever says more of an endpoint than its number does.
  void decide(std::size_t index, EndpointKind kind) {
    if (by_number_.erase(index) > 0) out_.endpoints[index].kind = kind;
  }

  /// What `access` says of all ways in, where it names one kind.
  std::optional<EndpointKind> only_kind() const {
    bool web = false, raw = false;
    for (const auto& one : settings_.access)
      (one.value == "web" ? web : raw) |= one.value != "terminal" && one.value != "udp";
    if (web == raw) return std::nullopt;
    return web ? EndpointKind::kHttp : EndpointKind::kTcp;
  }

  void settle_endpoints() {
    if (out_.services.empty()) return;
    for (const auto& said : settings_.endpoints) {
      const Service* machine =
          said.machine.empty() ? machine_for(said.port, said.place, said.kind) : service_named(said.machine);
      if (!machine) {
        if (!said.machine.empty())
          problems_.error(said.place, fmt::format("there is no service \"{}\"", printable(said.machine)));
        continue;
      }
      Endpoint made{.name = said.name, .machine = machine->name, .port = said.port};
      auto kind = settle_handover(said, problems_, made);
      if (!kind) kind = kind_of(machine->name, said.port);
      if (said.door) made.door = said.door->value;
      add_endpoint(std::move(made), kind, said.place);
    }
    for (const auto& port : settings_.ports) {
      const bool there =
          std::ranges::any_of(settings_.endpoints, [&](const auto& one) { return one.port == port.value; });
      if (there) continue;
      const bool datagrams = some_service_has(port.value, EndpointKind::kUdp);
      if (!datagrams || some_service_has(port.value, EndpointKind::kTcp)) {
        const Service* machine = machine_for(port.value, port.place);
        if (machine) add_endpoint({"", machine->name, port.value}, kind_of(machine->name, port.value), port.place);
      }
      const Service* machine = datagrams ? machine_for(port.value, port.place, EndpointKind::kUdp) : nullptr;
      if (machine) add_endpoint({"", machine->name, port.value}, EndpointKind::kUdp, port.place);
    }
    if (!settings_.ports_said && settings_.endpoints.empty()) {
      for (const auto& [machine, port] : published_) {
        const std::string name = name_taken(port.name) ? std::string{} : port.name;
        add_endpoint({name, machine, port.port}, port.kind ? port.kind : kind_of(machine, port.port), port.place);
      }
    }
    if (out_.endpoints.size() > 64) problems_.error({}, "more than 64 endpoints");
    settle_access();
    const bool terminal =
        std::ranges::find(settings_.access, "terminal", &Said<std::string>::value) != settings_.access.end();
    if (out_.endpoints.empty() && !terminal && !settings_.ports_said && !problems_.broken()) {
      problems_.warn(place_of("instance.toml"),
                     "no endpoint: say `ports`, or access = [\"terminal\"] if there is nothing to connect to");
    }
  }

  /// What an author says of the ways in must be there: what one reads in the file is so.
  void settle_access() {
    // The only endpoint there is.
    if (const auto only = only_kind(); only && out_.endpoints.size() == 1) decide(0, *only);
    for (const auto& [word, place] : settings_.access) {
      const auto kind = word == "web" ? EndpointKind::kHttp : word == "udp" ? EndpointKind::kUdp : EndpointKind::kTcp;
      if (word == "terminal" || std::ranges::find(out_.endpoints, kind, &Endpoint::kind) != out_.endpoints.end())
        continue;
      problems_.warn(
          place, fmt::format("access \"{0}\" needs an endpoint of kind {1}, and there is none: players are shown a way "
                             "in that is not there; write [[endpoint]] port = {2} kind = \"{1}\"",
                             word, word_of(kind), kind == EndpointKind::kHttp ? 80 : 1337));
    }
  }

  /// Of a TCP port, what the compose file says of it, or the labels of its machine or image.
  std::optional<EndpointKind> kind_of(const std::string& machine, std::uint16_t number) const {
    for (const auto& [name, port] : published_) {
      if (name == machine && port.port == number && port.kind && *port.kind != EndpointKind::kUdp) return port.kind;
    }
    const auto labelled = kinds_by_label_.find({machine, number});
    return labelled == kinds_by_label_.end() ? std::nullopt : std::optional(labelled->second);
  }

  /// What is left to the number is said, with the line that says otherwise.
  void note_guesses() {
    for (const auto& [index, place] : by_number_) {
      auto& endpoint = out_.endpoints[index];
      endpoint.guessed = speaks_http(endpoint.kind);
      const bool in_toml = place.file() == "instance.toml";
      const auto way = [&](std::string_view kind) {
        return in_toml ? fmt::format("[[endpoint]] machine = \"{}\" port = {} kind = \"{}\"", endpoint.machine,
                                     endpoint.port, kind)
                       : fmt::format("app_protocol: {} in the long form of `ports`", kind);
      };
      out_.notes.push_back(
          {Problem::Severity::kNote, place.file(), place.line,
           endpoint.guessed
               ? fmt::format("port {} of {} is taken for HTTP by its number; what answers at the first start "
                             "decides. To say it: {}, or \"http\"",
                             endpoint.port, endpoint.machine, way("tcp"))
               : fmt::format("port {} of {} is taken for raw TCP, as its number is none of the web's. To say "
                             "otherwise: {}",
                             endpoint.port, endpoint.machine, way("http"))});
    }
  }

  void settle_ready() {
    const auto& said = settings_.ready;
    auto& ready = out_.ready;
    if (said.interval) ready.interval = *said.interval;
    if (said.timeout) ready.timeout = std::chrono::ceil<std::chrono::seconds>(*said.timeout);
    if (said.path) ready.path = *said.path;
    if (said.port) ready.port = said.port->value;
    if (said.machine) {
      if (service_named(said.machine->value)) ready.machine = said.machine->value;
      else
        problems_.error(said.machine->place, fmt::format("there is no service \"{}\"", printable(said.machine->value)));
    } else if (said.port && out_.services.size() > 1) {
      if (const Service* machine = machine_for(said.port->value, said.port->place)) ready.machine = machine->name;
    }
    if (said.path) settle_asked();
  }

  /// Who says what path to ask for says that HTTP is spoken there.
  void settle_asked() {
    for (std::size_t i = 0; i < out_.endpoints.size(); ++i) {
      const auto& endpoint = out_.endpoints[i];
      if (transport_of(endpoint.kind) == Transport::kUdp) continue;
      const bool meant = out_.ready.port != 0
                             ? endpoint.port == out_.ready.port &&
                                   (out_.ready.machine.empty() || endpoint.machine == out_.ready.machine)
                             : out_.endpoints.size() == 1 || speaks_http(endpoint.kind);
      if (meant) return decide(i, EndpointKind::kHttp);
    }
  }

  void settle_flag() {
    for (const auto& said : settings_.open_ports_machines) {
      if (!service_named(said.value))
        problems_.error(said.place, fmt::format("there is no service \"{}\"", printable(said.value)));
    }
    settle_machine(settings_.flag_machine, out_.flag.machine);
    if (out_.credentials) settle_machine(settings_.credentials_machine, out_.credentials->machine);
    if (settings_.desktop) settle_desktop(*settings_.desktop, out_, problems_);
    if (!out_.credentials) return;
    const bool open = std::ranges::any_of(out_.endpoints, [](const Endpoint& one) { return owns_port(one.kind); });
    if (out_.credentials->per_owner || !open) return;
    problems_.warn(settings_.credentials_place,
                   "everybody has this password, and whoever tries the gateway's ports one after the other finds the "
                   "machines of others: per_owner = true draws one for each owner (docs/flags.md)");
  }

  /// The service that was said, or the first.
  void settle_machine(const std::optional<Said<std::string>>& said, std::string& machine) {
    if (said && !service_named(said->value)) {
      problems_.error(said->place, fmt::format("there is no service \"{}\"", printable(said->value)));
    } else if (said) {
      machine = said->value;
    } else if (!out_.services.empty()) {
      machine = out_.services.front().name;
    }
  }

  /// Everything that makes the template: the files that were read, the images' content, the bound files.
  void finish_hash() {
    ContentHash hash;
    hash.add("tiltyard template 1");
    for (const auto& [name, text] : files_) {
      hash.add(name);
      hash.add(text);
    }
    if (out_.solver) hash.add(out_.solver->service.machine.image);
    for (const auto& service : out_.services) {
      hash.add(service.machine.image);
      for (const auto& bind : service.binds) {
        hash.add(bind.target);
        add_bind(bind, hash);
      }
    }
    out_.hash = hash.hex();
  }

  void add_bind(const BindSource& bind, ContentHash& hash) {
    if (bind.content) return hash.add(*bind.content);
    if (bind.fresh) return;
    const auto found = inside_.locate({}, bind.path);
    if (!found) return;
    std::expected<void, std::string> done;
    if (found->kind == Found::Kind::kFolder) {
      const std::string folder = found->path.empty() ? inside_.folder() : inside_.folder() + "/" + found->path;
      done = hash_tree(folder, {}, hash);
    } else if (auto text = inside_.read({}, bind.path, 200 * 1024 * 1024)) {
      hash.add(*text);
    } else {
      done = std::unexpected(text.error());
    }
    // What is not there at all was said where the file names it.
    if (!done && !problems_.broken())
      problems_.error({}, fmt::format("what is bound to {}: {}", printable(bind.target), done.error()));
  }

  const Options& options_;
  Inside inside_;
  Problems problems_;
  Settings settings_;
  Variables variables_;
  Template out_;
  std::map<std::string, std::string> files_;
  std::vector<std::pair<std::string, PublishedPort>> published_;
  PortKinds kinds_by_label_;
  std::map<std::size_t, Place> by_number_;  ///< the endpoints whose kind nobody has said, and where they are said
};

}  // namespace

Template read_folder(const std::string& folder, const Options& options) { return FolderReader(folder, options).read(); }

std::string id_of_folder(std::string_view name) {
  std::string id = to_slug(name);
  return id.empty() ? "template" : id;
}

bool starts_nothing(const std::string& folder) {
  std::error_code ignored;
  const std::filesystem::path path(folder);
  const auto there = [&](const char* name) { return std::filesystem::exists(path / name, ignored); };
  return there("challenge.toml") && !there("instance.toml") && !there("Dockerfile") &&
         std::ranges::none_of(kComposeFiles, there);
}

}  // namespace tiltyard::templates
