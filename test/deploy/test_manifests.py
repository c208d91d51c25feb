# SPDX-License-Identifier: Apache-2.0
"""The manifests in deploy/: valid for a real API server, and in step with the agent."""

import json
import os
import re
import subprocess
import unittest
from pathlib import Path

import jsonschema
import yaml

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
SCHEMAS = json.loads((Path(__file__).parent / "schemas.json").read_text())
SHUNT = os.environ["SHUNT"]

KINDS = {
    "DaemonSet": "io.k8s.api.apps.v1.DaemonSet",
    "ClusterRole": "io.k8s.api.rbac.v1.ClusterRole",
    "ClusterRoleBinding": "io.k8s.api.rbac.v1.ClusterRoleBinding",
    "ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
}

# Every request that the agent makes of the API server, (group, resource, verb): it lists and watches what resource.cpp names.
REQUESTS = {
    (group or "", resource, verb)
    for group, resource in re.findall(
        r'\.path = "/api(?:s/([^/"]+))?/v1/([^/"]+)"', (PROJECT / "agent/kubernetes/resource.cpp").read_text()
    )
    for verb in ("list", "watch")
}

BYTES_PER_FLOW = 768  # four slots of 64 bytes for IPv4, four of 128 for IPv6 (maps/flow.h)
SLOTS_BYTES = 16 << 20  # maps/slot.h


def documents() -> list[dict]:
    """For the API server; alerts.yaml is Prometheus'."""
    files = sorted(set(DEPLOY.glob("*.yaml")) - {DEPLOY / "alerts.yaml"})
    return [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]


def strict(schema):
    """The same schema, refusing fields that it does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        copy.setdefault("additionalProperties", False)
    return copy


def complaints(document: dict) -> list[str]:
    schema = {"$ref": f"#/components/schemas/{KINDS[document['kind']]}", "components": {"schemas": strict(SCHEMAS)}}
    found = jsonschema.Draft4Validator(schema).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def the(kind: str) -> dict:
    (document,) = [document for document in documents() if document["kind"] == kind]
    return document


def mebibytes(quantity: str) -> int:
    return int(re.fullmatch(r"(\d+)Mi", quantity)[1])


class Manifests(unittest.TestCase):
    def test_every_document_is_valid(self):
        self.assertEqual(sorted(document["kind"] for document in documents()), sorted(KINDS))
        for document in documents():
            self.assertEqual(complaints(document), [], document["kind"])

    def test_the_schemas_find_mistakes(self):
        daemonset = the("DaemonSet")
        daemonset["spec"]["template"]["spec"]["hostNetwrk"] = True
        self.assertEqual(len(complaints(daemonset)), 1)
        daemonset = the("DaemonSet")
        daemonset["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = ["512Mi"]
        self.assertNotEqual(complaints(daemonset), [])
        role = the("ClusterRole")
        del role["rules"][0]["verbs"]
        self.assertEqual(len(complaints(role)), 1)

    def test_rbac_is_what_the_agent_asks_for_and_no_more(self):
        rules = the("ClusterRole")["rules"]
        granted = {
            (group, resource, verb)
            for rule in rules
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        self.assertEqual(len(REQUESTS), 6, REQUESTS)
        self.assertEqual(granted, REQUESTS)
        binding, account = the("ClusterRoleBinding"), the("ServiceAccount")["metadata"]
        self.assertEqual(binding["roleRef"]["name"], the("ClusterRole")["metadata"]["name"])
        subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        self.assertEqual(binding["subjects"], [subject])
        self.assertEqual(the("DaemonSet")["spec"]["template"]["spec"]["serviceAccountName"], account["name"])

    def test_the_agent_knows_its_options(self):
        arguments = the("DaemonSet")["spec"]["template"]["spec"]["containers"][0]["args"]
        self.assertEqual(arguments[0], "agent")
        shown = subprocess.run([SHUNT, "agent", "--help"], capture_output=True, text=True, check=True).stdout
        for argument in arguments[1:]:
            self.assertIn(argument.split("=")[0] + " ", shown)

    def test_the_maps_fit_the_memory_limit(self):
        container = the("DaemonSet")["spec"]["template"]["spec"]["containers"][0]
        (flows,) = [int(a.split("=")[1]) for a in container["args"] if a.startswith("--max-flows=")]
        maps = flows * BYTES_PER_FLOW + SLOTS_BYTES
        self.assertLessEqual(maps, mebibytes(container["resources"]["requests"]["memory"]) << 20)
        self.assertLessEqual(2 * maps, mebibytes(container["resources"]["limits"]["memory"]) << 20)

    def test_it_lives_on_every_node_and_through_updates(self):
        spec = the("DaemonSet")["spec"]
        pod = spec["template"]["spec"]
        self.assertTrue(pod["hostNetwork"])
        self.assertEqual(pod["tolerations"], [{"operator": "Exists"}])
        self.assertEqual(pod["priorityClassName"], "system-node-critical")
        self.assertEqual(spec["updateStrategy"]["type"], "RollingUpdate")
        self.assertNotIn("lifecycle", pod["containers"][0], "nothing may be detached when a pod ends")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.assertEqual((pod["containers"][0][probe]["httpGet"]["path"], pod["containers"][0][probe]["httpGet"]["port"]), ("/livez", 10356))


if __name__ == "__main__":
    unittest.main()
