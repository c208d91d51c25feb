// SPDX-License-Identifier: Apache-2.0
// The API source against recorded answers of a real API server, over real TLS: test/api_server/replay.py plays them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <random>
#include <sstream>

#include "agent/decode/api_answer.h"
#include "agent/kubernetes/api_source.h"
#include "agent/kubernetes/list_watch.h"
#include "agent/support/fd.h"

namespace shunt {

void PrintTo(const ObjectName& name, std::ostream* out) { *out << to_string(name); }

namespace {

using namespace std::chrono_literals;

constexpr const char* kNode = "ip-10-0-1-11.us-west-2.compute.internal";
const std::string kStream = "sendInitialEvents";
constexpr int kEventsOfServices = 60;
constexpr int kEventsOfSlices = 80;

std::string read_text(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string recorded(const std::string& name) { return read_text(std::filesystem::path(RECORDINGS) / name); }

// A module of test/api_server that prints its port and serves until its standard input ends.
class PythonServer {
public:
    PythonServer(const char* module, const std::vector<std::string>& arguments) {
        std::array<int, 2> input{};
        std::array<int, 2> output{};
        EXPECT_EQ(pipe2(input.data(), O_CLOEXEC), 0);
        EXPECT_EQ(pipe2(output.data(), O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, input[0], 0);
        posix_spawn_file_actions_adddup2(&actions, output[1], 1);
        posix_spawn_file_actions_addchdir_np(&actions, TEST_FOLDER);
        std::vector<const char*> argv = {"/usr/bin/python3", "-B", "-m", module};
        for (const std::string& argument : arguments) {
            argv.push_back(argument.c_str());
        }
        argv.push_back(nullptr);
        EXPECT_EQ(posix_spawn(&pid_, "/usr/bin/python3", &actions, nullptr, const_cast<char**>(argv.data()), environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        close(input[0]);
        close(output[1]);
        input_ = Fd(input[1]);
        output_ = Fd(output[0]);
        for (char c = 0; ::read(output_.get(), &c, 1) == 1 && c != '\n';) {
            port_ += c;
        }
        EXPECT_FALSE(port_.empty()) << module << " did not start";
    }
    PythonServer(const PythonServer&) = delete;
    PythonServer& operator=(const PythonServer&) = delete;
    ~PythonServer() { stop(); }

    void stop() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(std::exchange(pid_, -1), nullptr, 0);
        }
    }
    const std::string& port() const { return port_; }

private:
    std::string port_;
    pid_t pid_ = -1;
    Fd input_;
    Fd output_;
};

class ReplayServer {
public:
    explicit ReplayServer(const std::string& script)
        : folder_(std::filesystem::temp_directory_path() / ("shunt-test-replay-" + std::to_string(getpid()))) {
        std::filesystem::create_directory(folder_);
        std::ofstream(folder_ / "token") << "first\n";
        std::ofstream(folder_ / "script.json") << script;
        server_.emplace("api_server.replay", std::vector<std::string>{folder_, folder_ / "script.json", RECORDINGS});
        url_ = "https://127.0.0.1:" + server_->port();
    }

    ~ReplayServer() {
        stop();
        std::filesystem::remove_all(folder_);
    }

    void stop() { server_->stop(); }

    const std::string& url() const { return url_; }
    std::filesystem::path file(const std::string& name) const { return folder_ / name; }

    // Requests so far, as lines of JSON, those that hold all of `words`. Streams only if the words say so: the script of
    // most tests has none.
    int requests(const std::vector<std::string>& words = {}) const {
        std::ifstream log(folder_ / "requests.jsonl");
        int number = 0;
        for (std::string line; std::getline(log, line);) {
            const bool is_asked = line.find(kStream) == line.npos || std::ranges::find(words, kStream) != words.end();
            number += is_asked && std::ranges::all_of(words, [&](const std::string& word) { return line.find(word) != line.npos; });
        }
        return number;
    }

private:
    std::filesystem::path folder_;
    std::string url_;
    std::optional<PythonServer> server_;
};

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

class Client {
public:
    explicit Client(const ReplayServer& server, ClusterAccess access = {}, std::chrono::milliseconds delay = 10ms) {
        access.server = server.url();
        if (access.ca.empty() && access.verify) {
            access.ca.path = server.file("ca.crt");
        }
        auto http = open_http_client(access);
        EXPECT_TRUE(http) << http.error().message();
        ListWatchTiming timing;
        timing.first_delay = delay;
        timing.longest_delay = 20 * delay;
        source_ = std::make_unique<ApiSource>(std::move(access), std::move(*http), kNode, timing);
        source_->start();
    }

    ApiSource* operator->() { return source_.get(); }

    // False if it was not true within the time.
    bool run_until(const std::function<bool()>& is_true, std::chrono::seconds most = 30s) {
        const auto deadline = std::chrono::steady_clock::now() + most;
        while (!is_true()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            pollfd ready{source_->fd(), POLLIN, 0};
            poll(&ready, 1, 20);
            const Change change = source_->on_readable();
            wakeups_++;
            changes_.services.insert(change.services.begin(), change.services.end());
        }
        return true;
    }
    void run_for(std::chrono::milliseconds time) {
        const auto end = std::chrono::steady_clock::now() + time;
        run_until([&] { return std::chrono::steady_clock::now() > end; });
    }
    int wakeups() const { return wakeups_; }
    const Change& changes() const { return changes_; }

private:
    std::unique_ptr<ApiSource> source_;
    Change changes_;
    int wakeups_ = 0;
};

// What a kind's list and its first `lines` events come to, without a network.
void expect(ObjectStore& store, const std::string& kind, const std::string& name, int lines) {
    auto list = decode_api_list(kind, recorded("watch-scenario/" + name + ".list.json"));
    ASSERT_TRUE(list) << list.error().message();
    EXPECT_TRUE(store.replace(kind, *list).empty());
    std::istringstream events(recorded("watch-scenario/" + name + ".watch.jsonl"));
    std::string line;
    for (int i = 0; i < lines && std::getline(events, line); i++) {
        auto event = decode_api_event(kind, line);
        ASSERT_TRUE(event) << event.error().message();
        EXPECT_EQ(store.take(kind, *event), std::nullopt);
    }
}

ObjectStore* expected_state() {
    static ObjectStore* const store = [] {
        auto* const made = new ObjectStore;
        expect(*made, "Service", "services-kube-proxy", kEventsOfServices);
        expect(*made, "EndpointSlice", "endpointslices-kube-proxy", kEventsOfSlices);
        auto node = decode_api_list("Node", recorded("lists/nodes-fieldselector.json"));
        made->replace("Node", *node);
        return made;
    }();
    return store;
}

bool is_expected(const Snapshot& snapshot) {
    const Snapshot& expected = expected_state()->snapshot();
    return snapshot.services == expected.services && snapshot.slices == expected.slices &&
           snapshot.nodes == expected.nodes && snapshot.slices_of_service == expected.slices_of_service;
}

std::string quiet_node() {
    return R"("nodes": {"list": [{"answer": "lists/nodes-fieldselector"}],
              "watch": [{"events": "watch-scenario/node-fieldselector", "lines": 0}]})";
}

std::string steps(const std::string& plural, const std::string& list, const std::string& watch) {
    return '"' + plural + R"(": {"list": [)" + list + R"(], "watch": [)" + watch + "]}";
}

std::string events(const std::string& name, int lines, const std::string& more = "") {
    return R"({"events": "watch-scenario/)" + name + R"(", "lines": )" + std::to_string(lines) + more + '}';
}

std::string list_of(const std::string& name) { return R"({"answer": "watch-scenario/)" + name + R"(.list"})"; }

const std::string kServicesList = list_of("services-kube-proxy");
const std::string kSlicesList = list_of("endpointslices-kube-proxy");

// The whole conversation, with `more` in each watch, and steps before the lists and watches of Services.
std::string script(const std::string& more = "", const std::string& before_list = "", const std::string& before_watch = "",
                   const std::string& settings = "") {
    return "{" + settings +
           steps("services", before_list + kServicesList, before_watch + events("services-kube-proxy", kEventsOfServices, more)) +
           "," +
           steps("endpointslices", kSlicesList, events("endpointslices-kube-proxy", kEventsOfSlices, more)) + "," +
           quiet_node() + "}";
}

TEST(Replay, ListsAndWatchesGiveTheModel) {
    const ReplayServer server(script());
    Client client(server);
    EXPECT_FALSE(client->knows_everything());
    EXPECT_EQ(client->missing(), "the first list of services, endpointslices, nodes from " + server.url());
    ASSERT_TRUE(client.run_until([&] { return is_expected(client->snapshot()) && server.requests() == 6; }));
    EXPECT_TRUE(client->knows_everything());
    EXPECT_EQ(client->missing(), "");
    EXPECT_EQ(client->trouble(), std::nullopt);
    EXPECT_TRUE(client->broken().empty());
    EXPECT_GE(client.changes().services.size(), expected_state()->snapshot().services.size());
    EXPECT_EQ(server.requests(), 6);
    EXPECT_EQ(server.requests({"/api/v1/services", "spec.clusterIP!=None", "!service.kubernetes.io/headless", "\"limit\": \"500\"",
                               "\"resourceVersion\": \"0\""}), 1);
    EXPECT_EQ(server.requests({"\"watch\": \"true\"", "\"resourceVersion\": \"673\"", "allowWatchBookmarks"}), 1);
    EXPECT_EQ(server.requests({"nodes", std::string("metadata.name=") + kNode}), 2);
}

// One step, and the list that stands in its place when it fails.
std::string streamed(const std::string& plural, const std::string& stream, const std::string& list) {
    return '"' + plural + R"(": {"stream": [)" + stream + R"(], "list": [)" + list + R"(], "watch": [{"events": "watch-scenario/services-kube-proxy", "lines": 0}]})";
}

