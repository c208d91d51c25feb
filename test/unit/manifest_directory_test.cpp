// SPDX-License-Identifier: Apache-2.0
#include "agent/source/manifest_directory.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/support/log.h"

namespace shunt {
namespace {

namespace fs = std::filesystem;

std::string service(const std::string& name, int node_port = 30000) {
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: shop}\nspec: {type: NodePort, ports: [{port: 80, nodePort: " +
           std::to_string(node_port) + "}]}\n";
}

std::string slice(const std::string& name, const std::string& service, const std::string& address = "10.244.0.1") {
    return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
           ", namespace: shop, labels: {kubernetes.io/service-name: " + service + "}}\naddressType: IPv4\nendpoints: [{addresses: [" + address +
           "]}]\nports: [{port: 8080}]\n";
}

std::string node(const std::string& name, const std::string& address = "198.18.0.21") {
    return "---\napiVersion: v1\nkind: Node\nmetadata: {name: " + name + "}\nstatus: {addresses: [{type: InternalIP, address: " + address + "}]}\n";
}

const std::string broken = "apiVersion: v1\nkind: Service\nmetadata: {name: orders, namespace: shop}\n"
                           "spec: {ports: [{port: 80, nodePort: 70000}]}\n";

using Names = std::set<ObjectName>;
ObjectName shop(const char* name) { return {"shop", name}; }

class ManifestDirectoryTest : public testing::Test {
protected:
    ManifestDirectoryTest() : root_(new_directory()), directory_(root_ / "manifests"), source_(directory_.string()) {
        fs::create_directory(directory_);
        previous_log_ = spdlog::default_logger();
        spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
        spdlog::set_pattern("%l %v");
    }
    ~ManifestDirectoryTest() override {
        spdlog::set_default_logger(previous_log_);
        std::error_code ignored;
        fs::permissions(directory_, fs::perms::owner_all, ignored);
        fs::remove_all(root_, ignored);
    }

    static fs::path new_directory() {
        std::string pattern = fs::temp_directory_path() / "shunt-manifests-XXXXXX";
        return mkdtemp(pattern.data());
    }

    void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }
    void replace(const std::string& name, const std::string& text) {
        write(".new", text);
        fs::rename(directory_ / ".new", directory_ / name);
    }

    Change start(ManifestDirectory& source) {
        const Result<Change> change = source.start();
        EXPECT_TRUE(change) << (change ? "" : change.error().message());
        return change ? *change : Change();
    }
    Change start() { return start(source_); }

    // What the event loop would do, until there is nothing more to do.
    Change changes() {
        Change all;
        for (pollfd descriptor{source_.fd(), POLLIN, 0}; ::poll(&descriptor, 1, 0) == 1;) {
            Change change = source_.on_readable();
            all.services.merge(change.services);
            all.nodes |= change.nodes;
        }
        return all;
    }

    std::string logged() {
        std::string text = log_.str();
        log_.str("");
        for (std::size_t at; (at = text.find(directory_.string())) != text.npos;) {
            text.replace(at, directory_.string().size(), "manifests");
        }
        return text;
    }
    int node_port(const char* name) const {
        const auto found = source_.snapshot().services.find(shop(name));
        return found == source_.snapshot().services.end() ? 0 : found->second.ports.at(0).node_port;
    }

    std::ostringstream log_;
    std::shared_ptr<spdlog::logger> previous_log_;
    fs::path root_, directory_;
    ManifestDirectory source_;
};

// --- the first read

TEST_F(ManifestDirectoryTest, ReadsEverythingAtTheStart) {
    write("a.yaml", service("orders", 32001) + slice("orders-1", "orders"));
    write("b.yml", node("node-a"));
    write("c.json", R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"payments","namespace":"shop"},"spec":{}})");
    EXPECT_FALSE(source_.knows_everything());
    const Change change = start();
    EXPECT_EQ(change.services, (Names{shop("orders"), shop("payments")}));
    EXPECT_TRUE(change.nodes);
    EXPECT_EQ(source_.snapshot().services.size(), 2u);
    EXPECT_EQ(source_.snapshot().slices.size(), 1u);
    EXPECT_EQ(source_.snapshot().nodes.at("node-a").internal_ips.size(), 1u);
    EXPECT_EQ(source_.snapshot().slices_of_service.at(shop("orders")), Names{shop("orders-1")});
    EXPECT_TRUE(source_.broken().empty());
    EXPECT_TRUE(source_.knows_everything());
}

TEST_F(ManifestDirectoryTest, ReadsOnlyManifests) {
    for (const char* name : {".hidden.yaml", "a.yaml~", "a.yaml.swp", "README.md", "yaml", "a.yaml.bak"}) {
        write(name, "{{{");
    }
    fs::create_directory(directory_ / "sub.yaml");
    EXPECT_TRUE(start().empty());
    write(".b.yaml", "{{{");
    EXPECT_TRUE(changes().empty());
    EXPECT_TRUE(source_.broken().empty());
    EXPECT_EQ(logged(), "");
}

TEST_F(ManifestDirectoryTest, WithoutADirectoryItFailsAndCanBeStartedAgain) {
    fs::remove(directory_);
    const Result<Change> change = source_.start();
    ASSERT_FALSE(change);
    EXPECT_EQ(change.error().message(), "watch " + directory_.string() + ": No such file or directory");
    EXPECT_FALSE(source_.knows_everything());
    fs::create_directory(directory_);
    write("a.yaml", service("orders"));
    EXPECT_EQ(start().services, Names{shop("orders")});
    changes();
    EXPECT_TRUE(source_.knows_everything());
}

// --- changes

TEST_F(ManifestDirectoryTest, NewChangedAndDeletedFiles) {
    start();
    write("a.yaml", service("orders", 32001));
    EXPECT_EQ(changes().services, Names{shop("orders")});
    write("a.yaml", service("orders", 32002) + service("payments", 32003));
    EXPECT_EQ(changes().services, (Names{shop("orders"), shop("payments")}));
    EXPECT_EQ(node_port("orders"), 32002);
    write("a.yaml", service("orders", 32002));
    EXPECT_EQ(changes().services, Names{shop("payments")});
    fs::remove(directory_ / "a.yaml");
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_TRUE(source_.snapshot().services.empty());
    EXPECT_TRUE(changes().empty());
}

TEST_F(ManifestDirectoryTest, AtomicReplacementAndMovingInAndOut) {
    start();
    replace("a.yaml", service("orders", 32001));
    EXPECT_EQ(changes().services, Names{shop("orders")});
    replace("a.yaml", service("orders", 32002));
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_EQ(node_port("orders"), 32002);
    fs::rename(directory_ / "a.yaml", directory_ / "b.yaml");
    changes();
    EXPECT_EQ(node_port("orders"), 32002);
    fs::rename(directory_ / "b.yaml", root_ / "b.yaml");
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_TRUE(source_.snapshot().services.empty());
    fs::create_hard_link(root_ / "b.yaml", directory_ / "c.yaml");
    EXPECT_EQ(changes().services, Names{shop("orders")});
}

TEST_F(ManifestDirectoryTest, AFileIsNotReadBeforeItIsWhole) {
    start();
    std::ofstream file(directory_ / "a.yaml");
    file << "apiVersion: [" << std::flush;
    EXPECT_TRUE(changes().empty());
    EXPECT_TRUE(source_.broken().empty());
    file.seekp(0);
    file << service("orders");
    file.close();
    EXPECT_EQ(changes().services, Names{shop("orders")});
}

TEST_F(ManifestDirectoryTest, IdenticalRewriteChangesNothing) {
    write("a.yaml", service("orders") + slice("orders-1", "orders") + node("node-a"));
    start();
    write("a.yaml", service("orders") + slice("orders-1", "orders") + node("node-a"));
    EXPECT_TRUE(changes().empty());
    replace("a.yaml", "# other text, same objects\n" + node("node-a") + service("orders") + slice("orders-1", "orders"));
    EXPECT_TRUE(changes().empty());
    fs::last_write_time(directory_ / "a.yaml", fs::file_time_type::clock::now());
    EXPECT_TRUE(changes().empty());
}

TEST_F(ManifestDirectoryTest, ChangeNamesTheServiceOfASlice) {
    write("a.yaml", service("orders") + service("payments"));
    write("s.yaml", slice("s", "orders", "10.244.0.1"));
    start();
    write("s.yaml", slice("s", "orders", "10.244.0.2"));
    EXPECT_EQ(changes().services, Names{shop("orders")});
}

TEST_F(ManifestDirectoryTest, ASliceThatMovesTouchesBothServices) {
    write("a.yaml", service("orders") + service("payments"));
    write("s.yaml", slice("s", "orders") + slice("t", "orders"));
    start();
    write("s.yaml", slice("s", "payments") + slice("t", "orders"));
    EXPECT_EQ(changes().services, (Names{shop("orders"), shop("payments")}));
    EXPECT_EQ(source_.snapshot().slices_of_service.at(shop("orders")), Names{shop("t")});
    EXPECT_EQ(source_.snapshot().slices_of_service.at(shop("payments")), Names{shop("s")});
    write("s.yaml", slice("s", "payments"));
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_FALSE(source_.snapshot().slices_of_service.contains(shop("orders")));
}

TEST_F(ManifestDirectoryTest, NodesAreNotServices) {
    start();
    write("n.yaml", node("node-a"));
    Change change = changes();
    EXPECT_TRUE(change.nodes);
    EXPECT_TRUE(change.services.empty());
    write("n.yaml", node("node-a", "198.18.0.22"));
    EXPECT_TRUE(changes().nodes);
    fs::remove(directory_ / "n.yaml");
    EXPECT_TRUE(changes().nodes);
    EXPECT_TRUE(source_.snapshot().nodes.empty());
}

// --- broken files

TEST_F(ManifestDirectoryTest, BrokenFileKeepsItsLastGoodState) {
    write("a.yaml", service("orders", 32001));
    write("b.yaml", service("payments", 32002));
    start();
    logged();
    write("a.yaml", broken);
    write("b.yaml", service("payments", 32003));
    EXPECT_EQ(changes().services, Names{shop("payments")});
    EXPECT_EQ(node_port("orders"), 32001);
    EXPECT_EQ(node_port("payments"), 32003);
    ASSERT_EQ(source_.broken().size(), 1u);
    EXPECT_EQ(source_.broken()[0].path, directory_ / "a.yaml");
    EXPECT_EQ(source_.broken()[0].error.object, (directory_ / "a.yaml").string() + ":4:37");
    EXPECT_TRUE(source_.knows_everything());
    EXPECT_EQ(logged(), "error manifests/a.yaml:4:37: spec.ports[0].nodePort: 70000 is not a port (Service shop/orders); "
                        "its last good state stays in force\n");
    write("a.yaml", broken);
    changes();
    EXPECT_EQ(logged(), "");

    write("a.yaml", service("orders", 32001));
    EXPECT_TRUE(changes().empty());
    EXPECT_TRUE(source_.broken().empty());
    EXPECT_EQ(logged(), "info manifests/a.yaml: is mended\n");
}

TEST_F(ManifestDirectoryTest, AfterARestartWithABrokenFileNotAllHasParsed) {
    write("a.yaml", broken);
    write("b.yaml", service("payments"));
    write("z.json", "{");
    EXPECT_EQ(start().services, Names{shop("payments")});
    EXPECT_FALSE(source_.knows_everything());
    const auto files = source_.broken();
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[0].path, directory_ / "a.yaml");
    EXPECT_EQ(files[1].path, directory_ / "z.json");
    fs::remove(directory_ / "z.json");
    changes();
    EXPECT_FALSE(source_.knows_everything());
    write("a.yaml", service("orders"));
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_TRUE(source_.knows_everything());
    write("a.yaml", broken);  // it has parsed once
    changes();
    EXPECT_TRUE(source_.knows_everything());
    EXPECT_EQ(source_.broken().size(), 1u);
}

