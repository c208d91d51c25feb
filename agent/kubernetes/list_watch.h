// SPDX-License-Identifier: Apache-2.0
// Keeps an ObjectStore equal to what the API server has of one kind: lists it, watches from there on, and begins again
// where that ends. What is known stays known, whatever fails.
//
//   stream  how to list where the server can: what there is comes as events, and counts when a bookmark says that this was
//           all. Neither side holds the whole text. A server that does not know it is asked for lists from then on; after
//           a stream that fails otherwise the next try is a list.
//   list    pages are collected and count when the last one is there. The first list may come from the server's cache
//           (resourceVersion=0); one after "expired" asks for the present, since the cache was what was too old.
//   watch   every event and bookmark moves the resourceVersion, where the next watch begins. A stream that is cut loses
//           at most the event that was cut.
//   expired 410, as a status, as an event in a watch or for a continue token: list again.
//
// Two requests are at least half the first delay apart, unless the first was a stream or a page of a list, or a watch that
// ended regularly after a second or more.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/kubernetes/backoff.h"
#include "agent/kubernetes/http.h"
#include "agent/kubernetes/line_splitter.h"
#include "agent/kubernetes/object_store.h"
#include "agent/kubernetes/resource.h"

namespace shunt {

struct ListWatchTiming {
    std::chrono::milliseconds first_delay{500};
    std::chrono::milliseconds longest_delay{30000};
    std::chrono::seconds watch{300};        // at least so long, at most twice as long: the server is asked to end it then
    std::chrono::seconds mute{120};         // a watch of at least this length without a word is not believed: list again
    std::function<SteadyClock::time_point()> now = SteadyClock::now;
};

class ListWatch final : private HttpAnswerHandler {
public:
    // All but `resource` must outlive it. `token` yields the bearer token for the next request.
    ListWatch(Resource resource, HttpTransport& transport, std::function<Result<std::string>()> token, ObjectStore& store,
              ListWatchTiming timing);

    // Begins the next request if it is due.
    void run();

    // When run() has something to do; nothing while a request is on its way.
    std::optional<SteadyClock::time_point> due() const { return due_; }

    bool has_listed() const { return has_listed_; }
    const Resource& resource() const { return resource_; }

    // The last good answer, event or bookmark; at first, when this object was made.
    SteadyClock::time_point last_heard() const { return last_heard_; }

    // Why the last request was in vain; nothing once one succeeds.
    const std::optional<Error>& trouble() const { return trouble_; }

private:
    enum class Step { stream, list, watch };

    void on_head(const HttpHead& head) override;
    bool on_body(std::string_view bytes) override;
    void on_end(const std::optional<Error>& error) override;

    HttpRequest request();
    bool take_line(std::string_view line);
    bool take_streamed(ApiEvent event);
    void take_page();
    void take_list(const ApiList& list);
    void end_stream(const std::optional<Error>& error);
    void end_watch(const std::optional<Error>& error);
    void refused(int status);
    void list_again(const std::string& reason);
    void forget_position();
    void fail(Error error, std::chrono::milliseconds at_least = std::chrono::milliseconds(0));
    void retry_in(std::chrono::milliseconds delay) { due_ = timing_.now() + delay; }
    void heard();
    std::string describe(int status) const;

    Resource resource_;
    HttpTransport& transport_;
    std::function<Result<std::string>()> token_source_;
    ObjectStore& store_;
    ListWatchTiming timing_;
    Backoff backoff_;

    Step step_ = Step::stream;
    bool has_streams_ = true;     // the server may know streams
    std::string resource_version_;
    bool from_cache_ = true;      // the next list may be answered from the server's cache
    bool in_pages_ = true;        // ask for pages
    std::string continue_token_;  // of the next page
    ApiList pages_;               // so far
    std::map<ObjectName, ApiEvent> streamed_;  // so far
    bool was_streamed_ = false;   // all of it, by the request that is at its end

    std::unique_ptr<HttpExchange> exchange_;
    std::optional<SteadyClock::time_point> due_;
    SteadyClock::time_point began_;
    std::string token_;  // sent with the request
    std::optional<HttpHead> head_;
    std::string body_;
    LineSplitter lines_;
    std::size_t words_ = 0;               // events and bookmarks of this watch
    bool moved_ = false;                  // this watch brought a new resourceVersion
    std::optional<std::string> give_up_;  // why this watch is of no more use

    bool has_listed_ = false;
    SteadyClock::time_point last_heard_;
    std::optional<Error> trouble_;
};

}  // namespace shunt