std::string answer(const std::string& name, const std::string& more = "") { return R"({"answer": ")" + name + '"' + more + '}'; }

const std::string kNodeStream = "watch-other/node-fieldselector-streaming-list";
const std::string kServicesStream = "watch-other/services-streaming-list-selector";
const std::string kSlicesStream = "watch-other/endpointslices-streaming-list";

// The cluster was in the same state when its lists and its streams were recorded.
bool is_listed_state(const Snapshot& snapshot) {
    static ObjectStore* const expected = [] {
        auto* const made = new ObjectStore;
        expect(*made, "Service", "services-kube-proxy", 0);
        expect(*made, "EndpointSlice", "endpointslices-kube-proxy", 0);
        made->replace("Node", *decode_api_list("Node", recorded("lists/nodes-fieldselector.json")));
        return made;
    }();
    return snapshot.services == expected->snapshot().services && snapshot.slices == expected->snapshot().slices &&
           snapshot.nodes == expected->snapshot().nodes;
}

TEST(Replay, StreamsGiveTheModelOfTheLists) {
    const ReplayServer server("{" + streamed("services", answer(kServicesStream, R"(, "pieces": 1)"), "") + "," +
                              streamed("endpointslices", answer(kSlicesStream, R"(, "pieces": 2, "hold": true)"), "") + "," +
                              streamed("nodes", answer(kNodeStream), "") + "}");
    Client client(server);
    ASSERT_TRUE(client.run_until([&] { return server.requests({"\"watch\""}) == 3; }));
    EXPECT_TRUE(is_listed_state(client->snapshot()));
    EXPECT_TRUE(client->knows_everything());
    EXPECT_EQ(server.requests({kStream, "\"resourceVersion\": \"0\""}), 3);
    EXPECT_EQ(server.requests({"\"limit\""}), 0);
    EXPECT_EQ(server.requests({"\"watch\"", "\"plural\": \"services\"", "\"resourceVersion\": \"1539\""}), 1) << "from the bookmark on";
}

