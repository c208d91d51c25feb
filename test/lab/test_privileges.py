# SPDX-License-Identifier: Apache-2.0
"""The agent as deploy/daemonset.yaml runs it: its capabilities and no others, its seccomp profile, a read-only root. It starts,
takes over from a predecessor, attaches, and traffic flows."""

import json
import platform
import sys
import unittest
from pathlib import Path

import yaml

from shuntlab import actors, frontends, manifests, netlink
from shuntlab.case import LabCase, figure
from shuntlab.lab import PROJECT

DEPLOY = PROJECT / "deploy"
CONFINED = Path(__file__).resolve().parent / "shuntlab" / "confined.py"
NUMBERS = {"NET_ADMIN": 12, "PERFMON": 38, "BPF": 39}  # linux/capability.h
REQUESTS = 60


def daemonset_container() -> dict:
    documents = yaml.safe_load_all((DEPLOY / "daemonset.yaml").read_text())
    return next(d for d in documents if d["kind"] == "DaemonSet")["spec"]["template"]["spec"]["containers"][0]


class Privileges(LabCase):
    next_port = 20001

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.security = daemonset_container()["securityContext"]
        cls.capabilities = cls.security["capabilities"]["add"]
        cls.agent = cls.lab.agents["node-a"]

    def run_confined(self) -> None:
        keep = ",".join(f"+{name.lower()}" for name in self.capabilities)
        self.agent.run_by = (
            *("unshare", "--mount", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh"),
            *("setpriv", f"--bounding-set=-all,{keep}", f"--inh-caps=-all,{keep}", "--no-new-privs"),
            *(sys.executable, "-B", str(CONFINED), str(DEPLOY / "seccomp.json")),
        )

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.agent.process.pid}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def check_confinement(self) -> None:
        wanted = sum(1 << NUMBERS[name] for name in self.capabilities)
        status = self.status()
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            self.assertEqual(int(status[kind], 16), wanted, kind)
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(status["NoNewPrivs"], "1")
        mounts = Path(f"/proc/{self.agent.process.pid}/mounts").read_text().splitlines()
        options = [line.split()[3].split(",") for line in mounts if line.split()[1] == "/"]
        self.assertIn("ro", options[-1])
        figure(f"CapEff {status['CapEff']}, seccomp filter, read-only root, {platform.release()}")

    def ask(self) -> None:
        for family in actors.FAMILIES:
            for frontend in frontends.ALL:
                for protocol in frontends.PROTOCOLS:
                    ports = range(self.next_port, self.next_port + REQUESTS)
                    type(self).next_port += REQUESTS  # no two frontends may see one client port: a pod can stand behind both
                    with self.in_client():
                        outcome = frontends.many(frontend, family, protocol, ports)
                    self.assert_flawless(frontend, outcome)

    def test_daemonset(self):
        self.assertEqual(self.security["capabilities"]["drop"], ["ALL"])
        self.assertEqual(sorted(self.capabilities), sorted(NUMBERS))
        self.assertTrue(self.security["readOnlyRootFilesystem"])
        self.assertFalse(self.security["allowPrivilegeEscalation"])
        self.assertNotIn("privileged", self.security)

    def test_from_nothing(self):
        self.agent.stop()
        self.agent.read("detach", "--purge")
        self.run_confined()
        self.agent.start()
        self.check_confinement()
        with self.agent.space.inside():
            self.assertEqual(netlink.ask("eth0").mode, "xdp")
        self.ask()
        self.assertEqual([line for line in self.agent.log().splitlines() if "not permitted" in line], [])

    def test_takes_over_and_follows_changes(self):
        self.run_confined()
        self.agent.kill()
        self.agent.start()
        self.check_confinement()
        self.ask()
        self.lab.manifests.put_endpoints(manifests.THERE, ("b1", "b2"))
        b3 = actors.PODS["b3"].address
        self.eventually(lambda: not self.agent.takes_new_flows(manifests.THERE, b3), "the change in the maps")
        self.lab.manifests.put_endpoints(manifests.THERE, manifests.LAB_PODS[manifests.THERE])
        self.eventually(lambda: self.agent.takes_new_flows(manifests.THERE, b3), "the pod back in the maps")

    def test_profile_is_a_profile(self):
        profile = json.loads((DEPLOY / "seccomp.json").read_text())
        self.assertEqual(profile["defaultAction"], "SCMP_ACT_ERRNO")
        allowed = {name for rule in profile["syscalls"] for name in rule["names"]}
        self.assertIn("bpf", allowed)
        for name in ("mount", "ptrace", "init_module", "unshare", "setns", "keyctl", "kexec_load"):
            self.assertNotIn(name, allowed)


if __name__ == "__main__":
    unittest.main()
