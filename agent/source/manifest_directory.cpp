// SPDX-License-Identifier: Apache-2.0
#include "agent/source/manifest_directory.h"

#include <filesystem>
#include <functional>
#include <string_view>

#include "agent/decode/decode.h"
#include "agent/source/read_file.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

bool is_manifest(std::string_view name) {
    return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"));
}

Result<std::set<std::string>> list_manifests(const std::string& directory) {
    std::set<std::string> names;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(directory, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        std::string name = entry->path().filename();
        if (is_manifest(name)) {
            names.insert(std::move(name));
        }
    }
    if (error) {
        return failure("read", directory, error.message());
    }
    return names;
}

}  // namespace

ManifestDirectory::ManifestDirectory(std::string path) : path_(std::move(path)), watch_(path_) {
    while (path_.size() > 1 && path_.ends_with('/')) {
        path_.pop_back();
    }
}

// Watching comes before reading: what changes in between is read twice, but never missed.
Result<Change> ManifestDirectory::start() {
    Change change;
    Status status = watch_.start();
    if (status) {
        status = read_everything(change);
    }
    if (!status) {
        return std::unexpected(status.error());
    }
    return change;
}

Change ManifestDirectory::on_readable() {
    Change change;
    const Result<DirectoryEvents> events = watch_.read();
    if (!events) {
        lose(events.error());
        return change;
    }
    // Kubernetes replaces a mounted ConfigMap by renaming this link; the files' own entries stay as they are.
    if (events->everything || events->names.contains("..data") || lost_) {
        if (const Status status = read_everything(change); !status) {
            lose(status.error());
        }
        return change;
    }
    for (const std::string& name : events->names) {
        if (is_manifest(name)) {
            read_one(name, change);
        }
    }
    return change;
}

std::vector<BrokenInput> ManifestDirectory::broken() const {
    std::vector<BrokenInput> broken;
    if (lost_) {
        broken.push_back({path_, *lost_});
    }
    for (const auto& [name, error] : broken_) {
        broken.push_back({path_of(name), error});
    }
    return broken;
}

std::chrono::seconds ManifestDirectory::silence() const {
    if (!lost_) {
        return std::chrono::seconds(0);
    }
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - lost_since_);
}

Status ManifestDirectory::read_everything(Change& change) {
    Result<std::set<std::string>> names = list_manifests(path_);
    if (!names) {
        return std::unexpected(names.error());
    }
    if (lost_) {
        log::info("{}: is back", path_);
        lost_.reset();
    }
    for (const auto& [name, version] : versions_) {
        names->insert(name);  // gone, perhaps
    }
    for (const std::string& name : *names) {
        read_one(name, change);
    }
    has_read_all_ = true;
    return {};
}

void ManifestDirectory::read_one(const std::string& name, Change& change) {
    Result<std::optional<std::string>> text = read_file(path_of(name));
    if (!text) {
        return reject(name, text.error());
    }
    if (!*text) {
        return forget(name, change);
    }
    const std::pair version((*text)->size(), std::hash<std::string>()(**text));
    const auto known = versions_.find(name);
    if (known != versions_.end() && known->second == version) {
        return;
    }
    const Result<DecodedFile> decoded = decode_file(path_of(name), std::move(**text));
    decoded ? accept(name, *decoded, change) : reject(name, decoded.error());
    versions_[name] = version;
}

void ManifestDirectory::accept(const std::string& name, const DecodedFile& decoded, Change& change) {
    for (const SkippedObject& skipped : decoded.skipped) {
        log::info("{}: {} {} is not for shunt and skipped", path_of(name), skipped.kind, to_string(skipped.name));
    }
    for (const std::string& warning : decoded.warnings) {
        log::warn("{}: {}", path_of(name), warning);
    }
    for (const std::string& warning : manifests_.replace(name, decoded.objects, change)) {
        log::warn("{}: {}", path_, warning);
    }
    if (broken_.erase(name) != 0) {
        log::info("{}: is mended", path_of(name));
    }
    never_parsed_.erase(name);
}

void ManifestDirectory::reject(const std::string& name, Error error) {
    const bool is_new = !versions_.contains(name);
    if (is_new) {
        never_parsed_.insert(name);
    }
    versions_[name] = std::nullopt;
    // A file that cannot be opened is tried at each event: say it once.
    const auto known = broken_.find(name);
    if (known == broken_.end() || known->second.message() != error.message()) {
        log::error("{}: {}{}", error.object, error.reason,
                   never_parsed_.contains(name) ? "" : "; its last good state stays in force");
    }
    broken_.insert_or_assign(name, std::move(error));
}

void ManifestDirectory::forget(const std::string& name, Change& change) {
    if (versions_.erase(name) == 0) {
        return;
    }
    manifests_.replace(name, {}, change);
    if (broken_.erase(name) != 0) {
        log::info("{}: is gone, and its error with it", path_of(name));
    }
    never_parsed_.erase(name);
}

void ManifestDirectory::lose(Error error) {
    if (!lost_) {
        lost_since_ = std::chrono::steady_clock::now();
    }
    if (!lost_ || lost_->message() != error.message()) {
        log::error("{}: {}; what was read from it stays in force until it is back", path_, error.reason);
    }
    lost_ = std::move(error);
}

}  // namespace shunt
