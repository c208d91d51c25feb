// SPDX-License-Identifier: Apache-2.0
// Which names in a directory may have changed, by inotify. It watches the directory and its parent, so that it
// notices when the directory is replaced or comes back.
#pragma once

#include <set>
#include <string>

#include "agent/support/fd.h"
#include "agent/support/result.h"

struct inotify_event;

namespace shunt {

struct DirectoryEvents {
    std::set<std::string> names;  // look at these
    bool everything = false;      // events were lost, or this is another directory now: look at all
};

class DirectoryWatch {
public:
    explicit DirectoryWatch(std::string directory);

    // Begins to watch. Fails if there is no such directory, and may be called again then.
    Status start();

    // Readable when there are events; -1 before the first start().
    int fd() const { return inotify_.get(); }

    // Never blocks. An error means that the directory is gone or cannot be watched; every further call, also
    // without an event, tries again.
    Result<DirectoryEvents> read();

private:
    Status watch_directory();
    void watch_parent();
    void take(const inotify_event& event, DirectoryEvents& events);

    std::string directory_;
    std::string parent_, name_;  // where the directory's own entry stands
    Fd inotify_;
    int directory_watch_ = -1;
    int parent_watch_ = -1;
};

}  // namespace shunt
