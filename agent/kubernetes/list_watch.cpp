// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/list_watch.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/decode/field_reader.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPage = 500;
constexpr std::size_t kLargestAnswer = std::size_t{1} << 30;
constexpr std::size_t kLargestRefusal = 64U << 10;
constexpr auto kLongestList = 10min;
constexpr auto kSilentList = 75s;  // the server gives up after 60 s, and says so
constexpr auto kSilentStream = 15s;
constexpr auto kLateEnd = 30s;     // after the time at which a watch was to end
constexpr auto kSteady = 1s;       // a watch that lived so long was a good one
constexpr std::chrono::seconds kLongestRetryAfter = 10min;

double seconds(SteadyClock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

ListWatch::ListWatch(Resource resource, HttpTransport& transport, std::function<Result<std::string>()> token,
                     ObjectStore& store, ListWatchTiming timing)
    : resource_(std::move(resource)),
      transport_(transport),
      token_source_(std::move(token)),
      store_(store),
      timing_(std::move(timing)),
      backoff_(timing_.first_delay, timing_.longest_delay),
      due_(timing_.now()),
      last_heard_(timing_.now()) {}

void ListWatch::run() {
    if (!due_ || timing_.now() < *due_) {
        return;
    }
    due_.reset();
    auto token = token_source_();
    if (!token) {
        return fail(token.error());
    }
    token_ = std::move(*token);
    head_.reset();
    body_.clear();
    lines_.clear();
    words_ = 0;
    moved_ = false;
    give_up_.reset();
    began_ = timing_.now();
    exchange_ = transport_.start(request(), *this);
}

HttpRequest ListWatch::request() {
    if (step_ == Step::watch) {
        const std::chrono::milliseconds shortest = timing_.watch;
        const auto length = std::chrono::duration_cast<std::chrono::seconds>(backoff_.between(shortest, 2 * shortest));
        return {.target = resource_.watch_target(resource_version_, length.count()),
                .bearer_token = token_,
                .at_most = length + kLateEnd};
    }
    if (step_ == Step::stream) {
        return {.target = resource_.stream_target(from_cache_ ? "0" : "", std::chrono::seconds(kLongestList).count()),
                .bearer_token = token_,
                .at_most = kLongestList,
                .longest_silence = kSilentStream};
    }
    const bool is_first_page = continue_token_.empty();
    return {.target = resource_.list_target(in_pages_ ? kPage : 0, continue_token_, from_cache_ && is_first_page ? "0" : ""),
            .bearer_token = token_,
            .at_most = kLongestList,
            .longest_silence = kSilentList,
            .may_be_compressed = true};
}

void ListWatch::on_head(const HttpHead& head) {
    head_ = head;
    if (step_ == Step::watch && head.status == 200) {
        heard();
    }
}

bool ListWatch::on_body(std::string_view bytes) {
    const bool is_good = head_ && head_->status == 200;
    if (is_good && step_ != Step::list) {
        if (lines_.feed(bytes, [this](std::string_view line) { return take_line(line); })) {
            return true;
        }
        if (!give_up_ && !was_streamed_) {
            give_up_ = "an event is longer than 16 MiB";
        }
        return false;
    }
    body_.append(bytes);
    return body_.size() <= (is_good ? kLargestAnswer : kLargestRefusal);
}

void ListWatch::on_end(const std::optional<Error>& error) {
    exchange_.reset();
    if (head_ && head_->status != 200) {
        return refused(head_->status);
    }
    if (std::exchange(was_streamed_, false)) {
        return retry_in(0ms);
    }
    if (!head_ || (step_ == Step::list && error)) {
        return fail(error ? *error : Error{"ask for", resource_.plural, "there was no answer"});
    }
    switch (step_) {
        case Step::stream:
            return end_stream(error);
        case Step::list:
            return take_page();
        case Step::watch:
            return end_watch(error);
    }
}

// The bookmark at its end has not come, or the step would be another one.
void ListWatch::end_stream(const std::optional<Error>& error) {
    lines_.clear();
    streamed_.clear();
    step_ = Step::list;
    fail(error ? *error : Error{"list", resource_.plural, give_up_.value_or("the stream ended before all was listed")});
}

void ListWatch::take_page() {
    auto page = body_.size() > kLargestAnswer ? failure("read", resource_.plural, "the list is larger than 1 GiB")
                                              : decode_api_list(resource_.kind, std::exchange(body_, {}));
    if (!page) {
        return fail(page.error());
    }
    std::ranges::move(page->objects, std::back_inserter(pages_.objects));
    std::ranges::move(page->undecoded, std::back_inserter(pages_.undecoded));
    continue_token_ = page->continue_token;
    if (!continue_token_.empty()) {
        return retry_in(0ms);
    }
    pages_.resource_version = page->resource_version;
    if (pages_.resource_version.empty()) {
        pages_ = {};
        return fail({"read", "the list of " + resource_.plural, "it has no resourceVersion to watch from"});
    }
    take_list(std::exchange(pages_, {}));
    retry_in(0ms);
}

void ListWatch::take_list(const ApiList& list) {
    for (const Error& undecoded : store_.replace(resource_.kind, list)) {
        log::error("{}", undecoded.message());
    }
    log::info("{}: listed {} at resourceVersion {}", resource_.plural, list.objects.size(), list.resource_version);
    resource_version_ = list.resource_version;
    step_ = Step::watch;
    in_pages_ = true;
    has_listed_ = true;
    heard();
}

bool ListWatch::take_line(std::string_view line) {
    auto event = decode_api_event(resource_.kind, std::string(line));
    if (!event) {
        give_up_ = event.error().message();
        return false;
    }
    if (event->type == ApiEvent::Type::error) {
        give_up_ = event->status.message.empty() ? "the server ended the watch" : decode::printable(event->status.message);
        return false;
    }
    if (step_ == Step::stream) {
        return take_streamed(std::move(*event));
    }
    heard();
    words_++;
    if (const auto undecoded = store_.take(resource_.kind, *event)) {
        log::error("{}", undecoded->message());
    }
    if (!event->resource_version.empty() && event->resource_version != resource_version_) {
        resource_version_ = event->resource_version;
        moved_ = true;
    }
    return true;
}

// False at the end: the watch that follows is a request of its own, which may be silent for longer.
bool ListWatch::take_streamed(ApiEvent event) {
    if (event.type == ApiEvent::Type::removed) {
        streamed_.erase(event.name);
    } else if (event.type == ApiEvent::Type::put) {
        ObjectName name = event.name;
        streamed_.insert_or_assign(std::move(name), std::move(event));
    }
    if (!event.ends_initial_events) {
        return true;
    }
    ApiList list{.resource_version = event.resource_version};
    for (auto& [name, listed] : std::exchange(streamed_, {})) {
        if (listed.undecoded) {
            list.undecoded.push_back({name, std::move(*listed.undecoded)});
        } else if (listed.object) {
            list.objects.push_back(std::move(*listed.object));
        }
    }
    take_list(list);
    was_streamed_ = true;
    return false;
}

void ListWatch::end_watch(const std::optional<Error>& error) {
    lines_.clear();
    const auto lived = timing_.now() - began_;
    if (moved_ || (lived >= kSteady && !give_up_)) {
        backoff_.reset();
    }
    if (give_up_) {
        return list_again(*give_up_);
    }
    // A server that was set back to an older state is silent until it has caught up.
    if (!error && words_ == 0 && lived >= timing_.mute) {
        return list_again("nothing was heard for " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(lived).count()) + " s");
    }
    if (error) {
        log::info("{}: the watch was cut after {:.1f} s: {}; it goes on from resourceVersion {}", resource_.plural,
                  seconds(lived), error->reason, resource_version_);
    }
    retry_in(!error && lived >= kSteady ? 0ms : backoff_.next());
}