TEST(Replay, ListsAndStreamsThatAreCutAtAnyByteCountForNothing) {
    const std::size_t before = open_descriptors();
    std::mt19937 chance(7);
    for (int run = 0; run < 8; run++) {
        const auto cut = [&](const std::string& name, std::size_t size) {
            return answer(name, R"(, "cut": )" + std::to_string(chance() % size));
        };
        const std::string services = "watch-scenario/services-kube-proxy.list";
        const std::string slices = "watch-scenario/endpointslices-kube-proxy.list";
        const ReplayServer server("{" + streamed("services", cut(kServicesStream, 66877), cut(services, 63677) + "," + cut(services, 63677) + "," + answer(services)) + "," +
                                  streamed("endpointslices", cut(kSlicesStream, 153668), cut(slices, 147392) + "," + answer(slices)) + "," +
                                  streamed("nodes", cut(kNodeStream, 3571), answer("lists/nodes-fieldselector")) + "}");
        Client client(server, {}, 4ms);
        ASSERT_TRUE(client.run_until([&] {
            EXPECT_TRUE(client->snapshot().services.empty() || is_listed_state(client->snapshot()));
            return client->knows_everything();
        }));
        EXPECT_TRUE(is_listed_state(client->snapshot()));
        EXPECT_EQ(client->trouble(), std::nullopt);
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST(Replay, AQuietSourceSleeps) {
    const ReplayServer server(script());
    Client client(server);
    ASSERT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    client.run_for(200ms);
    int readable = 0;
    for (int i = 0; i < 20; i++) {
        pollfd ready{client->fd(), POLLIN, 0};
        readable += poll(&ready, 1, 50);
        client->on_readable();
    }
    EXPECT_LE(readable, 2);
}

TEST(Replay, CutsAtAnyByteCostNothingButRequests) {
    const std::size_t before = open_descriptors();
    int cuts = 0;
    for (const int seed : {1, 2, 3, 4, 5, 6}) {
        const ReplayServer server(script(R"(, "cuts": 0.08, "seed": )" + std::to_string(seed)));
        Client client(server, {}, 4ms);
        std::size_t most = 0;
        ASSERT_TRUE(client.run_until([&] {
            most = std::max(most, open_descriptors());
            return is_expected(client->snapshot());
        })) << "seed " << seed;
        EXPECT_TRUE(client->knows_everything());
        const int watches = server.requests({"\"watch\": \"true\""});
        EXPECT_EQ(server.requests() - watches, 3) << "nothing was listed twice, seed " << seed;
        cuts += watches - 3;
        EXPECT_LE(most, before + 24);
    }
    EXPECT_GT(cuts, 15);
    EXPECT_EQ(open_descriptors(), before);
    std::printf("%d cuts\n", cuts);
}

TEST(Replay, ServerThatAlwaysCutsIsAskedSeldom) {
    const ReplayServer server("{" + steps("services", kServicesList, events("services-kube-proxy", 60, R"(, "cuts": 1.1, "seed": 1)")) +
                              "," + steps("endpointslices", R"({"close": true})", R"({"close": true})") + "," + quiet_node() + "}");
    Client client(server, {}, 50ms);
    client.run_for(3s);
    // 50 ms after the first failure, then twice as long each, to one second; a cut that came after news starts anew.
    EXPECT_LE(server.requests({"endpointslices"}), 3000 / 25);
    EXPECT_GE(server.requests({"endpointslices"}), 4);
    EXPECT_LE(server.requests({"\"plural\": \"services\""}), 3000 / 25);
    EXPECT_TRUE(client->trouble());
    EXPECT_TRUE(client->snapshot().services.empty()) << "a Service counts when its EndpointSlices are known";
}

TEST(Replay, ListInPagesAfter410) {
    const std::string pages = R"({"answer": "lists/services-selector-limit20/page-01", "pieces": 1},
                                 {"answer": "lists/services-selector-limit20/page-02"},
                                 {"answer": "lists/services-selector-limit20/page-03"})";
    const ReplayServer server("{" + steps("services", kServicesList + "," + pages,
                                          R"({"answer": "errors/410-watch-services-rv1-error-event"},)" + events("services-kube-proxy", 0)) +
                              "," + steps("endpointslices", kSlicesList, events("endpointslices-kube-proxy", 0)) + "," +
                              quiet_node() + "}");
    Client client(server);
    ASSERT_TRUE(client.run_until([&] { return server.requests({"\"plural\": \"services\"", "\"watch\""}) == 2; }));
    EXPECT_EQ(server.requests({"\"plural\": \"services\"", "\"continue\""}), 2);
    EXPECT_EQ(server.requests({"\"plural\": \"services\"", "\"limit\"", "\"resourceVersion\": \"0\""}), 1);
    ObjectStore expected;
    for (const char* page : {"page-01", "page-02", "page-03"}) {
        const auto list = decode_api_list("Service", recorded("lists/services-selector-limit20/" + std::string(page) + ".json"));
        ASSERT_TRUE(list);
        for (const Object& object : list->objects) {
            expected.take("Service", {.type = ApiEvent::Type::put, .name = std::get<Service>(object).name, .object = object});
        }
    }
    EXPECT_EQ(client->snapshot().services, expected.snapshot().services);
}

TEST(Replay, ExpiredContinueTokenListsAgainInOnePiece) {
    const ReplayServer server("{" + steps("services", R"({"answer": "errors/410-continue-selector/1-page-1"},
                                                          {"answer": "errors/410-continue-selector/2-page-2-after-compaction"},)" +
                                                          kServicesList, events("services-kube-proxy", kEventsOfServices)) +
                              "," + steps("endpointslices", kSlicesList, events("endpointslices-kube-proxy", kEventsOfSlices)) + "," +
                              quiet_node() + "}");
    Client client(server);
    ASSERT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    EXPECT_EQ(server.requests({"\"plural\": \"services\"", "\"limit\""}), 2);
    EXPECT_EQ(server.requests({"\"plural\": \"services\""}), 4);
}