TEST_F(ManifestDirectoryTest, ABrokenFileThatNeverParsedMayBeDeleted) {
    write("a.yaml", broken);
    start();
    EXPECT_FALSE(source_.knows_everything());
    fs::remove(directory_ / "a.yaml");
    EXPECT_TRUE(changes().empty());
    EXPECT_TRUE(source_.knows_everything());
    EXPECT_TRUE(source_.broken().empty());
}

TEST_F(ManifestDirectoryTest, DeletingABrokenFileRemovesItsObjects) {
    write("a.yaml", service("orders"));
    start();
    write("a.yaml", broken);
    changes();
    fs::remove(directory_ / "a.yaml");
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_TRUE(source_.broken().empty());
}

TEST_F(ManifestDirectoryTest, UnreadableFileIsBrokenUntilItIsReadable) {
    // Root reads everything: the reading is done as somebody else.
    const bool is_root = geteuid() == 0;
    const auto as_user = [&](auto&& action) {
        if (is_root) {
            EXPECT_EQ(seteuid(65534), 0);
        }
        Change change = action();
        if (is_root) {
            EXPECT_EQ(seteuid(0), 0);
        }
        return change;
    };
    fs::permissions(root_, fs::perms::all);
    write("a.yaml", service("orders"));
    fs::permissions(directory_ / "a.yaml", fs::perms::none);
    EXPECT_TRUE(as_user([&] { return start(); }).empty());
    EXPECT_FALSE(source_.knows_everything());
    ASSERT_EQ(source_.broken().size(), 1u);
    EXPECT_EQ(source_.broken()[0].error.reason, "Permission denied");
    fs::permissions(directory_ / "a.yaml", fs::perms::all);
    EXPECT_EQ(as_user([&] { return changes(); }).services, Names{shop("orders")});
    EXPECT_TRUE(source_.knows_everything());
}