void ListWatch::list_again(const std::string& reason) {
    log::info("{}: listed again: {}", resource_.plural, reason);
    forget_position();
    retry_in(backoff_.next());
}

void ListWatch::forget_position() {
    step_ = has_streams_ ? Step::stream : Step::list;
    from_cache_ = false;
    continue_token_.clear();
    pages_ = {};
}

void ListWatch::refused(int status) {
    Error error{step_ == Step::watch ? "watch" : "list", resource_.plural, describe(status)};
    const bool was_page = !continue_token_.empty();
    if (status == 401) {
        // A token that was rotated in this moment.
        const auto token = token_source_();
        if (token && *token != token_) {
            return retry_in(0ms);
        }
    } else if (status == 410) {
        in_pages_ = in_pages_ && !was_page;  // a list in pages that takes longer than it may does so again
        return list_again(error.reason);
    } else if (step_ == Step::stream && status != 403 && status != 429) {
        step_ = Step::list;
        if (status < 500) {
            has_streams_ = false;
            return retry_in(0ms);
        }
    } else if (status != 403 && status != 429 && status < 500) {
        forget_position();  // what was asked makes no sense to the server (any more)
    }
    const std::chrono::seconds asked = std::min(head_->retry_after.value_or(0s), kLongestRetryAfter);
    fail(std::move(error), asked);
}

std::string ListWatch::describe(int status) const {
    const auto said = decode_api_status(body_);
    std::string text = "the API server says " + std::to_string(status);
    if (status == 403) {  // first, since what shows errors may cut them
        text += ", add to its ClusterRole {apiGroups: [\"" + resource_.group + "\"], resources: [\"" + resource_.plural +
                "\"], verbs: [\"list\", \"watch\"]}";
    }
    const std::string words = said && !said->message.empty() ? said->message : body_;
    if (!words.empty()) {
        const std::size_t end = words.find_last_not_of(" \r\n\t");
        text += ": " + decode::printable(words.substr(0, end == words.npos ? 0 : end + 1));
    }
    if (status == 401) {
        text += "; its token is not accepted (any more): look at the kubeconfig or the service account's token";
    } else if (status == 404) {
        text += "; is this the URL of a Kubernetes API server?";
    }
    return text;
}

void ListWatch::fail(Error error, std::chrono::milliseconds at_least) {
    const auto delay = backoff_.next();
    if (!trouble_ || trouble_->message() != error.message()) {
        log::warn("{}{}", error.message(), has_listed_ ? "; what is known stays in force" : "");
    }
    trouble_ = std::move(error);
    // All who were told the same time must not come at that time.
    retry_in(std::max(delay, at_least == 0ms ? 0ms : at_least + backoff_.between(0ms, at_least / 4)));
}

void ListWatch::heard() {
    last_heard_ = timing_.now();
    if (trouble_) {
        log::info("{}: the API server answers again", resource_.plural);
        trouble_.reset();
    }
}

}  // namespace shunt