TEST(Replay, CutListKeepsWhatIsKnown) {
    const ReplayServer server("{" + steps("services", kServicesList + R"(, {"answer": "watch-scenario/services-kube-proxy.list", "cut": 30000},)" +
                                                          kServicesList,
                                          R"({"answer": "errors/after-restart-watch-from-last-event"},)" + events("services-kube-proxy", 60)) +
                              "," + steps("endpointslices", kSlicesList, events("endpointslices-kube-proxy", kEventsOfSlices)) + "," +
                              quiet_node() + "}");
    Client client(server);
    std::size_t fewest = SIZE_MAX;
    ASSERT_TRUE(client.run_until([&] {
        if (client->knows_everything()) {
            fewest = std::min(fewest, client->snapshot().services.size());
        }
        return is_expected(client->snapshot());
    }));
    EXPECT_GT(fewest, 30U);
    EXPECT_EQ(server.requests({"\"plural\": \"services\"", "\"watch\""}), 2);
}

TEST(Replay, RefusalsNameWhatToDo) {
    const auto trouble_of = [](const std::string& before) {
        const ReplayServer server(script("", before + "," + before + "," + before + ","));
        Client client(server, {}, 100ms);
        EXPECT_TRUE(client.run_until([&] { return client->trouble().has_value(); }));
        const std::string trouble = client->trouble() ? client->trouble()->message() : "";
        EXPECT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
        EXPECT_EQ(client->trouble(), std::nullopt);
        return trouble;
    };
    EXPECT_EQ(trouble_of(R"({"answer": "errors/403-no-rights-list-services"})"),
              "list services: the API server says 403, add to its ClusterRole {apiGroups: [\"\"], resources: [\"services\"], "
              "verbs: [\"list\", \"watch\"]}: services is forbidden: User \"system:serviceaccount:default:default\" cannot list ...");
    EXPECT_EQ(trouble_of(R"({"answer": "errors/etcd-down-list-limit-504"})"),
              "list services: the API server says 504: Timeout: request did not complete within the allotted timeout");
}