TEST_F(ManifestDirectoryTest, WhatIsNoFileIsAnErrorAndDoesNotBlock) {
    ASSERT_EQ(mkfifo((directory_ / "pipe.yaml").c_str(), 0600), 0);
    fs::create_symlink("nowhere", directory_ / "link.yaml");
    start();
    const auto files = source_.broken();
    ASSERT_EQ(files.size(), 2u);
    EXPECT_EQ(files[0].error.reason, "a symbolic link that leads nowhere");
    EXPECT_EQ(files[1].error.reason, "not a regular file");
}

TEST_F(ManifestDirectoryTest, SkippedKindsAreLoggedOncePerVersion) {
    const std::string deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: orders, namespace: shop}\n";
    write("a.yaml", deployment);
    start();
    EXPECT_EQ(logged(), "info manifests/a.yaml: Deployment (apps/v1) shop/orders is not for shunt and skipped\n");
    write("a.yaml", deployment);
    changes();
    EXPECT_EQ(logged(), "");
    write("a.yaml", deployment + service("orders"));
    changes();
    EXPECT_NE(logged(), "");
}

// --- one object in two files

TEST_F(ManifestDirectoryTest, TheAlphabeticallyFirstFileWins) {
    write("b.yaml", service("orders", 32002));
    write("a.yaml", service("orders", 32001));
    start();
    EXPECT_EQ(node_port("orders"), 32001);
    EXPECT_EQ(logged(), "warning manifests: Service shop/orders is defined in a.yaml and in b.yaml: a.yaml counts\n");
    write("b.yaml", service("orders", 32003));
    EXPECT_TRUE(changes().empty());
    EXPECT_EQ(logged(), "");

    fs::remove(directory_ / "a.yaml");
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_EQ(node_port("orders"), 32003);

    write("a.yaml", service("orders", 32004));
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_EQ(node_port("orders"), 32004);
    write("a.yaml", service("other"));
    EXPECT_EQ(changes().services, (Names{shop("orders"), shop("other")}));
    EXPECT_EQ(node_port("orders"), 32003);
}

