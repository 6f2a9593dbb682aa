#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "imports/draft.h"
#include "imports/keys.h"
#include "imports/origin.h"

/// The formats that are read. Each fills in a draft of what one file says, and notes what became of each key. What its
/// keys mean is said in docs/imports.md.
namespace tiltyard::imports {

/// One document of a file.
struct Document {
  std::string path;  ///< from the root of what is imported
  Node root;         ///< a map
};

/// A way to say a challenge in one document.
struct Format {
  const char* name;
  /// Whether the document is one; told by what stands in it.
  bool (*is)(const Document& document);
  void (*read)(const Document& document, const Origin& origin, Draft& draft);
};
/// In the order in which they count where a folder has several: who says most of the contest comes first.
const std::vector<Format>& formats();

bool is_ctfcli(const Document& document);
void read_ctfcli(const Document& document, const Origin& origin, Draft& draft);
bool is_rctf(const Document& document);
void read_rctf(const Document& document, const Origin& origin, Draft& draft);
bool is_whaley(const Document& document);
void read_whaley(const Document& document, const Origin& origin, Draft& draft);
bool is_klodd(const Document& document);
void read_klodd(const Document& document, const Origin& origin, Draft& draft);
bool is_kctf(const Document& document);
void read_kctf(const Document& document, const Origin& origin, Draft& draft);

/// Whole exports, told by the files that are in the folder.
bool is_ctfd(const Origin& origin, const std::string& folder);
std::vector<Draft> read_ctfd(const Origin& origin, const std::string& folder, std::vector<Note>& notes);
bool is_gzctf(const Origin& origin, const std::string& folder);
std::vector<Draft> read_gzctf(const Origin& origin, const std::string& folder, std::vector<Note>& notes);
bool is_dojo(const Origin& origin, const std::string& folder);
std::vector<Draft> read_dojo(const Origin& origin, const std::string& folder, std::vector<Note>& notes);

/// A folder that is a template already, or a challenge in our own words: copied as it is.
bool is_tiltyard(const Origin& origin, const std::string& folder, const std::optional<Document>& instance);
void read_tiltyard(const Origin& origin, const std::string& folder, const std::optional<Document>& instance,
                   Draft& draft);

// What several of them need.

/// Fills in where a draft comes from.
Draft draft_of(std::string format, const std::string& folder, const std::string& file);
/// All documents of a YAML file; what is wrong is noted. JSON and TOML files are read by their own readers.
std::vector<Document> documents(const Origin& origin, const std::string& path, std::vector<Note>& notes);
std::optional<Document> json_document(const Origin& origin, const std::string& path, std::vector<Note>& notes,
                                      std::size_t most);
std::optional<Document> toml_document(const Origin& origin, const std::string& path, std::vector<Note>& notes);

/// The compose file of a folder, and what is laid over it; empty: none.
std::vector<std::string> compose_files(const Origin& origin, const std::string& folder);
/// What is there to be started, where the format itself says nothing: a compose file, else a Dockerfile.
bool start_what_lies_there(const Origin& origin, Draft& draft);
/// One machine, built from a folder below the challenge's.
void start_build(const Origin& origin, Draft& draft, const std::string& context, const std::string& dockerfile = {});
void start_image(Draft& draft, const std::string& image);
/// The folder to build a service from, where its Dockerfile lies beside what names its image: in a folder of its name,
/// or, for the only service, in the challenge's. As a compose file names it; empty: there is none.
std::string build_beside(const Origin& origin, Draft& draft, const std::string& service, bool alone);
/// Ways to the ports that a Dockerfile exposes, where nothing else was said. `kind` may be empty.
void ways_from_dockerfile(const Origin& origin, Draft& draft, const std::string& context, const std::string& dockerfile,
                          const std::string& kind);
/// Services of the pods of Kubernetes, as Klodd and rCTF have them. `prefix` names the list for notes.
void start_pods(const Origin& origin, Draft& draft, const Node& pods, const std::string& prefix);

/// A file for players; `path` as the format says it, from the challenge's folder.
void hand_out(const Origin& origin, Draft& draft, const std::string& path, const Place& place, std::string name = {});
/// Flags that are the same for everybody.
void fixed_flags(Draft& draft);
/// A file with a flag and nothing else; empty: there is none.
std::string flag_in_file(const Origin& origin, const std::string& path);
void setting(Draft& draft, std::string key, std::string toml);
/// The lease; seconds.
void lease(Draft& draft, std::int64_t seconds);
std::string folder_of(const Document& document);

}  // namespace tiltyard::imports