TEST(Replay, RetryAfterIsKept) {
    const ReplayServer server(script("", R"({"answer": "errors/429-priority-and-fairness-list"},)"));
    const auto begin = std::chrono::steady_clock::now();
    Client client(server, {}, 2ms);
    ASSERT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
    EXPECT_EQ(server.requests({"\"plural\": \"services\""}), 3);
}

TEST(Replay, WatchThatIsRefusedGoesOnFromWhereItWas) {
    const ReplayServer server(script("", "", R"({"answer": "errors/403-no-rights-watch-services"}, {"close": true},)"));
    Client client(server);
    ASSERT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    EXPECT_EQ(server.requests({"\"plural\": \"services\""}), 4);
}

TEST(Replay, RotatedTokenIsReadAgain) {
    const std::string folder = std::filesystem::temp_directory_path() / ("shunt-test-replay-" + std::to_string(getpid()));
    const ReplayServer server(script(R"(, "cuts": 0.03, "seed": 5)", "", "", R"("token_file": ")" + folder + R"(/token",)"));
    ClusterAccess access{.token_file = server.file("mine"), .from = "the test"};
    std::ofstream(server.file("mine")) << "old\n";
    Client client(server, access);
    ASSERT_TRUE(client.run_until([&] { return client->trouble().has_value(); }));
    EXPECT_NE(client->trouble()->message().find("401"), std::string::npos) << client->trouble()->message();
    std::ofstream(server.file("mine")) << "first\n";
    ASSERT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    EXPECT_GE(server.requests({kStream, "\"token\": \"old\""}), 3);
    EXPECT_GE(server.requests({"\"token\": \"first\""}), 6);
}