TEST_F(ManifestDirectoryTest, TwiceInOneFile) {
    write("a.yaml", service("orders", 32001) + service("orders", 32002));
    start();
    EXPECT_EQ(node_port("orders"), 32001);
    EXPECT_EQ(logged(), "warning manifests: Service shop/orders is defined twice in a.yaml: the first counts\n");
}

TEST_F(ManifestDirectoryTest, ASliceInTwoFilesForTwoServices) {
    write("a.yaml", slice("s", "orders"));
    write("b.yaml", slice("s", "payments"));
    start();
    EXPECT_TRUE(source_.snapshot().slices_of_service.contains(shop("orders")));
    EXPECT_FALSE(source_.snapshot().slices_of_service.contains(shop("payments")));
    fs::remove(directory_ / "a.yaml");
    EXPECT_EQ(changes().services, (Names{shop("orders"), shop("payments")}));
    EXPECT_FALSE(source_.snapshot().slices_of_service.contains(shop("orders")));
}

// --- links and directories

TEST_F(ManifestDirectoryTest, ConfigMapMount) {
    const auto version = [&](const char* name, const std::string& text) {
        fs::create_directory(directory_ / name);
        std::ofstream(directory_ / name / "a.yaml") << text;
        fs::create_symlink(name, directory_ / "..data_tmp");
        fs::rename(directory_ / "..data_tmp", directory_ / "..data");
    };
    version("..2024_01", service("orders", 32001));
    fs::create_symlink("..data/a.yaml", directory_ / "a.yaml");
    start();
    EXPECT_EQ(node_port("orders"), 32001);
    version("..2024_02", service("orders", 32002));
    fs::remove_all(directory_ / "..2024_01");
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_EQ(node_port("orders"), 32002);

    version("..2024_03", service("orders", 32002));
    std::ofstream(directory_ / "..2024_03" / "b.yaml") << service("payments", 32003);
    fs::create_symlink("..data/b.yaml", directory_ / "b.yaml");
    EXPECT_EQ(changes().services, Names{shop("payments")});
    EXPECT_TRUE(source_.broken().empty());
}

