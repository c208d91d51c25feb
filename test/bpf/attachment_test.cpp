// SPDX-License-Identifier: Apache-2.0
// Programs on real devices of a network namespace of this test's own: what is attached, replaced and taken off.
#include "agent/datapath/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "maps/control.h"

namespace shunt {
namespace {

int run(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()); }

// Linux 6.6 and newer; older ones are served by clsact alone.
bool kernel_has_tcx() {
    utsname name{};
    int major = 0;
    int minor = 0;
    EXPECT_EQ(uname(&name), 0);
    EXPECT_EQ(std::sscanf(name.release, "%d.%d", &major, &minor), 2);
    return std::pair(major, minor) >= std::pair(6, 6);
}

class AttachmentTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        if (geteuid() == 0) {
            ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        }
    }

    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "attaching programs needs root";
        }
        ASSERT_EQ(run("ip link add att0 type veth peer name att1"), 0);
        ifindex_ = static_cast<int>(if_nametoindex("att0"));
        path_ = "/sys/fs/bpf/shunt-test-attachment-" + std::to_string(getpid());
        auto pins = PinDirectory::open_and_lock(path_);
        ASSERT_TRUE(pins) << pins.error().message();
        pins_.emplace(std::move(*pins));
        load();
    }

    void TearDown() override {
        if (ifindex_ != 0) {
            detach_from_device(path_, ifindex_);
            run("ip link del att0");
            programs_.reset();
            pins_.reset();
            std::filesystem::remove_all(path_);
        }
    }

    // As another agent would after a restart.
    void load() {
        auto programs = Programs::load(*pins_, {.max_flows = 1024});
        ASSERT_TRUE(programs) << programs.error().message();
        programs_.emplace(std::move(*programs));
    }

    AttachedDevice attach(const AttachOptions& options = {}) {
        auto attached = Attachment(*pins_, *programs_, options).attach(ifindex_, true);
        EXPECT_TRUE(attached) << attached.error().message();
        return attached.value_or(AttachedDevice{});
    }

    bpf_xdp_query_opts xdp() const {
        LIBBPF_OPTS(bpf_xdp_query_opts, query);
        EXPECT_EQ(bpf_xdp_query(ifindex_, 0, &query), 0);
        return query;
    }

    // Program id behind a pinned link; 0: no such link.
    std::uint32_t linked_program(const std::string& hook) const {
        Fd link(bpf_obj_get(pins_->link(hook, ifindex_).c_str()));
        bpf_link_info info{};
        __u32 length = sizeof(info);
        return link && bpf_obj_get_info_by_fd(link.get(), &info, &length) == 0 ? info.prog_id : 0;
    }

    static std::uint32_t program_id(int fd) {
        bpf_prog_info info{};
        __u32 length = sizeof(info);
        EXPECT_EQ(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
        return info.id;
    }

    std::uint32_t clsact_program(bool ingress) const {
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex_,
                    .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
        LIBBPF_OPTS(bpf_tc_opts, query, .handle = 1, .priority = 1);
        return bpf_tc_query(&hook, &query) == 0 ? query.prog_id : 0;
    }

    // Whichever way the kernel has: the program behind tcx, else behind clsact.
    std::uint32_t tc_program(bool ingress) const {
        return kernel_has_tcx() ? linked_program(ingress ? "tc_ingress" : "tc_egress") : clsact_program(ingress);
    }

    int ifindex_ = 0;
    std::string path_;
    std::optional<PinDirectory> pins_;
    std::optional<Programs> programs_;
};

TEST_F(AttachmentTest, NativeXdpAndTcOnAFreeDevice) {
    const AttachedDevice attached = attach();
    EXPECT_EQ(attached.xdp, XDP_NATIVE);
    EXPECT_EQ(attached.tc, kernel_has_tcx() ? TC_TCX : TC_CLSACT);
    EXPECT_EQ(attached.note, "");
    EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_DRV);
    EXPECT_EQ(xdp().drv_prog_id, program_id(programs_->xdp_ingress()));
    EXPECT_EQ(tc_program(true), program_id(programs_->tc_ingress_after_xdp()));
    EXPECT_EQ(tc_program(false), program_id(programs_->tc_egress()));
}

