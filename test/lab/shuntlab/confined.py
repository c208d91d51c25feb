# SPDX-License-Identifier: Apache-2.0
"""Runs a command under a seccomp profile of the form that container runtimes read: confined.py PROFILE COMMAND…"""

import errno
import json
import os
import sys

import seccomp

DENY, ALLOW = "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"


def main() -> None:
    profile_path, *command = sys.argv[1:]
    with open(profile_path) as file:
        profile = json.load(file)
    if profile["defaultAction"] != DENY:
        sys.exit(f"{profile_path}: the default action is {profile['defaultAction']}")
    answer = profile.get("defaultErrnoRet", errno.EPERM)
    rules = seccomp.SyscallFilter(seccomp.ERRNO(answer))
    for rule in profile["syscalls"]:
        if rule["action"] != ALLOW or rule.get("args"):
            sys.exit(f"{profile_path}: only plain rules that allow are understood")
        for name in rule["names"]:
            try:
                rules.add_rule(seccomp.ALLOW, name)
            except RuntimeError:
                pass  # a call of another architecture
    rules.load()
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