TEST_F(ManifestDirectoryTest, WhileTheDirectoryIsGoneItsStateStays) {
    write("a.yaml", service("orders", 32001));
    start();
    logged();
    fs::remove_all(directory_);
    changes();
    EXPECT_TRUE(changes().empty());
    ASSERT_EQ(source_.broken().size(), 1u);
    EXPECT_EQ(source_.broken()[0].path, directory_);
    EXPECT_NE(logged().find("error manifests: No such file or directory; what was read from it stays in force"), std::string::npos);

    fs::create_directory(directory_);
    write("b.yaml", service("payments", 32002));
    EXPECT_TRUE(changes().services.contains(shop("payments")));
    EXPECT_TRUE(source_.broken().empty());
    write("b.yaml", service("payments", 32003));
    EXPECT_EQ(changes().services, Names{shop("payments")});
}

TEST_F(ManifestDirectoryTest, DirectoryMovedAwayAndBack) {
    write("a.yaml", service("orders", 32001));
    start();
    fs::rename(directory_, root_ / "elsewhere");
    EXPECT_TRUE(changes().empty());
    EXPECT_EQ(source_.broken().size(), 1u);
    std::ofstream(root_ / "elsewhere" / "a.yaml") << service("orders", 32002);
    EXPECT_TRUE(changes().empty());
    fs::rename(root_ / "elsewhere", directory_);
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_EQ(node_port("orders"), 32002);
    EXPECT_TRUE(source_.broken().empty());
}

TEST_F(ManifestDirectoryTest, DirectoryBehindALinkThatIsSwapped) {
    fs::remove(directory_);
    for (const int version : {1, 2}) {
        const fs::path real = root_ / std::to_string(version);
        fs::create_directory(real);
        std::ofstream(real / "a.yaml") << service("orders", 32000 + version);
    }
    fs::create_directory_symlink("1", directory_);
    start();
    EXPECT_EQ(node_port("orders"), 32001);
    fs::create_directory_symlink("2", root_ / "new");
    fs::rename(root_ / "new", directory_);
    EXPECT_EQ(changes().services, Names{shop("orders")});
    std::ofstream(root_ / "2" / "a.yaml") << service("orders", 32005);
    EXPECT_EQ(changes().services, Names{shop("orders")});
    EXPECT_EQ(node_port("orders"), 32005);
}

TEST_F(ManifestDirectoryTest, ParentGoneTooNeedsSomebodyToAsk) {
    write("a.yaml", service("orders"));
    start();
    fs::remove_all(root_);
    changes();
    EXPECT_EQ(source_.broken().size(), 1u);
    fs::create_directories(directory_);
    write("a.yaml", service("orders", 32009));
    EXPECT_EQ(source_.on_readable().services, Names{shop("orders")});
    EXPECT_TRUE(source_.broken().empty());
}

TEST_F(ManifestDirectoryTest, LostEventsLeadToAFullRead) {
    start();
    std::ifstream limit_file("/proc/sys/fs/inotify/max_queued_events");
    std::size_t limit = 0;
    limit_file >> limit;
    if (limit == 0 || limit > 100000) {
        GTEST_SKIP() << "the queue holds too many events to fill it";
    }
    write("x.yaml", "");
    write("y.yaml", "");
    for (std::size_t i = 0; i <= limit / 2 + 1; ++i) {  // equal events in a row would be one
        fs::permissions(directory_ / "x.yaml", fs::perms::owner_all);
        fs::permissions(directory_ / "y.yaml", fs::perms::owner_all);
    }
    write("a.yaml", service("orders"));
    EXPECT_EQ(changes().services, Names{shop("orders")});
    write("b.yaml", service("payments"));
    EXPECT_EQ(changes().services, Names{shop("payments")});
}

// The cost of a change does not depend on how many other objects there are: a hundred changes of one file beside
// 20,000 objects take about as long as beside none.
TEST_F(ManifestDirectoryTest, ChangesAreCheapBesideManyObjects) {
    std::string many = R"({"apiVersion":"v1","kind":"ServiceList","items":[)";
    for (int i = 0; i < 20000; ++i) {
        many += (i == 0 ? "" : ",") + std::string(R"({"metadata":{"name":"s)") + std::to_string(i) + R"("},"spec":{}})";
    }
    write("many.json", many + "]}");
    EXPECT_EQ(start().services.size(), 20000u);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) {
        write("a.yaml", service("orders", 31000 + i));
        EXPECT_EQ(changes().services.size(), 1u);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

}  // namespace
}  // namespace shunt