TEST_F(AttachmentTest, FramesOfAnyMtu) {
    ASSERT_EQ(run("ip link set att0 mtu 9001 && ip link set att1 mtu 9001"), 0);
    EXPECT_EQ(attach().xdp, XDP_NATIVE) << "the program carries xdp.frags";
}

TEST_F(AttachmentTest, ALaterAgentReplacesTheProgramsOfTheSameLinks) {
    attach();
    const std::uint32_t before = xdp().drv_prog_id;
    load();
    EXPECT_EQ(xdp().drv_prog_id, before) << "loading alone changes nothing";
    attach();
    EXPECT_NE(xdp().drv_prog_id, before);
    EXPECT_EQ(xdp().drv_prog_id, program_id(programs_->xdp_ingress()));
    EXPECT_EQ(tc_program(false), program_id(programs_->tc_egress()));
}

TEST_F(AttachmentTest, AForeignXdpProgramStaysAndTcServesTheDevice) {
    bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
                       {.code = BPF_JMP | BPF_EXIT}};
    Fd foreign(bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", pass, 2, nullptr));
    ASSERT_TRUE(foreign);
    ASSERT_EQ(bpf_xdp_attach(ifindex_, foreign.get(), XDP_FLAGS_DRV_MODE, nullptr), 0);

    const AttachedDevice attached = attach();
    EXPECT_EQ(attached.xdp, XDP_OFF);
    EXPECT_NE(attached.note.find("taken by program id " + std::to_string(program_id(foreign.get()))), std::string::npos)
        << attached.note;
    EXPECT_EQ(xdp().drv_prog_id, program_id(foreign.get()));
    EXPECT_EQ(tc_program(true), program_id(programs_->tc_ingress()));

    auto refused = Attachment(*pins_, *programs_, {.mode = AttachMode::xdp}).attach(ifindex_, true);
    EXPECT_FALSE(refused);
}

TEST_F(AttachmentTest, ModeTcTakesOverFromXdp) {
    attach();
    const AttachedDevice attached = attach({.mode = AttachMode::tc});
    EXPECT_EQ(attached.xdp, XDP_OFF);
    EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_NONE);
    EXPECT_EQ(tc_program(true), program_id(programs_->tc_ingress()));
}

TEST_F(AttachmentTest, XdpChainOrTcWithTheReason) {
    attach();
    const AttachedDevice attached = attach({.xdp_chain = true});
    EXPECT_EQ(linked_program("xdp"), 0U) << "our own link would keep the dispatcher away";
    if (!has_dispatcher(ifindex_)) {
        EXPECT_EQ(attached.xdp, XDP_OFF);
        EXPECT_NE(attached.note.find("this kernel loads no EXT programs"), std::string::npos) << attached.note;
        EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_NONE);
        EXPECT_EQ(tc_program(true), program_id(programs_->tc_ingress()));
        GTEST_SKIP() << "this kernel loads no EXT programs: no XDP chain";
    }
    EXPECT_EQ(attached.xdp, XDP_CHAIN);
    EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_DRV);
    EXPECT_EQ(tc_program(true), program_id(programs_->tc_ingress_after_xdp()));

    attach({.mode = AttachMode::tc});
    EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_NONE) << "nobody was left in the chain";
    EXPECT_EQ(tc_program(true), program_id(programs_->tc_ingress()));
}

TEST_F(AttachmentTest, InTheXdpChainTheSameProgramStaysAndALaterOneReplacesIt) {
    Attachment attachment(*pins_, *programs_, {.xdp_chain = true});
    auto attached = attachment.attach(ifindex_, true);
    ASSERT_TRUE(attached) << attached.error().message();
    if (attached->xdp != XDP_CHAIN) {
        GTEST_SKIP() << "this kernel loads no EXT programs: no XDP chain";
    }
    const std::uint32_t dispatcher = xdp().drv_prog_id;
    EXPECT_TRUE(attachment.attach(ifindex_, true));
    EXPECT_EQ(xdp().drv_prog_id, dispatcher) << "nothing to do";
    EXPECT_FALSE(attachment.was_put_out_of_chain(ifindex_));

    EXPECT_EQ(attach().xdp, XDP_CHAIN) << "a dispatcher is there: joined without being told to";
    EXPECT_NE(xdp().drv_prog_id, dispatcher);
    EXPECT_TRUE(attachment.was_put_out_of_chain(ifindex_)) << "replaced by the later one";
    ASSERT_TRUE(leave_chain(path_, ifindex_));
    EXPECT_FALSE(is_in_chain(path_, ifindex_));
    EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_NONE);
}