TEST(Replay, ServerThatGoesAwayTakesNothingAlong) {
    ReplayServer server(script());
    Client client(server);
    ASSERT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    server.stop();
    ASSERT_TRUE(client.run_until([&] { return client->trouble().has_value(); }));
    client.run_for(1200ms);
    EXPECT_TRUE(is_expected(client->snapshot()));
    EXPECT_TRUE(client->knows_everything());
    EXPECT_GE(client->silence(), 1s);
    EXPECT_NE(client->trouble()->message().find(server.url()), std::string::npos);
    const int before = client.wakeups();
    client.run_for(1s);
    EXPECT_LE(client.wakeups() - before, 50 + 60) << "50 of them are the test's own";
}

TEST(Replay, CertificatesAreVerified) {
    const ReplayServer server(script());
    const ReplayServer* const at = &server;
    ClusterAccess stranger;
    stranger.ca.path = "/etc/ssl/certs/ca-certificates.crt";
    stranger.from = "a kubeconfig";
    if (std::filesystem::exists(stranger.ca.path)) {
        Client client(*at, stranger);
        ASSERT_TRUE(client.run_until([&] { return client->trouble().has_value(); }));
        EXPECT_NE(client->trouble()->message().find("certificate"), std::string::npos) << client->trouble()->message();
        EXPECT_EQ(server.requests(), 0);
    }
    Client careless(server, {.verify = false});
    EXPECT_TRUE(careless.run_until([&] { return is_expected(careless->snapshot()); }));
}

TEST(Replay, AuthorityAsDataAndAnotherServerName) {
    const ReplayServer server(script());
    ClusterAccess access;
    access.ca.data = read_text(server.file("ca.crt"));
    access.tls_server_name = "kubernetes.default.svc";
    Client client(server, access);
    EXPECT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    access.tls_server_name = "another.name";
    Client mistaken(server, access);
    ASSERT_TRUE(mistaken.run_until([&] { return mistaken->trouble().has_value(); }));
}

// The proxy-url of a kubeconfig, whatever $NO_PROXY says, as client-go has it.
TEST(Replay, EverythingGoesThroughTheProxyOfAKubeconfig) {
    const ReplayServer server(script());
    const PythonServer proxy("api_server.proxy", {server.file("proxied")});
    std::ofstream(server.file("kubeconfig"))
        << R"({"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
               "clusters": [{"name": "k", "cluster": {"server": ")" << server.url() << R"(", "certificate-authority": "ca.crt",
                             "proxy-url": "http://127.0.0.1:)" << proxy.port() << R"("}}], "users": [{"name": "u", "user": {"token": "t"}}]})";
    const auto access = load_kubeconfig(server.file("kubeconfig"));
    ASSERT_TRUE(access) << access.error().message();
    setenv("NO_PROXY", "127.0.0.1", 1);
    Client client(server, *access);
    EXPECT_TRUE(client.run_until([&] { return is_expected(client->snapshot()); }));
    unsetenv("NO_PROXY");
    const std::string target = server.url().substr(8) + '\n';
    const std::string asked = read_text(server.file("proxied"));
    EXPECT_GE(asked.size() / target.size(), 3U) << "three watches are open at a time";
    EXPECT_EQ(asked.substr(0, target.size()), target);
}

TEST(Replay, ClientCertificates) {
    const ReplayServer server(script("", "", "", R"("ask_client": true,)"));
    Client nobody(server);
    ASSERT_TRUE(nobody.run_until([&] { return nobody->trouble().has_value(); }));
    ClusterAccess access;
    access.client_certificate.path = server.file("client.crt");
    access.client_key.path = server.file("client.key");
    Client by_file(server, access);
    EXPECT_TRUE(by_file.run_until([&] { return is_expected(by_file->snapshot()); }));
    access.client_certificate = {.path = {}, .data = read_text(server.file("client.crt"))};
    access.client_key = {.path = {}, .data = read_text(server.file("client.key"))};
    Client by_data(server, access);
    EXPECT_TRUE(by_data.run_until([&] { return is_expected(by_data->snapshot()); }));
}

}  // namespace
}  // namespace shunt
