# SPDX-License-Identifier: Apache-2.0
"""A table as Markdown has it: first column to the left, figures to the right."""


def table(titles: list[str], lines: list[list[str]]) -> str:
    ruler = ["---"] + ["---:"] * (len(titles) - 1)
    return "".join("| " + " | ".join(line) + " |\n" for line in [titles, ruler, *lines])