TEST_F(AttachmentTest, ADeviceThatWasMadeAnewIsAttachedAnew) {
    attach();
    ASSERT_EQ(run("ip link del att0"), 0);
    ASSERT_EQ(run("ip link add att0 index " + std::to_string(ifindex_) + " type veth peer name att1"), 0);
    EXPECT_EQ(attach().xdp, XDP_NATIVE) << "the pinned link of the old device is dead";
    EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_DRV);
}

TEST_F(AttachmentTest, ClsactIsAttachedReplacedMissedAndTakenOff) {
    const AttachedDevice attached = attach({.allow_tcx = false});
    EXPECT_EQ(attached.tc, TC_CLSACT);
    EXPECT_EQ(clsact_program(true), program_id(programs_->tc_ingress_after_xdp()));
    load();
    attach({.allow_tcx = false});
    EXPECT_EQ(clsact_program(false), program_id(programs_->tc_egress()));

    const Attachment attachment(*pins_, *programs_, {.allow_tcx = false});
    EXPECT_FALSE(attachment.clsact_is_missing(ifindex_));
    ASSERT_EQ(run("tc filter del dev att0 egress"), 0);
    EXPECT_TRUE(attachment.clsact_is_missing(ifindex_));

    detach_from_device(path_, ifindex_);
    EXPECT_EQ(clsact_program(true), 0U);
    EXPECT_EQ(run("tc qdisc show dev att0 | grep -q clsact"), 0) << "the qdisc may be somebody else's";
}

TEST_F(AttachmentTest, AForeignClsactFilterIsNotTakenOff) {
    bpf_insn ok[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0}, {.code = BPF_JMP | BPF_EXIT}};
    Fd foreign(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "foreign", "GPL", ok, 2, nullptr));
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex_, .attach_point = BPF_TC_INGRESS);
    ASSERT_EQ(bpf_tc_hook_create(&hook), 0);
    LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = foreign.get(), .handle = 1, .priority = 1);
    ASSERT_EQ(bpf_tc_attach(&hook, &filter), 0);
    detach_from_device(path_, ifindex_);
    EXPECT_EQ(clsact_program(true), program_id(foreign.get()));
}

TEST_F(AttachmentTest, DetachTakesEverythingOff) {
    attach();
    detach_from_device(path_, ifindex_);
    EXPECT_EQ(xdp().attach_mode, XDP_ATTACHED_NONE);
    EXPECT_EQ(tc_program(true), 0U);
    EXPECT_EQ(tc_program(false), 0U);
}

TEST_F(AttachmentTest, ASecondAgentOnThePinDirectoryIsRefused) {
    auto second = PinDirectory::open_and_lock(path_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message().find("another shunt agent"), std::string::npos);
}

TEST_F(AttachmentTest, MapsOfAnotherAbiAreRefusedAndTheNextStepNamed) {
    programs_->control_page()->abi = 4711;
    auto refused = Programs::load(*pins_, {.max_flows = 1024});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message().find("ABI 4711"), std::string::npos);
    EXPECT_NE(refused.error().message().find("shunt detach --purge"), std::string::npos);
}

TEST_F(AttachmentTest, PinnedMapsKeepTheirSizeAndContent) {
    programs_->control_page()->route_epoch = 42;
    auto later = Programs::load(*pins_, {.max_flows = 65536});
    ASSERT_TRUE(later) << later.error().message();
    bpf_map_info info{};
    __u32 length = sizeof(info);
    ASSERT_EQ(bpf_obj_get_info_by_fd(later->map("flows4"), &info, &length), 0);
    EXPECT_EQ(info.max_entries, flow_blocks(1024));
    EXPECT_EQ(later->control_page()->route_epoch, 42U);
}

}  // namespace
}  // namespace shunt
