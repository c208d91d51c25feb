// SPDX-License-Identifier: Apache-2.0
#include "agent/source/directory_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

namespace shunt {
namespace {

constexpr std::uint32_t directory_events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE |
                                           IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t parent_events = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;

// A file that was just created is empty, or half of what it will be; IN_CLOSE_WRITE says when it is whole. Links, hard
// or symbolic, are whole at once and get no other event.
bool is_whole_when_created(const std::string& path) {
    struct stat status;
    return ::lstat(path.c_str(), &status) == 0 &&
           (S_ISLNK(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink > 1));
}

}  // namespace

DirectoryWatch::DirectoryWatch(std::string directory) : directory_(std::move(directory)) {
    std::error_code error;
    std::filesystem::path path = std::filesystem::absolute(directory_, error).lexically_normal();
    if (!path.has_filename()) {
        path = path.parent_path();  // "dir/"
    }
    parent_ = path.parent_path();
    name_ = path.filename();
}

Status DirectoryWatch::start() {
    if (!inotify_) {
        inotify_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!inotify_) {
            return failure_errno("watch", directory_);
        }
    }
    return watch_directory();
}

// The parent comes first: whatever happens after that to the directory's entry is seen.
Status DirectoryWatch::watch_directory() {
    watch_parent();
    directory_watch_ = ::inotify_add_watch(inotify_.get(), directory_.c_str(), directory_events);
    if (directory_watch_ >= 0) {
        return {};
    }
    if (errno == ENOSPC) {
        return failure("watch", directory_, "too many inotify watches: raise sysctl fs.inotify.max_user_watches");
    }
    return failure_errno("watch", directory_);
}

void DirectoryWatch::watch_parent() {
    if (parent_watch_ < 0 && !name_.empty()) {
        // Without it only the directory's return goes unnoticed until somebody calls read().
        parent_watch_ = ::inotify_add_watch(inotify_.get(), parent_.c_str(), parent_events);
    }
}

Result<DirectoryEvents> DirectoryWatch::read() {
    DirectoryEvents events;
    alignas(inotify_event) char buffer[16384];
    for (;;) {
        const ssize_t size = ::read(inotify_.get(), buffer, sizeof buffer);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0 && errno != EAGAIN) {
            return failure_errno("watch", directory_);
        }
        if (size <= 0) {
            break;
        }
        for (ssize_t at = 0; at < size;) {
            const auto& event = *reinterpret_cast<const inotify_event*>(buffer + at);
            take(event, events);
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
    }
    if (directory_watch_ < 0) {
        if (const Status watched = watch_directory(); !watched) {
            return std::unexpected(watched.error());
        }
        events.everything = true;
    }
    return events;
}

void DirectoryWatch::take(const inotify_event& event, DirectoryEvents& events) {
    const std::string name = event.len != 0 ? event.name : "";
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
        // What was lost may have been about the directory itself. Watching again what is still watched is harmless.
        directory_watch_ = -1;
        return;
    }
    if (event.wd == parent_watch_) {
        if ((event.mask & (IN_IGNORED | IN_UNMOUNT)) != 0) {
            parent_watch_ = -1;
        } else if (name == name_) {
            // Another directory (or link) stands there now, or none. The old one must not speak for it any more.
            if (directory_watch_ >= 0) {
                ::inotify_rm_watch(inotify_.get(), directory_watch_);
            }
            directory_watch_ = -1;
        }
        return;
    }
    if (event.wd != directory_watch_) {
        return;  // the last words of a watch that was given up
    }
    if ((event.mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
        if ((event.mask & IN_MOVE_SELF) != 0) {
            ::inotify_rm_watch(inotify_.get(), directory_watch_);
        }
        directory_watch_ = -1;
        return;
    }
    if (!name.empty() && ((event.mask & IN_CREATE) == 0 || is_whole_when_created(directory_ + '/' + name))) {
        events.names.insert(name);
    }
}

}  // namespace shunt
